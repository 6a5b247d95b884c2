"""Optimisers and learning-rate schedules by name: Keras's own, with TensorFlow's fused update in place of a dozen small
operations a variable.

They replace `_backend_update_step`, which in Keras's TensorFlow backend wraps every variable in a distribution
strategy's merge call. Values that all variables share are computed once. Variables are float32, in mixed precision too.

`weight_decay` is decoupled from the gradient for all of them, so adam with weight decay is AdamW (Loshchilov and
Hutter, 2019).
"""

import math
from collections.abc import Callable
from typing import Any


def adam(learning_rate: float, weight_decay: float) -> Any:
    """Adam (Kingma and Ba, 2015), beta 0.9 and 0.999, epsilon 1e-7."""
    import keras
    import tensorflow as tf

    class FusedAdam(keras.optimizers.Adam):
        def _backend_update_step(self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any) -> None:
            step = tf.cast(self.iterations.value + 1, tf.float32)
            shared = {
                "beta1_power": tf.pow(self.beta_1, step),
                "beta2_power": tf.pow(self.beta_2, step),
                "lr": tf.cast(learning_rate, tf.float32),
                "beta1": tf.constant(self.beta_1),
                "beta2": tf.constant(self.beta_2),
                "epsilon": tf.constant(self.epsilon),
            }
            for gradient, variable in zip(grads, trainable_variables, strict=True):
                index = self._get_variable_index(variable)
                tf.raw_ops.ResourceApplyAdam(
                    var=variable.value.handle,
                    m=self._momentums[index].value.handle,
                    v=self._velocities[index].value.handle,
                    grad=gradient,
                    **shared,
                )

    return FusedAdam(learning_rate, weight_decay=weight_decay or None)


def sgd(learning_rate: float, weight_decay: float) -> Any:
    """Stochastic gradient descent with Nesterov momentum 0.9."""
    import keras
    import tensorflow as tf

    class FusedSGD(keras.optimizers.SGD):
        def _backend_update_step(self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any) -> None:
            shared = {"lr": tf.cast(learning_rate, tf.float32), "momentum": tf.constant(self.momentum)}
            for gradient, variable in zip(grads, trainable_variables, strict=True):
                tf.raw_ops.ResourceApplyKerasMomentum(
                    var=variable.value.handle,
                    accum=self.momentums[self._get_variable_index(variable)].value.handle,
                    grad=gradient,
                    use_nesterov=self.nesterov,
                    **shared,
                )

    return FusedSGD(learning_rate, momentum=0.9, nesterov=True, weight_decay=weight_decay or None)


OPTIMIZERS: dict[str, tuple[str, Callable[[float, float], Any]]] = {
    "adam": ("Adam; with weight_decay it is AdamW", adam),
    "sgd": ("gradient descent with Nesterov momentum 0.9; wants learning rates some ten times higher", sgd),
}
"""Name -> (one line for people, maker from learning rate and weight decay)."""


def constant(progress: float) -> float:
    return 1.0


WARM_UP = 0.1
"""The fraction of a training in which the learning rate rises: a new decoder's first gradients would spoil a pretrained
encoder."""


def cosine(progress: float) -> float:
    """Up to 1 in a straight line, then down to 0 along half a cosine (Loshchilov and Hutter, "SGDR", 2017, without
    restarts; warm-up as in Goyal et al., "Accurate, Large Minibatch SGD", 2017)."""
    if progress < WARM_UP:
        return (progress + WARM_UP / 10) / (1.1 * WARM_UP)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - WARM_UP) / (1 - WARM_UP))))


SCHEDULES: dict[str, tuple[str, Callable[[float], float]]] = {
    "constant": ("the same learning rate from the first step to the last", constant),
    "cosine": (
        "a short warm-up, then down to 0 along half a cosine: settles what a constant rate keeps stirring",
        cosine,
    ),
}
"""Name -> (one line for people, factor on the learning rate at a share 0-1 of the training)."""
