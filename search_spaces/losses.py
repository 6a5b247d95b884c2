"""Losses by name: mixes of a few parts, most of them Keras's own, each right for one foreground class and for several.

One formula serves all of them, and every number in a `LossMix` may be a variable, so that trials with different losses
can share a compiled graph.

Sources: focal, Lin et al. 2017 (arXiv:1708.02002); Dice, Milletari et al. 2016 (arXiv:1606.04797); Tversky, Salehi et
al. 2017 (arXiv:1706.05721); focal Tversky, Abraham and Khan 2018 (arXiv:1810.07842); log-cosh Dice, Jadon 2020
(arXiv:2006.14822); Lovász, Berman et al. 2018 (arXiv:1705.08790). In Keras's `tversky` alpha weighs misses and beta
weighs false alarms, the reverse of the paper (and of Keras's own variable names), so that we use words of our own.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class LossMix:
    """Weights of the parts, and their parameters. `focal_alpha` weighs foreground against background, 0-1.
    `focal_tversky_exponent` is the paper's 1 / gamma, with its gamma of 4/3: below 1 it weighs the last errors more."""

    bce: float = 0.0
    dice: float = 0.0
    focal: float = 0.0
    tversky: float = 0.0
    focal_gamma: float = 2.0
    focal_alpha: float = 0.75
    tversky_misses: float = 0.7
    tversky_false_alarms: float = 0.3
    log_cosh_dice: float = 0.0
    focal_tversky: float = 0.0
    lovasz: float = 0.0
    focal_tversky_exponent: float = 0.75


LOSSES: dict[str, tuple[str, LossMix]] = {
    "bce": ("cross-entropy over pixels: the usual default, blind to imbalance", LossMix(bce=1)),
    "dice": ("1 - Dice over the batch: indifferent to the share of background", LossMix(dice=1)),
    "focal": ("cross-entropy that fades easy pixels (gamma 2, foreground weight 0.75)", LossMix(focal=1)),
    "bce_dice": ("cross-entropy + Dice: stable start, balanced end", LossMix(bce=1, dice=1)),
    "tversky": ("Dice that minds misses (0.7) more than false alarms (0.3)", LossMix(tversky=1)),
    "focal_tversky": (
        "Tversky with an exponent of 0.75: goes on minding small objects when most is found",
        LossMix(focal_tversky=1),
    ),
    "log_cosh_dice": ("log(cosh(1 - Dice)): Dice, smoother near its end", LossMix(log_cosh_dice=1)),
    "lovasz": (
        "the convex extension of 1 - IoU: hinge of one class, softmax of several; sorts all pixels",
        LossMix(lovasz=1),
    ),
}
"""Name -> (one line for people, the mix)."""

PARAMETERS = tuple(field.name for field in fields(LossMix))


