"""Batch normalisation for small data, the same for every architecture.

Keras's moving averages (momentum 0.99) need hundreds of steps to settle. A data set of 50 images has 6 steps an epoch,
so validation would run on stale statistics. `replace` swaps every such layer of a model for one whose momentum is a
variable. Before validation, training code can then re-estimate the statistics: it averages over some training batches
(momentum 0, 1/2, 2/3, ... gives the mean; Wu and Johnson, "Rethinking Batch in BatchNorm", 2021, call it precise BN).

The layer also uses TensorFlow's fused kernel: one operation instead of Keras's dozen, which halves the time to the
first step.
"""

from typing import Any

KERAS_MOMENTUM = 0.99


class StatisticsMomentum:
    """The fraction of the old moving statistics that every layer keeps at the next training step; one variable for a
    model."""

    def __init__(self) -> None:
        import tensorflow as tf

        self.variable = tf.Variable(KERAS_MOMENTUM, trainable=False, dtype=tf.float32, name="statistics_momentum")


def replace(model: Any) -> tuple[Any, StatisticsMomentum | None]:
    """A copy of `model` (fresh weights) on our layers, with their momentum; None where it has no batch normalisation.

    Its last layer computes in float32, whatever the policy: probabilities near 0 and 1 need it. If the first layer
    normalises the images themselves (segmentation-models' ResNets), its offset is not trained. The normalisation after
    the first convolution removes such a shift, except at the border, and the gradient to the images costs 2% of a step.
    """
    import keras

    ours = _layer_class()
    momentum = StatisticsMomentum()
    found = False

    def clone(layer: Any) -> Any:
        nonlocal found
        config = layer.get_config()
        if layer.name in model.output_names:
            config["dtype"] = "float32"
        if type(layer) is not keras.layers.BatchNormalization:
            return layer.__class__.from_config(config)
        found = True
        copy = ours.from_config(config)
        copy.statistics_momentum = momentum
        copy.autocast = False  # the kernel wants its parameters in float32, whatever its input
        return copy

    copied = keras.models.clone_model(model, clone_function=clone)
    for layer in copied.layers:
        if isinstance(layer, ours) and layer.input in copied.inputs and layer.center:
            layer.beta.trainable = False
    return copied, momentum if found else None


def _layer_class() -> Any:
    import keras
    import tensorflow as tf

    class BatchNormalization(keras.layers.BatchNormalization):
        """Keras's layer with a fused kernel and a variable momentum. Inputs [batch, height, width, channels]."""

        statistics_momentum: StatisticsMomentum

        def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
            if inputs.shape.rank != 4 or self.axis not in (-1, 3):
                raise ValueError(f"{self.name}: batch normalisation of shape {inputs.shape} along axis {self.axis}")
            mean, variance = self.moving_mean.value, self.moving_variance.value
            use_batch = bool(training) and self.trainable
            nothing = tf.zeros([0])
            outputs, batch_mean, batch_variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=inputs,
                scale=self.gamma.value if self.scale else tf.ones_like(mean),
                offset=self.beta.value if self.center else tf.zeros_like(mean),
                mean=nothing if use_batch else mean,
                variance=nothing if use_batch else variance,
                epsilon=self.epsilon,
                is_training=use_batch,
            )
            if use_batch:
                kept = self.statistics_momentum.variable
                count = tf.cast(tf.size(inputs) / inputs.shape[-1], batch_variance.dtype)
                biased = batch_variance * (count - 1) / count  # what training divides by; the kernel reports count - 1
                mean.assign(mean * kept + batch_mean * (1 - kept))
                variance.assign(variance * kept + biased * (1 - kept))
            return outputs

    return BatchNormalization
