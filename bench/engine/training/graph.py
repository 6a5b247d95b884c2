"""One compiled network that many trials train in turn.

The first step of a graph costs as much as dozens of later ones, so whatever can differ between two trials of one graph
is a variable: initial weights, learning rate, weight decay, loss mix. `reset` makes a used graph equal to a new one.
"""

import contextlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.datasets.dataset import VOID
from search_spaces.initial_weights import Weights, begin_with_prior, initialise, layers_of
from search_spaces.losses import LOSSES, PARAMETERS, loss_value
from search_spaces.optimizers import OPTIMIZERS
from search_spaces.segmentation import build_network
from search_spaces.space import Part, graph_identity


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphKey:
    """What two trials must have in common to share a compiled graph: what it depends on of their hyperparameters, and
    what is equal for all trials of a run. `evaluation_size` is in pixels; a pixel whose probability is at least
    `threshold` is foreground (one foreground class; of several the most probable class wins). `precision` is a Keras
    dtype policy: "float32", "mixed_float16" or "mixed_bfloat16"; with `xla` training steps are compiled by XLA where
    the network allows."""

    hyperparameters: tuple[Part, ...]
    num_classes: int
    evaluation_size: int
    threshold: float
    precision: str = "float32"
    xla: bool = False

    @classmethod
    def of(
        cls,
        values: Mapping[str, Any],
        *,
        num_classes: int,
        evaluation_size: int,
        threshold: float,
        precision: str = "float32",
        xla: bool = False,
    ) -> "GraphKey":
        return cls(
            hyperparameters=graph_identity(values),
            num_classes=num_classes,
            evaluation_size=evaluation_size,
            threshold=threshold,
            precision=precision,
            xla=xla,
        )

    @property
    def values(self) -> dict[str, Any]:
        """Of a hyperparameter of which only that counts: whether it is above 0."""
        return dict(self.hyperparameters)

    @property
    def image_size(self) -> int:
        return self.values["image_size"]


