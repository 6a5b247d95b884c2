"""Ratios from pixel counts. Definitions: Taha and Hanbury, "Metrics for evaluating 3D medical image segmentation",
2015.

One rule for what is undefined: a ratio whose denominator is 0 is None, and None counts in no mean. So a class that is
absent and not predicted either leaves the mean unchanged; predicted where it is absent, it scores 0. Padding is in no
count.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.records import ClassCounts


def iou(counts: ClassCounts) -> float | None:
    """Intersection over union, tp / (tp + fp + fn), 0-1."""
    return _ratio(counts.tp, counts.tp + counts.fp + counts.fn)


def dice(counts: ClassCounts) -> float | None:
    """2 tp / (2 tp + fp + fn), 0-1; the F1 score over pixels."""
    return _ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


def precision(counts: ClassCounts) -> float | None:
    """tp / (tp + fp), 0-1; None where nothing was predicted."""
    return _ratio(counts.tp, counts.tp + counts.fp)


def recall(counts: ClassCounts) -> float | None:
    """tp / (tp + fn), 0-1; None where there is nothing to find."""
    return _ratio(counts.tp, counts.tp + counts.fn)


def pixel_accuracy(per_class: Sequence[ClassCounts]) -> float | None:
    """Share of pixels whose class is right, 0-1. `per_class` has one entry per class id, background first."""
    return _ratio(sum(counts.tp for counts in per_class), _pixels(per_class[0])) if per_class else None


def background_share(per_class: Sequence[ClassCounts]) -> float | None:
    """Share of pixels that are background, 0-1: the pixel accuracy of predicting nothing, to be named beside any pixel
    accuracy."""
    return _ratio(per_class[0].tp + per_class[0].fn, _pixels(per_class[0])) if per_class else None


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of one class, 0-1, with its heading in a table."""

    title: str
    of: Callable[[ClassCounts], float | None]


FOREGROUND_METRICS: dict[str, Metric] = {
    "iou": Metric("IoU", iou),
    "dice": Metric("Dice", dice),
    "precision": Metric("Precision", precision),
    "recall": Metric("Recall", recall),
}
"""By the name under which they are recorded, in the order of every table; over several foreground classes they are
averaged, absent classes left out. Records and the page take them from here; runs that were made before a metric was
added lack it and stay valid."""


def summarise(per_class: Sequence[ClassCounts], classes: Sequence[str]) -> dict[str, float | None]:
    """Every metric from the pooled counts of a split.

    `per_class` has one entry per class id, background first; `classes` names the foreground classes. With several of
    them, each one's IoU is added as `iou_<class>`.
    """
    foreground = per_class[1:]
    metrics = {name: mean(map(metric.of, foreground)) for name, metric in FOREGROUND_METRICS.items()}
    metrics["pixel_accuracy"] = pixel_accuracy(per_class)
    if len(classes) > 1:
        metrics |= {f"iou_{name}": iou(counts) for name, counts in zip(classes, foreground, strict=True)}
    return metrics


def image_mean(images: Iterable[Sequence[ClassCounts]], metric: Callable[[ClassCounts], float | None]) -> float | None:
    """A metric taken in each image, averaged over the foreground classes that occur there, then over the images where
    any does. Small objects weigh as much as large ones, unlike in a pooled metric."""
    return mean(mean(map(metric, per_class[1:])) for per_class in images)


def pool(images: Iterable[Sequence[ClassCounts]]) -> tuple[ClassCounts, ...]:
    """Adds up the per-class counts of several images."""
    pooled: list[ClassCounts] = []
    for per_class in images:
        pooled = [a + b for a, b in zip(pooled, per_class, strict=True)] if pooled else list(per_class)
    return tuple(pooled)


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that exist, None where there are none."""
    existing = [value for value in values if value is not None]
    return sum(existing) / len(existing) if existing else None


def _pixels(counts: ClassCounts) -> int:
    return counts.tp + counts.fp + counts.fn + counts.tn


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None


def metrics_agree(recorded: Mapping[str, float | None], counted: Mapping[str, float | None]) -> bool:
    """Whether every metric on record is what its counts say. A metric that was added later is on no old record, and is
    not asked for."""
    return all(
        name in counted and (value == counted[name] or _is_close(value, counted[name]))
        for name, value in recorded.items()
    )


def _is_close(value: float | None, other: float | None) -> bool:
    return value is not None and other is not None and math.isclose(value, other, rel_tol=1e-12)
