"""Contours, probabilities and thresholds, with numbers worked by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, jaccard_score

from bench.evaluation.pixel_metrics import (
    BINS,
    average_precision,
    best_threshold,
    boundary_f1,
    calibration_sums,
    contour_counts,
    expected_calibration_error,
    probability_histogram,
    probability_sums,
)

ALL = np.ones((8, 8), bool)


def square(top: int, left: int, size: int) -> np.ndarray:
    mask = np.zeros((8, 8), bool)
    mask[top : top + size, left : left + size] = True
    return mask


def flat(*values: float) -> np.ndarray:
    return np.array([values])


# Contours


def test_contour_of_a_square_is_its_outer_pixels() -> None:
    counts = contour_counts(square(2, 2, 4), square(2, 2, 4), ALL, 0)
    assert (counts.true, counts.true_near, counts.predicted, counts.predicted_near) == (12, 12, 12, 12)
    assert boundary_f1(counts) == 1.0


def test_shift_within_the_tolerance_costs_nothing_and_beyond_it_everything_that_moved() -> None:
    # A 4 x 4 square moved by one: the columns at its left and right move away, and of the rows the end pixels.
    counts = contour_counts(square(2, 2, 4), square(2, 3, 4), ALL, 0)
    # Common contour pixels: rows 2 and 5, columns 3 to 5
    assert (counts.predicted_near, counts.true_near) == (6, 6)
    assert boundary_f1(counts) == pytest.approx(0.5)
    assert boundary_f1(contour_counts(square(2, 2, 4), square(2, 3, 4), ALL, 1)) == 1.0


def test_tolerance_is_euclidean() -> None:
    one, diagonal = square(3, 3, 1), square(4, 4, 1)
    assert boundary_f1(contour_counts(one, diagonal, ALL, 1.0)) == 0.0
    assert boundary_f1(contour_counts(one, diagonal, ALL, np.sqrt(2))) == 1.0


def test_precision_and_recall_of_a_contour_are_told_apart() -> None:
    # Truth: one pixel. Prediction: it and one far away. Precision 1/2, recall 1: F1 2/3
    counts = contour_counts(square(1, 1, 1), square(1, 1, 1) | square(6, 6, 1), ALL, 1)
    assert boundary_f1(counts) == pytest.approx(2 / 3)


def test_no_contour_at_all_is_undefined_and_on_one_side_zero() -> None:
    nothing, something = np.zeros((8, 8), bool), square(2, 2, 3)
    assert boundary_f1(contour_counts(nothing, nothing, ALL, 2)) is None
    assert boundary_f1(contour_counts(nothing, something, ALL, 2)) == 0.0
    assert boundary_f1(contour_counts(something, nothing, ALL, 2)) == 0.0
    assert boundary_f1(contour_counts(ALL, ALL, ALL, 2)) is None


def test_frame_and_padding_are_no_contour() -> None:
    corner = square(0, 0, 3)  # 9 pixels, contour: the right column and the lower row, 5
    assert contour_counts(corner, corner, ALL, 0).true == 5
    valid = np.ones((8, 8), bool)
    valid[:, 2:] = False  # the right column lies in the padding now, and only the lower row's first two are left
    counts = contour_counts(corner, corner, valid, 0)
    assert (counts.true, counts.predicted) == (2, 2)


def test_prediction_in_the_padding_counts_nowhere() -> None:
    valid = np.ones((8, 8), bool)
    valid[:, 5:] = False
    clean = contour_counts(square(1, 1, 3), square(1, 1, 3), valid, 1)
    assert contour_counts(square(1, 1, 3), square(1, 1, 3) | square(5, 6, 2), valid, 1) == clean


def test_contours_add_up_over_images() -> None:
    first = contour_counts(square(1, 1, 1), square(1, 1, 1), ALL, 0)
    second = contour_counts(square(1, 1, 1), square(6, 6, 1), ALL, 0)
    assert boundary_f1(first + second) == pytest.approx(0.5)


# Average precision


def test_average_precision_of_four_pixels_by_hand() -> None:
    # Ranked: right, wrong, right, wrong. Precision 1 at recall 1/2, 2/3 at recall 1
    histogram = probability_histogram(flat(1, 0, 1, 0) > 0, flat(0.9, 0.8, 0.7, 0.1), np.ones((1, 4), bool))
    assert average_precision(histogram) == pytest.approx((1 + 2 / 3) / 2)


def test_nothing_to_find_has_no_average_precision_and_no_threshold() -> None:
    histogram = probability_histogram(flat(0, 0) > 0, flat(0.9, 0.1), np.ones((1, 2), bool))
    assert average_precision(histogram) is None
    assert best_threshold(histogram) is None


def test_no_pixel_that_counts_has_no_metric() -> None:
    nowhere = np.zeros((1, 2), bool)
    histogram = probability_histogram(flat(1, 0) > 0, flat(0.9, 0.1), nowhere)
    assert histogram.sum() == 0
    assert average_precision(histogram) is None
    assert expected_calibration_error(calibration(flat(1, 0) > 0, flat(0.9, 0.1), nowhere)) is None


def test_padding_is_in_no_histogram() -> None:
    truth, probability, valid = flat(1, 0, 1) > 0, flat(0.9, 0.2, 0.0), flat(1, 1, 0) > 0
    histogram = probability_histogram(truth, probability, valid)
    assert histogram.sum(1).tolist() == [1, 1]
    assert average_precision(histogram) == 1.0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_average_precision_agrees_with_scikit_learn(seed: int, dtype: type) -> None:
    random = np.random.default_rng(seed)
    images = []
    for _ in range(3):
        truth = random.random((40, 50)) < 0.1
        probability = np.clip(0.3 * truth + random.beta(1, 3, truth.shape), 0, 1).astype(dtype)
        images.append((truth, probability, random.random(truth.shape) < 0.9))
    pooled = average_precision(np.sum([probability_histogram(*image) for image in images], axis=0))
    truth = np.concatenate([truth[valid] for truth, _, valid in images])
    probability = np.concatenate([probability[valid] for _, probability, valid in images])
    rounded = np.minimum(np.floor(probability * BINS), BINS - 1)
    assert pooled == pytest.approx(average_precision_score(truth, rounded), abs=1e-12)
    assert pooled == pytest.approx(average_precision_score(truth, probability), abs=0.01)


# Threshold


def test_best_threshold_by_hand() -> None:
    # At 0.75: 2 of 3 found, none false: 2/3. At 0.25: all found, one false: 3/4. Below: 3/5
    histogram = probability_histogram(flat(1, 1, 1, 0, 0) > 0, flat(0.75, 0.8, 0.25, 0.3, 0.1), np.ones((1, 5), bool))
    threshold, iou = best_threshold(histogram)
    assert iou == pytest.approx(3 / 4)
    assert 0.1 < threshold <= 0.25


def test_of_equally_good_thresholds_the_nearest_to_one_half_is_taken() -> None:
    histogram = probability_histogram(flat(1, 0) > 0, flat(0.95, 0.05), np.ones((1, 2), bool))
    assert best_threshold(histogram) == (0.5, 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_best_threshold_agrees_with_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.random((30, 30)) < 0.2
    probability = np.clip(0.4 * truth + random.beta(1, 3, truth.shape), 0, 1)
    threshold, iou = best_threshold(probability_histogram(truth, probability, np.ones_like(truth)))
    assert iou == pytest.approx(jaccard_score(truth.ravel(), probability.ravel() >= threshold))
    others = [jaccard_score(truth.ravel(), probability.ravel() >= level / BINS) for level in range(1, BINS)]
    assert iou >= max(others) - 1e-12


# Calibration


def calibration(truth: np.ndarray, probability: np.ndarray, valid: np.ndarray) -> np.ndarray:
    return calibration_sums(probability_histogram(truth, probability, valid), probability_sums(probability, valid))


def test_calibration_error_by_hand() -> None:
    # Foreground at 0.9 twice, one right: |0.5 - 0.9|. Background at 0.6 twice, both right: |1 - 0.6|. Half
    # of the pixels each: 0.4
    sums = calibration(flat(1, 0, 0, 0) > 0, flat(0.9, 0.9, 0.4, 0.4), np.ones((1, 4), bool))
    assert expected_calibration_error(sums) == pytest.approx(0.4)


def test_confident_and_right_is_calibrated() -> None:
    truth = flat(1, 0, 1) > 0
    assert expected_calibration_error(calibration(truth, truth.astype(float), np.ones_like(truth))) == 0.0


def test_calibration_pools_pixels_over_images_and_leaves_out_padding() -> None:
    valid = flat(1, 0) > 0
    first = calibration(flat(1, 0) > 0, flat(0.9, 0.5), valid)
    second = calibration(flat(0, 0) > 0, flat(0.9, 0.5), valid)
    # In one bin together: one right of two at 0.9. Alone they would be 0.1 and 0.9 off
    assert expected_calibration_error(first + second) == pytest.approx(0.4)


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_agrees_with_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    probability = random.random((40, 40))
    truth = random.random(probability.shape) < probability**2
    confidence, correct = np.maximum(probability, 1 - probability), truth == (probability >= 0.5)
    right, claimed = calibration_curve(correct.ravel(), confidence.ravel(), n_bins=BINS)
    sizes = np.bincount((confidence.ravel() * BINS).astype(int), minlength=BINS)
    ours = expected_calibration_error(calibration(truth, probability, np.ones_like(truth)))
    assert ours == pytest.approx((np.abs(right - claimed) * sizes[sizes > 0]).sum() / sizes.sum())


# Mistakes


@pytest.mark.parametrize("value", [1.2, -0.1, np.nan])
def test_what_is_no_probability_is_refused(value: float) -> None:
    valid = np.ones((1, 2), bool)
    with pytest.raises(ValueError, match="outside 0-1"):
        probability_histogram(flat(1, 0) > 0, flat(value, 0.5), valid)
    with pytest.raises(ValueError, match="outside 0-1"):
        probability_sums(flat(value, 0.5), valid)


def test_arrays_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="different shapes"):
        contour_counts(square(1, 1, 1), square(1, 1, 1)[:4], ALL, 1)