def loss_value(mix: Any, truth: Any, probabilities: Any, class_weights: Any = None) -> Any:
    """Scalar float32 loss of a batch.

    `mix` has the attributes of `LossMix` as floats, tensors or variables. `truth` and `probabilities` are float32
    [batch, height, width, outputs]: one output is the foreground's sigmoid; several are a softmax with background
    first, truth one-hot. Dice and Tversky are taken over the whole batch for each foreground class, then averaged;
    background would dominate them. Lovász is computed only where its weight is not 0; the other parts share their sums.

    `class_weights` is float32 [classes], background first (None: 1 each). They weigh pixels in cross-entropy and focal
    loss, and foreground classes in the means of the others.
    """
    import tensorflow as tf
    from keras import losses

    weights = tf.ones([max(2, truth.shape[-1])]) if class_weights is None else tf.convert_to_tensor(class_weights)
    per_class = {"axis": (0, 1, 2)}
    if truth.shape[-1] == 1:
        cross_entropy = losses.binary_crossentropy(truth, probabilities)
        focal = losses.binary_focal_crossentropy(
            truth, probabilities, apply_class_balancing=True, alpha=mix.focal_alpha, gamma=mix.focal_gamma
        )
        foreground, predicted = truth, probabilities
        of_pixel = weights[0] + (weights[1] - weights[0]) * truth[..., 0]
    else:
        cross_entropy = losses.categorical_crossentropy(truth, probabilities)
        alpha = tf.concat([[1.0 - mix.focal_alpha], tf.fill([truth.shape[-1] - 1], mix.focal_alpha)], axis=0)
        focal = losses.categorical_focal_crossentropy(truth, probabilities, alpha=alpha, gamma=mix.focal_gamma)
        foreground, predicted = truth[..., 1:], probabilities[..., 1:]
        of_pixel = tf.reduce_sum(truth * weights, axis=-1)
    of_class = weights[1:] / tf.reduce_sum(weights[1:])
    dice = losses.dice(foreground, predicted, **per_class)
    tversky = losses.tversky(
        foreground, predicted, alpha=mix.tversky_misses, beta=mix.tversky_false_alarms, **per_class
    )
    return (
        mix.bce * tf.reduce_mean(of_pixel * cross_entropy)
        + mix.focal * tf.reduce_mean(of_pixel * focal)
        + mix.dice * tf.reduce_sum(of_class * dice)
        + mix.tversky * tf.reduce_sum(of_class * tversky)
        + mix.log_cosh_dice * tf.math.log(tf.math.cosh(tf.reduce_sum(of_class * dice)))
        + mix.focal_tversky * tf.reduce_sum(of_class * tf.maximum(tversky, _STEEPEST) ** mix.focal_tversky_exponent)
        + _where_used(mix.lovasz, lambda: lovasz(foreground, predicted, weights[1:]))
    )


_STEEPEST = 1e-6
"""A lower bound for the base of a power below 1: its slope is infinite at 0, and infinity times a weight of 0 is no
number."""

_SURE = 1e-7
"""Least distance of a probability from 0 and 1, which limits its logit to 16."""


def lovasz(foreground: Any, predicted: Any, weights: Any) -> Any:
    """Scalar Lovász loss of truth and probabilities, float32 [batch, height, width, classes], for foreground classes
    with `weights`, float32 [classes].

    One class: the hinge on its logits. Several: the softmax's errors, averaged over the classes that occur in the
    batch. The batch is one image in the paper's sense: all its pixels are sorted by their error.
    """
    import tensorflow as tf

    classes = foreground.shape[-1]
    truth, probabilities = (tf.reshape(each, [-1, classes]) for each in (foreground, predicted))
    if classes == 1:
        sure = tf.clip_by_value(probabilities[:, 0], _SURE, 1 - _SURE)
        errors = 1 - (tf.math.log(sure) - tf.math.log1p(-sure)) * (2 * truth[:, 0] - 1)
        return tf.reduce_sum(tf.nn.relu(errors) * _lovasz_slopes(errors, truth[:, 0]))
    each = []
    for number in range(classes):
        errors = tf.abs(truth[:, number] - probabilities[:, number])
        each.append(tf.reduce_sum(errors * _lovasz_slopes(errors, truth[:, number])))
    occurs = weights * tf.cast(tf.reduce_any(truth > 0, axis=0), tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(tf.stack(each) * occurs), tf.reduce_sum(occurs))


def _lovasz_slopes(errors: Any, truth: Any) -> Any:
    """How much each pixel's error adds to 1 - IoU (the paper's algorithm 1), float32 [pixels] in the order of the
    pixels; a constant for gradients."""
    import tensorflow as tf

    errors, truth = tf.stop_gradient(errors), tf.stop_gradient(truth)
    order = tf.argsort(errors, direction="DESCENDING", stable=True)
    found = tf.gather(truth, order)
    everything = tf.reduce_sum(found)
    one_minus_iou = 1 - (everything - tf.cumsum(found)) / (everything + tf.cumsum(1 - found))
    slopes = one_minus_iou - tf.concat([[0.0], one_minus_iou[:-1]], axis=0)
    return tf.gather(slopes, tf.math.invert_permutation(order))


def _where_used(weight: Any, part: Callable[[], Any]) -> Any:
    """`part` times its weight. Where the weight is 0 when the step runs, neither it nor its gradients are computed."""
    import tensorflow as tf

    weight = tf.convert_to_tensor(weight, tf.float32)
    return tf.cond(weight > 0, lambda: weight * part(), lambda: tf.zeros([]))
