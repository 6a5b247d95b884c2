"""Probabilities and contours of each image, kept so that they equal the counts that the headline rests on."""

import pickle

import numpy as np
import pytest

from bench.evaluation.counting import confusion_of, counts_of
from bench.evaluation.pixel_metrics import BINS
from bench.evaluation.pixel_statistics import PixelStatistics, pixel_statistics, tolerance_of

SIZE = 32


def images(channels: int, count: int = 4) -> tuple[np.ndarray, ...]:
    """Truth, predicted class ids, probabilities and valid area, with probabilities that lie on
    and beside the threshold."""
    random = np.random.default_rng(channels)
    shape = (count, SIZE, SIZE)
    truth = random.integers(0, max(2, channels), shape, dtype=np.uint8)
    probabilities = random.dirichlet(np.ones(max(2, channels)), shape).astype(np.float32)
    if channels == 1:
        probabilities = probabilities[..., :1]
        probabilities[0, 0, :4, 0] = [0.5, np.nextafter(np.float32(0.5), np.float32(0)), 0.0, 1.0]
        predicted = (probabilities[..., 0] >= 0.5).astype(np.uint8)
    else:
        predicted = probabilities.argmax(-1).astype(np.uint8)
    return truth, predicted, probabilities, random.random(shape) < 0.8


def test_at_one_half_the_histogram_counts_what_was_counted():
    truth, predicted, probabilities, valid = images(1)
    evidence = pixel_statistics("abcd", truth, predicted, probabilities, valid)
    middle = BINS // 2
    for row in range(4):
        counts = counts_of(confusion_of(truth[row], predicted[row], valid[row], 2))[1]
        false, found = evidence.histogram[row, 0]
        assert (found[middle:].sum(), false[middle:].sum()) == (counts.tp, counts.fp)
        assert (found[:middle].sum(), false[:middle].sum()) == (counts.fn, counts.tn)


@pytest.mark.parametrize("channels", [3, 5])
def test_of_several_classes_each_is_told_from_the_rest(channels):
    truth, predicted, probabilities, valid = images(channels)
    evidence = pixel_statistics("abcd", truth, predicted, probabilities, valid)
    assert evidence.histogram.shape == (4, channels - 1, 2, BINS)
    for number in range(1, channels):
        assert evidence.histogram[1, number - 1, 1].sum() == ((truth[1] == number) & valid[1]).sum()
        expected = probabilities[1, ..., number][valid[1]].sum(dtype=float)
        assert evidence.sums[1, number - 1].sum() == pytest.approx(expected, rel=1e-6)


def test_contours_are_those_of_the_predicted_class_at_a_share_of_the_diagonal():
    truth, predicted = np.zeros((2, 1, 200, 200), np.uint8)
    truth[0, 50:100, 50:100], predicted[0, 50:100, 52:102] = 1, 1
    valid = np.ones_like(truth, bool)
    evidence = pixel_statistics(["a"], truth, predicted, predicted[..., None].astype(np.float32), valid)
    assert evidence.tolerance_px == tolerance_of(200) == pytest.approx(2.1213, abs=1e-4)
    assert evidence.contours.tolist() == [[[196, 196, 196, 196]]]  # moved by 2 px: near
    predicted[0, 50:100, 52:54], predicted[0, 50:100, 102:104] = 0, 1
    far = pixel_statistics(["a"], truth, predicted, predicted[..., None].astype(np.float32), valid)
    assert far.contours[0, 0, 1] < 150  # by 4 px: the sides are not, nor the ends of top and bottom


def test_what_is_no_number_is_background_and_what_rounding_made_more_than_one_is_one():
    truth = np.ones((1, 1, 2), np.uint8)
    probabilities = np.array([[[[np.nan], [1 + 1e-7]]]], np.float32)
    evidence = pixel_statistics(["a"], truth, truth, probabilities, truth > 0)
    assert (evidence.histogram[0, 0, 1, 0], evidence.histogram[0, 0, 1, -1]) == (1, 1)


def test_evidence_comes_back_from_arrays_and_adds_up():
    whole = pixel_statistics("abcd", *images(3))
    halves = [
        pixel_statistics(ids, *(part[rows] for part in images(3))) for ids, rows in (("ab", [0, 1]), ("cd", [2, 3]))
    ]
    sent = [pickle.loads(pickle.dumps(half)) for half in halves]  # as a worker sends it
    again = PixelStatistics.of_arrays((sent[0] + sent[1]).arrays())
    assert (again.ids, again.tolerance_px) == (whole.ids, whole.tolerance_px)
    for name in ("histogram", "sums", "contours"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))


def test_contours_at_two_tolerances_do_not_add_up():
    truth = np.ones((1, 8, 8), np.uint8)
    other = np.ones((1, 9, 9), np.uint8)
    small, large = (pixel_statistics(["a"], of, of, of[..., None].astype(np.float32), of > 0) for of in (truth, other))
    with pytest.raises(ValueError, match="two tolerances"):
        small + large
