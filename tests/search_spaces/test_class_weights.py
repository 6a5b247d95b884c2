"""Weights of classes against numbers worked by hand, and what they do to a loss."""

from math import log

import numpy as np
import pytest
import tensorflow as tf

from search_spaces.class_weights import CLASS_WEIGHTS, class_weights
from search_spaces.losses import LOSSES, loss_value
from search_spaces.segmentation import SegmentationHyperModel
from search_spaces.space import Space


@pytest.mark.parametrize("rule", CLASS_WEIGHTS)
def test_the_weights_of_all_pixels_average_to_one_and_a_class_without_pixels_weighs_one(rule: str) -> None:
    weights = class_weights(rule, [900, 90, 0, 10])
    assert np.dot(weights, [900, 90, 0, 10]) / 1000 == pytest.approx(1)
    assert weights[2] == 1


def test_inverse_frequency_gives_every_class_the_same_share_of_the_loss() -> None:
    assert class_weights("inverse_frequency", [900, 100]) == pytest.approx((1000 / 1800, 5))


def test_the_effective_number_saturates_at_the_pixels_of_an_average_class() -> None:
    # N = 500: 900 pixels are worth 500 (1 - exp(-1.8)) = 417.4, 100 are worth 500 (1 - exp(-0.2)) = 90.6, up to 1 / N.
    weights = class_weights("effective_number", [900, 100])
    assert weights[1] / weights[0] == pytest.approx((1 - 0.998**900) / (1 - 0.998**100))
    assert 1 < weights[1] < class_weights("inverse_frequency", [900, 100])[1]


def test_the_effective_number_does_not_depend_on_the_size_of_the_images() -> None:
    small, large = (class_weights("effective_number", [900 * k, 100 * k]) for k in (100, 400))
    assert small == pytest.approx(large, rel=1e-3)


def loss(name: str, truth: list, found: list, weights: list[float] | None) -> float:
    arrays = [np.array(each, np.float32)[None, None] for each in (truth, found)]
    return float(loss_value(LOSSES[name][1], arrays[0], tf.constant(arrays[1]), weights))


def test_a_pixel_of_the_foreground_weighs_so_much_in_cross_entropy() -> None:
    truth, found = [[1], [0]], [[0.5], [0.5]]
    assert loss("bce", truth, found, [1.0, 3.0]) == pytest.approx((3 + 1) / 2 * log(2), rel=1e-5)


def test_classes_weigh_in_the_mean_of_dice() -> None:
    truth, found = np.eye(3)[[1, 2]], np.eye(3)[[1, 0]]  # class 1 is found, class 2 is not
    assert loss("dice", truth, found, None) == pytest.approx(0.5, abs=1e-5)
    assert loss("dice", truth, found, [1.0, 1.0, 3.0]) == pytest.approx(0.75, abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_weights_of_one_change_no_loss(name: str) -> None:
    truth, found = np.eye(3)[[1, 0, 2, 2]], np.full((4, 3), 1 / 3)
    assert loss(name, truth, found, [1.0, 1.0, 1.0]) == pytest.approx(loss(name, truth, found, None), rel=1e-6)


def test_a_hypermodel_without_the_pixels_of_the_classes_says_so() -> None:
    space = Space(architecture=("plain_unet",), class_weights=("inverse_frequency",), image_size=(32,))
    model = SegmentationHyperModel(space, num_classes=2)
    import keras_tuner as kt

    with pytest.raises(ValueError, match="needs class_pixels"):
        model.build(kt.HyperParameters())
