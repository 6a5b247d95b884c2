"""Any metric of counts that add up over images, with the error that `bench.evaluation.crossed` gives a score."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.evaluation.crossed import spread
from bench.evaluation.metrics import mean
from bench.evaluation.statistics import Interval, interval_around

RESAMPLES = 200
"""A standard error from so many is right to 5%; a metric is taken one pooled table after the other, a second for 20
candidates."""

Metric = Callable[[np.ndarray], float | None]
"""Of one class, from its table summed over images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The mean over trainings, and its 95% interval over images and trainings: None where other images would say
    nothing."""

    value: float
    interval: Interval | None


def estimate(
    tables: np.ndarray, metric: Metric, random: np.random.Generator, resamples: int = RESAMPLES
) -> Estimate | None:
    """`tables`, [seeds, images, classes, ...], are summed over images; of the classes the mean of those that have the
    metric.

    Resamples in which it is undefined are left out. None where it is undefined for a training. Whole numbers in
    `tables` sum exactly.
    """
    images = tables.shape[1]
    scores = _scores(tables, np.ones((1, images)), metric)[0]
    if np.isnan(scores).any():
        return None
    value = float(scores.mean())
    if images < 2:
        return Estimate(value=value, interval=None)
    resampled = _scores(tables, random.multinomial(images, np.full(images, 1 / images), size=resamples), metric)
    defined = resampled[~np.isnan(resampled).any(axis=1)]
    if len(defined) < 2:
        return Estimate(value=value, interval=None)
    return Estimate(value=value, interval=interval_around(value, spread(scores, defined, images)))


def _scores(tables: np.ndarray, weights: np.ndarray, metric: Metric) -> np.ndarray:
    """float64 [resamples, seeds], NaN where undefined."""
    pooled = np.tensordot(weights.astype(np.float64), tables.astype(np.float64), axes=(1, 1))
    found = [[mean(map(metric, classes)) for classes in seeds] for seeds in pooled]
    return np.array(found, dtype=np.float64)  # None becomes NaN
