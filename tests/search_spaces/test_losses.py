"""Losses against numbers worked by hand from their papers' definitions."""

from math import cosh, log
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from search_spaces import losses
from search_spaces.losses import LOSSES, PARAMETERS, loss_value


def value(name: str, truth: list[float] | np.ndarray, probabilities: list[float] | np.ndarray) -> float:
    """Of one image that is a row of pixels, [width] or [width, outputs]."""
    arrays = [np.asarray(each, np.float32) for each in (truth, probabilities)]
    arrays = [each.reshape(1, 1, len(each), -1) for each in arrays]
    return float(loss_value(LOSSES[name][1], arrays[0], tf.constant(arrays[1])))


def sigmoid(*logits: float) -> np.ndarray:
    return 1 / (1 + np.exp(-np.array(logits)))


HALF_MISSED = [1.0] * 8 + [0.0] * 8, [1.0] * 4 + [0.0] * 12


def test_log_cosh_dice_of_half_an_object() -> None:
    # Dice = 2 * 4 / (8 + 4) = 2/3
    assert value("log_cosh_dice", *HALF_MISSED) == pytest.approx(log(cosh(1 / 3)), abs=1e-5)


def test_focal_tversky_of_half_an_object() -> None:
    # Tversky index = 4 / (4 + 0.7 * 4) = 1 / 1.7
    assert value("focal_tversky", *HALF_MISSED) == pytest.approx((1 - 1 / 1.7) ** 0.75, abs=1e-5)


def test_lovasz_hinge_weighs_margins_by_what_they_cost_in_iou() -> None:
    # Errors 1 - logit * sign are -1, 2 and 0.5. Sorted 2 (1 - 1/2), 0.5 (1 - 1/3), -1 (1): slopes 1/2, 1/6, 1/3,
    # and -1 is no loss.
    assert value("lovasz", [1, 0, 0], sigmoid(2, 1, -0.5)) == pytest.approx(2 / 2 + 0.5 / 6, abs=1e-4)


def test_lovasz_hinge_is_zero_beyond_the_margin_and_grows_with_a_sure_mistake() -> None:
    assert value("lovasz", [1, 0], sigmoid(1.5, -1.5)) == 0
    assert value("lovasz", [1, 0], sigmoid(-3, -1.5)) == pytest.approx(4, abs=1e-4)


def test_lovasz_softmax_averages_over_the_classes_that_occur() -> None:
    truth = np.eye(3)[[1, 0, 0, 0]]
    first = np.array([0.9, 0.3, 0.2, 0.0])
    probabilities = np.stack([1 - first, first, np.zeros(4)], axis=-1)
    # Errors of class 1 sorted 0.3, 0.2, 0.1 (the object), 0: 1 - IoU is 1/2, 2/3, 1, 1. Class 2 occurs nowhere.
    assert value("lovasz", truth, probabilities) == pytest.approx(0.3 / 2 + 0.2 / 6 + 0.1 / 3, abs=1e-5)


def test_lovasz_of_sure_masks_is_one_minus_iou() -> None:
    truth = np.eye(3)[[1, 1, 1, 0, 2, 2]]
    found = np.eye(3)[[1, 1, 0, 1, 2, 2]]  # class 1: 2 of 4; class 2: all of it
    assert value("lovasz", truth, found) == pytest.approx((0.5 + 0) / 2, abs=1e-6)


def test_slopes_are_constants_so_that_the_gradient_is_that_of_the_errors() -> None:
    truth = np.eye(3)[[1, 0, 0, 0]].reshape(1, 1, 4, 3).astype(np.float32)
    first = np.array([0.9, 0.3, 0.2, 0.05], np.float32)
    probabilities = tf.constant(np.stack([1 - first, first, 0 * first], axis=-1).reshape(1, 1, 4, 3))
    with tf.GradientTape() as tape:
        tape.watch(probabilities)
        loss = loss_value(LOSSES["lovasz"][1], truth, probabilities)
    found = tape.gradient(loss, probabilities)[0, 0, :, 1]
    np.testing.assert_allclose(found, [-1 / 3, 1 / 2, 1 / 6, 0], atol=1e-6)


def test_a_shared_graph_computes_lovasz_only_where_a_trial_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(truth: tf.Tensor, predicted: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        tf.py_function(lambda: calls.append(1), [], [])
        return tf.reduce_mean(predicted)

    monkeypatch.setattr(losses, "lovasz", counted)
    mix = SimpleNamespace(**{name: tf.Variable(0.0) for name in PARAMETERS})
    step = tf.function(lambda truth, found: loss_value(mix, truth, found), autograph=False)
    truth, found = tf.ones([1, 2, 2, 1]), tf.fill([1, 2, 2, 1], 0.25)
    for name in PARAMETERS:
        getattr(mix, name).assign(getattr(LOSSES["bce_dice"][1], name))
    step(truth, found)
    assert calls == []
    mix.lovasz.assign(2.0)
    alone = float(loss_value(LOSSES["bce_dice"][1], truth, found))
    assert float(step(truth, found)) == pytest.approx(alone + 2 * 0.25, abs=1e-6)
    assert calls == [1]


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_numbers_where_everything_is_right_or_there_is_nothing_to_find(name: str) -> None:
    for truth in (np.zeros((1, 4, 4, 1), np.float32), np.ones((1, 4, 4, 1), np.float32)):
        probabilities = tf.constant(truth)
        with tf.GradientTape() as tape:
            tape.watch(probabilities)
            loss = loss_value(LOSSES[name][1], truth, probabilities)
        assert np.isfinite(tape.gradient(loss, probabilities)).all()
