"""Metrics that need more than class ids: contours, probabilities, thresholds. From each image come counts that add up
over images.

The rules, once for all of them:

- One class at a time: `truth` and `predicted` are bool [H, W] for that class against the rest, `probability` is its
  float [H, W] in 0-1.
- Padding: pixels where `valid`, bool [H, W], is False are in no count, and the edge of padding is no contour.
- Undefined is None, and counts in no mean (as in `bench.evaluation.metrics`). So what is absent and not predicted
  leaves a mean unchanged; predicted where it is absent, it scores 0.

Arrays of different shapes and probabilities outside 0-1 (or NaN) raise ValueError.
"""

from dataclasses import dataclass

import cv2
import numpy as np

BINS = 64
"""Of probabilities; bin k holds k / 64 <= p < (k + 1) / 64, the last one 1 too. 0.5 is an edge, and in float32 none is
missed."""

TOLERANCE = 0.0075
"""Of contours, as a share of the image's diagonal."""

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContourCounts:
    """Contour pixels of the prediction and of the truth, and how many of each lie near the other's contour."""

    predicted: int
    predicted_near: int
    true: int
    true_near: int

    def __add__(self, other: "ContourCounts") -> "ContourCounts":
        return ContourCounts(
            predicted=self.predicted + other.predicted,
            predicted_near=self.predicted_near + other.predicted_near,
            true=self.true + other.true,
            true_near=self.true_near + other.true_near,
        )


def contour_counts(truth: np.ndarray, predicted: np.ndarray, valid: np.ndarray, tolerance_px: float) -> ContourCounts:
    """Contours of one image, near where the Euclidean distance is at most `tolerance_px`.

    A contour is the pixels of the class with a neighbour (of four) that is not of it. Where the image ends or padding
    begins there is none: what is cut off has no contour there. Csurka, Larlus and Perronnin, "What is a good evaluation
    measure for semantic segmentation?", BMVC 2013, with a tolerance of 0.75% of the diagonal; Martin, Fowlkes and
    Malik, "Learning to detect natural image boundaries", PAMI 2004, match one to one instead.
    """
    _check_shapes(truth, predicted, valid)
    true, found = _contour(truth, valid), _contour(predicted, valid)
    return ContourCounts(
        predicted=int(found.sum()),
        predicted_near=_near(found, true, tolerance_px),
        true=int(true.sum()),
        true_near=_near(true, found, tolerance_px),
    )


def boundary_f1(counts: ContourCounts) -> float | None:
    """Harmonic mean of the share of the predicted contour that is near the true one and of the reverse, 0-1.

    None where neither has a contour, 0 where one of them has.
    """
    if counts.predicted == 0 and counts.true == 0:
        return None
    precision = counts.predicted_near / counts.predicted if counts.predicted else 0.0
    recall = counts.true_near / counts.true if counts.true else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def probability_histogram(truth: np.ndarray, probability: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """int64 [2, 64]: pixels of one image by bin of probability, first those that are not of the class, then those that
    are."""
    _check_shapes(truth, probability, valid)
    bins = _bins(probability[valid])
    return np.bincount(truth[valid].astype(np.int64) * BINS + bins, minlength=2 * BINS).reshape(2, BINS)


def probability_sums(probability: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """float64 [64]: the summed probability of one image's pixels in each bin of `probability_histogram`. They add up
    over images."""
    _check_shapes(probability, valid)
    return np.bincount(_bins(probability[valid]), probability[valid].astype(np.float64), minlength=BINS)


def average_precision(histogram: np.ndarray) -> float | None:
    """Mean of precision over recall, step by step without interpolation, 0-1; from one image's histogram or the sum of
    several.

    It equals scikit-learn's `average_precision_score` of probabilities rounded down to 1/64. None where there is
    nothing to find.
    """
    found, false = histogram[1, ::-1].cumsum(), histogram[0, ::-1].cumsum()
    if found[-1] == 0:
        return None
    precision = found / np.maximum(found + false, 1)
    return float((precision * histogram[1, ::-1]).sum() / found[-1])


def best_threshold(histogram: np.ndarray) -> tuple[float, float] | None:
    """The threshold with the highest pooled IoU, and that IoU: pixels of at least the threshold are foreground.

    One of k / 64, k from 1 to 63; of equally good ones the nearest to 0.5. None where there is nothing to find. It fits
    the predictions that it is taken from: choose it on validation images, never on those that judge.
    """
    found, false = histogram[1, ::-1].cumsum()[::-1], histogram[0, ::-1].cumsum()[::-1]  # at bin k or above
    if found[0] == 0:
        return None
    levels = np.arange(1, BINS)
    iou = found[1:] / (found[0] + false[1:])
    best = min(levels[iou == iou.max()].tolist(), key=lambda level: abs(level - BINS // 2))
    return best / BINS, float(iou[best - 1])


def calibration_sums(histogram: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """float64 [32, 3]: by bin of confidence the pixels, their summed confidence, and how many are right.

    From `probability_histogram` and `probability_sums`. The confidence of a pixel is the probability of what is the
    likelier, p or 1 - p, so that the bins of p mirror in 0.5: bins of confidence are 1 / 64 wide, from 0.5 to 1.
    """
    pixels, middle = histogram.sum(0), BINS // 2
    upper = np.stack([pixels, sums, histogram[1]], axis=1)[middle:]
    lower = np.stack([pixels, pixels - sums, histogram[0]], axis=1)[:middle]
    return (upper + lower[::-1]).astype(np.float64)


def expected_calibration_error(sums: np.ndarray) -> float | None:
    """How far confidence is from the share of right pixels, 0-1, averaged over pixels. None where there are none.

    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017, with the bins of
    `calibration_sums`. Where background is most of the image, it is mostly background's.
    """
    pixels = sums[:, 0].sum()
    return float(np.abs(sums[:, 2] - sums[:, 1]).sum() / pixels) if pixels else None


def _bins(probability: np.ndarray) -> np.ndarray:
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("a probability is outside 0-1 or no number")
    return np.minimum((probability * BINS).astype(np.int64), BINS - 1)


def _contour(mask: np.ndarray, valid: np.ndarray) -> np.ndarray:
    continued = (mask | ~valid).astype(np.uint8)  # cv2 goes on beyond the frame in the same way
    return mask & valid & (cv2.erode(continued, _CROSS) == 0)


def _near(contour: np.ndarray, other: np.ndarray, tolerance_px: float) -> int:
    if not other.any():
        return 0
    distance = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return int((distance[contour] <= tolerance_px + 1e-4).sum())  # distances are float32


def _check_shapes(*arrays: np.ndarray) -> None:
    if len({array.shape for array in arrays}) > 1:
        raise ValueError(f"arrays of different shapes: {', '.join(str(array.shape) for array in arrays)}")