class TrainingGraph:
    """A network, its optimiser and the compiled functions that train and score it."""

    def __init__(self, key: GraphKey) -> None:
        started = time.perf_counter()
        self.key = key
        values = key.values
        with _dtype_policy(key.precision):
            self.model, self._momentum = build_network(values, key.num_classes)
        decays = values["weight_decay"]
        self._weight_decay = tf.Variable(1.0 if decays else 0.0, trainable=False)
        self._is_open = tf.Variable(tf.ones(len(self.model.trainable_variables)), trainable=False)
        """Of each trainable variable 1, or 0 while it is frozen."""
        self.optimizer = OPTIMIZERS[values["optimizer"]][1](1e-3, self._weight_decay if decays else 0.0)
        if key.precision == "mixed_float16":  # its gradients would vanish below 6e-8
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
        self.optimizer.build(self.model.trainable_variables)
        self._scalars = [v.numpy() if v.shape == () else None for v in self.optimizer.variables]
        self._mix = SimpleNamespace(**{name: tf.Variable(0.0, trainable=False) for name in PARAMETERS})
        self._class_weights = tf.Variable(tf.ones([key.num_classes]), trainable=False)
        images = tf.TensorSpec([None, key.image_size, key.image_size, 3], tf.uint8)
        masks = tf.TensorSpec([None, key.image_size, key.image_size], tf.uint8)
        truth = tf.TensorSpec([None, key.evaluation_size, key.evaluation_size], tf.uint8)
        # Traced once each, and called by the others: tracing Keras's layers is most of a graph's first time.
        self.predict = tf.function(lambda images: self.model(images, training=False), [images], autograph=False)
        self._forward_in_training = tf.function(
            lambda images: self.model(images, training=True), [images], autograph=False
        )
        self.train_step = tf.function(
            self._train_step, [images, masks], autograph=False, jit_compile=(key.xla and self._suits_xla) or None
        )
        self.score = tf.function(lambda *of: self._score(*of)[:3], [images, masks, truth, truth], autograph=False)
        self.score_in_full = tf.function(self._score, [images, masks, truth, truth], autograph=False)
        self._initial: _Initial | None = None
        self.latency_s: float | None = None
        """Of a forward pass of one image, once somebody has measured it: it does not depend on the weights."""
        self.build_s = time.perf_counter() - started

    def reset(
        self,
        values: Mapping[str, Any],
        *,
        seed: int,
        pretrained: Weights | None,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        """Makes the graph ready for a trial as if it were new. `class_weights` are those of the loss, background first
        (None: 1 each)."""
        if self._initial is not None and self._initial.seed == seed and self._initial.pretrained is pretrained:
            _restore(self.model.variables, self._initial.snapshot)
        else:
            self._initial = None  # its memory is free before the next is drawn
            initialise(self.model, seed, pretrained)
            begin_with_prior(self.model)
            self._initial = _Initial(seed, pretrained, _snapshot(self.model.variables))
        for variable, scalar in zip(self.optimizer.variables, self._scalars, strict=True):
            if scalar is None:
                _assign(variable, tf.raw_ops.ZerosLike(x=_read(variable)))
            else:
                variable.assign(scalar)
        self._open_while_frozen = self._apart_from(pretrained or {})
        self.set_frozen(False)
        self.optimizer.learning_rate.assign(values["learning_rate"])
        self._weight_decay.assign(values["weight_decay"])
        self._class_weights.assign(class_weights or [1.0] * self.key.num_classes)
        mix = LOSSES[values["loss"]][1]
        for name, value in zip(PARAMETERS, astuple(mix), strict=True):
            getattr(self._mix, name).assign(value)

    def set_frozen(self, frozen: bool) -> None:
        """Whether pretrained layers stay as they are in the steps to come. For graphs of configurations with a
        `frozen_start` above 0."""
        self._is_open.assign(self._open_while_frozen if frozen else np.ones_like(self._open_while_frozen))

    def _apart_from(self, pretrained: Weights) -> np.ndarray:
        """float32: of each trainable variable 0 if it is of a pretrained layer, else 1."""
        layers = (layer for layer in layers_of(self.model) if layer.name in pretrained)
        of_encoder = {id(variable) for layer in layers for variable in layer.trainable_variables}
        return np.array([id(variable) not in of_encoder for variable in self.model.trainable_variables], np.float32)

    def set_learning_rate(self, learning_rate: float) -> None:
        self.optimizer.learning_rate.assign(learning_rate)

    @property
    def has_batch_norm(self) -> bool:
        return self._momentum is not None

    def set_statistics_momentum(self, momentum: float) -> None:
        """The share of the old moving statistics that each later training step keeps."""
        if self._momentum is not None:
            self._momentum.variable.assign(momentum)

    def estimate_statistics(self, batches: list[np.ndarray]) -> None:
        """Sets the moving statistics to their mean over the images of `batches`, uint8 [batch, size, size, 3] each."""
        seen = 0
        for images in batches:
            self.set_statistics_momentum(seen / (seen + len(images)))
            self._forward_in_training(images)
            seen += len(images)

    def weights(self) -> list[tf.Tensor]:
        """Every weight as it is now, moving statistics included."""
        return _snapshot(self.model.weights)

    def has_diverged(self) -> bool:
        """Whether a weight is no number any more. The loss may hide it: oneDNN's ReLU makes 0 of it."""
        sums = [tf.raw_ops.Sum(input=value, axis=list(range(value.shape.rank))) for value in self.weights()]
        return not math.isfinite(float(tf.add_n(sums)))

    @property
    def _suits_xla(self) -> bool:
        """XLA has no deterministic gradient of max pooling, and equal trials have to end equal."""
        return not any(isinstance(layer, keras.layers.MaxPooling2D) for layer in layers_of(self.model))

    def _train_step(self, images: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
        trainable = self.model.trainable_variables
        with tf.GradientTape() as tape:
            loss = self._loss(masks, self._forward_in_training(images))
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, [variable.value for variable in trainable])
        if self.key.values["frozen_start"]:
            is_open = tf.unstack(self._is_open)
            gradients = [gradient * factor for gradient, factor in zip(gradients, is_open, strict=True)]
        self.optimizer.apply(gradients, trainable)
        return loss

    def _score(
        self, images: tf.Tensor, masks: tf.Tensor, truth: tf.Tensor, valid: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Mean loss; predicted class ids, uint8 [batch, e, e]; confusion, int64 [batch, truth, predicted];
        probabilities, float32 [batch, e, e, channels], which `score` leaves out.

        Probabilities are enlarged to the evaluation size `e`, the same for every trial, before they are thresholded.
        """
        probabilities = self.predict(images)
        loss = self._loss(masks, probabilities)
        size, classes = self.key.evaluation_size, self.key.num_classes
        if size != self.key.image_size:
            probabilities = tf.image.resize(probabilities, [size, size])
        if classes == 2:
            predicted = tf.cast(probabilities[..., 0] >= self.key.threshold, tf.uint8)
        else:
            predicted = tf.cast(tf.argmax(probabilities, axis=-1), tf.uint8)
        counted = tf.one_hot(truth, classes) * tf.cast(valid, tf.float32)[..., None]
        pixels = [-1, size * size, classes]
        confusion = tf.matmul(
            tf.reshape(counted, pixels), tf.reshape(tf.one_hot(predicted, classes), pixels), transpose_a=True
        )
        return loss, predicted, tf.cast(tf.round(confusion), tf.int64), tf.cast(probabilities, tf.float32)

    def _loss(self, masks: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
        """Void is certain background on both sides: it adds nothing to a loss, and no gradient comes from it."""
        void = (masks == VOID)[..., None]
        if self.key.num_classes == 2:
            truth = tf.cast(masks == 1, tf.float32)[..., None]
            return loss_value(self._mix, truth, tf.where(void, 0.0, probabilities), self._class_weights)
        background = tf.one_hot(0, self.key.num_classes)
        truth = tf.where(void, background, tf.one_hot(masks, self.key.num_classes))
        return loss_value(self._mix, truth, tf.where(void, background, probabilities), self._class_weights)


@dataclass(frozen=True, slots=True)
class _Initial:
    """What a trial of that seed starts from. Every trial of a study has the study's seed, and drawing is most of a
    reset."""

    seed: int
    pretrained: Weights | None
    snapshot: list[tf.Tensor]


# Keras's and TensorFlow's own ways to read and assign check and convert for ten times as long as these take. A tensor
# that is read shares the variable's memory; whatever changes the variable next makes a copy first.


def _snapshot(variables: list[Any]) -> list[tf.Tensor]:
    return [_read(variable) for variable in variables]


def _restore(variables: list[Any], values: list[tf.Tensor]) -> None:
    for variable, value in zip(variables, values, strict=True):
        _assign(variable, value)


def _read(variable: Any) -> tf.Tensor:
    return tf.raw_ops.ReadVariableOp(resource=variable.value.handle, dtype=variable.value.dtype)


def _assign(variable: Any, value: tf.Tensor) -> None:
    tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=value)


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """Keras reads the policy of new layers from a global."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
