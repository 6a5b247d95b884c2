"""How far a pooled IoU could move had other images been drawn: the percentile bootstrap over images.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. It covers the choice of images alone: training again
with another seed moves a score as well, and that is not in these intervals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.records import ClassCounts

ImageCounts = Mapping[str, Sequence[ClassCounts]]

RESAMPLES = 2000
SEED = 0
LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The middle 95% of the resampled values; `num_images` were drawn with replacement each time."""

    low: float
    high: float
    num_images: int


def iou_interval(counts: ImageCounts) -> Interval | None:
    """The interval of the pooled IoU (mean over foreground classes). None with fewer than two images or nothing to find."""
    return _interval(_resampled_iou(counts, sorted(counts)), len(counts))


def iou_difference_interval(first: ImageCounts, second: ImageCounts) -> Interval | None:
    """The interval of IoU(first) - IoU(second), paired: both are resampled on the same images.

    None where the two were not scored on the same images.
    """
    if set(first) != set(second):
        return None
    images = sorted(first)
    return _interval(_resampled_iou(first, images) - _resampled_iou(second, images), len(images))


def _resampled_iou(counts: ImageCounts, images: Sequence[str]) -> np.ndarray:
    """Pooled IoU of each resample, float64 [RESAMPLES], NaN where it is undefined."""
    if not images:
        return np.array([])
    # [images, foreground classes, (tp, fp + fn)]
    pixels = np.array([[(c.tp, c.fp + c.fn) for c in counts[image][1:]] for image in images], dtype=np.float64)
    draws = np.random.default_rng(SEED).multinomial(len(images), np.full(len(images), 1 / len(images)), size=RESAMPLES)
    pooled = np.einsum("rn,nck->rck", draws.astype(np.float64), pixels)
    union = pooled.sum(axis=2)
    iou = np.divide(pooled[:, :, 0], union, out=np.zeros_like(union), where=union > 0)
    defined = (union > 0).sum(axis=1)
    return np.divide(iou.sum(axis=1), defined, out=np.full(RESAMPLES, np.nan), where=defined > 0)


def _interval(values: np.ndarray, num_images: int) -> Interval | None:
    values = values[~np.isnan(values)]
    if num_images < 2 or not len(values):
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(low=float(low), high=float(high), num_images=num_images)
