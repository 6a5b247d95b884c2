"""Losses by name: mixes of Keras's own, each right for one foreground class and for several.

One formula serves all of them, so that two trials that differ only in their loss can share a compiled graph: every number in a
`LossMix` may be a variable. Sources: focal, Lin et al. 2017 (arXiv:1708.02002); Dice, Milletari et al. 2016 (arXiv:1606.04797);
Tversky, Salehi et al. 2017 (arXiv:1706.05721). In Keras's `tversky` it is alpha that weighs misses and beta that weighs false
alarms, the reverse of the paper (and of Keras's own variable names): hence our own words.
"""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class LossMix:
    """Weights of the parts, and their parameters. `focal_alpha` weighs foreground against background, 0-1."""

    bce: float = 0.0
    dice: float = 0.0
    focal: float = 0.0
    tversky: float = 0.0
    focal_gamma: float = 2.0
    focal_alpha: float = 0.75
    tversky_misses: float = 0.7
    tversky_false_alarms: float = 0.3


LOSSES: dict[str, tuple[str, LossMix]] = {
    "bce": ("cross-entropy over pixels: the usual default, blind to imbalance", LossMix(bce=1)),
    "dice": ("1 - Dice over the batch: indifferent to the share of background", LossMix(dice=1)),
    "focal": ("cross-entropy that fades easy pixels (gamma 2, foreground weight 0.75)", LossMix(focal=1)),
    "bce_dice": ("cross-entropy + Dice: stable start, balanced end", LossMix(bce=1, dice=1)),
    "tversky": ("Dice that minds misses (0.7) more than false alarms (0.3)", LossMix(tversky=1)),
}
"""Name -> (one line for people, the mix)."""

PARAMETERS = tuple(field.name for field in fields(LossMix))


def loss_value(mix: Any, truth: Any, probabilities: Any) -> Any:
    """Scalar float32 loss of a batch.

    `mix` has the attributes of `LossMix` as floats, tensors or variables. `truth` and `probabilities` are float32 [batch, height,
    width, outputs]: one output is the foreground's sigmoid; several are a softmax with background first, truth one-hot. Dice and
    Tversky are taken over the whole batch for each foreground class, then averaged: background would dominate them.
    """
    import tensorflow as tf
    from keras import losses

    per_class = {"axis": (0, 1, 2)}
    if truth.shape[-1] == 1:
        cross_entropy = losses.binary_crossentropy(truth, probabilities)
        focal = losses.binary_focal_crossentropy(
            truth, probabilities, apply_class_balancing=True, alpha=mix.focal_alpha, gamma=mix.focal_gamma
        )
        foreground, predicted = truth, probabilities
    else:
        cross_entropy = losses.categorical_crossentropy(truth, probabilities)
        alpha = tf.concat([[1.0 - mix.focal_alpha], tf.fill([truth.shape[-1] - 1], mix.focal_alpha)], axis=0)
        focal = losses.categorical_focal_crossentropy(truth, probabilities, alpha=alpha, gamma=mix.focal_gamma)
        foreground, predicted = truth[..., 1:], probabilities[..., 1:]
    dice = losses.dice(foreground, predicted, **per_class)
    tversky = losses.tversky(
        foreground, predicted, alpha=mix.tversky_misses, beta=mix.tversky_false_alarms, **per_class
    )
    return (
        mix.bce * tf.reduce_mean(cross_entropy)
        + mix.focal * tf.reduce_mean(focal)
        + mix.dice * tf.reduce_mean(dice)
        + mix.tversky * tf.reduce_mean(tversky)
    )
