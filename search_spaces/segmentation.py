"""The hypermodel: declares every hyperparameter up front; `build` only reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import keras
import keras_tuner as kt

from search_spaces import batch_normalization, initial_weights
from search_spaces.architectures import ARCHITECTURES
from search_spaces.backbones import BACKBONES, UNIT
from search_spaces.class_weights import class_weights
from search_spaces.defaults import default_configuration
from search_spaces.losses import LOSSES, loss_value
from search_spaces.optimizers import OPTIMIZERS
from search_spaces.space import HYPERPARAMETERS, OF_BACKBONE, Range, Space

Values = Mapping[str, Any]
"""Active hyperparameters by name."""


class SegmentationHyperModel(kt.HyperModel):
    """A search space as a collection of models, for Keras Tuner's oracles and tuners.

    `num_classes` counts background: 2 gives one sigmoid output, more give a softmax over all classes. `class_pixels`
    counts the training pixels of each class, background first; `build` needs them if a configuration weighs classes.
    """

    def __init__(self, space: Space, num_classes: int, class_pixels: Sequence[int] | None = None) -> None:
        super().__init__(name="segmentation")
        self.space = space
        self.num_classes = num_classes
        self.class_pixels = class_pixels

    def declare(self, hp: kt.HyperParameters) -> kt.HyperParameters:
        """Adds the whole space to `hp`, so that no trial can make it grow. Its defaults are the default
        configuration."""
        space, recipe = self.space, default_configuration(self.space)
        hp.Choice("architecture", list(space.architecture), default=recipe["architecture"])
        with_backbone = [name for name in space.architecture if ARCHITECTURES[name].has_backbone]
        if with_backbone:
            with hp.conditional_scope("architecture", with_backbone):
                for name in OF_BACKBONE:
                    if getattr(space, name):
                        _declare(hp, name, getattr(space, name), recipe.get(name))
        for name in HYPERPARAMETERS:
            if name != "architecture" and name not in OF_BACKBONE and getattr(space, name):
                _declare(hp, name, getattr(space, name), recipe[name])
        return hp

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        """A compiled model with its initial weights, for training with Keras alone; the engine uses the parts. Raises
        ValueError if classes are to be weighed and `class_pixels` is None."""
        values = self.declare(hp).values
        if values["class_weights"] != "none" and self.class_pixels is None:
            raise ValueError(
                f"class_weights {values['class_weights']} needs class_pixels, the training pixels of each class"
            )
        weights_of_loss = class_weights(values["class_weights"], self.class_pixels or [1] * self.num_classes)
        model, _ = build_network(values, self.num_classes)
        weights = values.get("encoder_weights", "none")
        pretrained = initial_weights.load_encoder(values["backbone"], weights) if weights != "none" else None
        initial_weights.initialise(model, seed=0, pretrained=pretrained)
        initial_weights.begin_with_prior(model)
        mix = SimpleNamespace(**asdict(LOSSES[values["loss"]][1]))
        model.compile(
            optimizer=OPTIMIZERS[values["optimizer"]][1](values["learning_rate"], values["weight_decay"]),
            loss=lambda truth, probabilities: loss_value(mix, truth, probabilities, weights_of_loss),
        )
        return model


def build_network(
    values: Values, num_classes: int
) -> tuple[keras.Model, batch_normalization.StatisticsMomentum | None]:
    """An untrained model, and the momentum of its batch normalisation (None without any).

    The model goes from RGB images 0-255, [batch, size, size, 3], to float32 probabilities [batch, size, size, outputs].
    Its preprocessing is inside, so that a saved model can be used without knowing the backbone.
    """
    size, backbone = values["image_size"], values.get("backbone")
    outputs, activation = (1, "sigmoid") if num_classes == 2 else (num_classes, "softmax")
    core = ARCHITECTURES[values["architecture"]].build(backbone, size, outputs, activation)
    core, momentum = batch_normalization.replace(core)
    preprocessing = BACKBONES[backbone].preprocessing if backbone else UNIT
    images = keras.Input((size, size, 3), name="image")
    name = "-".join(filter(None, [values["architecture"], backbone]))
    return keras.Model(images, core(_Preprocess(preprocessing)(images)), name=name.replace("_", "-")), momentum


class _Preprocess(keras.layers.Layer):
    """RGB 0-255 of any number type to what the backbone expects, float32."""

    def __init__(self, preprocessing: Any) -> None:
        super().__init__(name="preprocessing")
        self.preprocessing = preprocessing

    def call(self, images: Any) -> Any:
        return self.preprocessing.apply(keras.ops.cast(images, "float32"))


def _declare(hp: kt.HyperParameters, name: str, values: tuple[Any, ...] | Range, default: Any) -> None:
    """`default` None: the first value."""
    if isinstance(values, Range):
        hp.Float(name, min_value=values.min, max_value=values.max, sampling=values.sampling, default=default)
    else:
        hp.Choice(name, list(values), default=default)
