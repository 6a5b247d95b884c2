"""Errors of scores whose images and trainings are crossed: every training is scored on all images.

Such data are known from studies of several readers who look at the same cases, and so is the standard error used here:
images are resampled (the same ones for every candidate and training), and what luck in training brings is estimated
from the scores of the trainings themselves, without the shrinkage that resampling three of them brings.

- Obuchowski and Rockette, "Hypothesis testing of diagnostic accuracy for multiple readers and multiple tests",
  Communications in Statistics: Simulation and Computation, 1995: the standard error.
- Cochran and Cox, "Experimental Designs", 1957: the quantile, Student's of both parts, weighted by their variances.
- Efron and Tibshirani, "An Introduction to the Bootstrap", 1993: resampling; Owen, "The pigeonhole bootstrap", 2007: of
  crossed data.

`docs/statistics.md` has the simulation that chose this over percentile, BCa, bootstrap-t and Satterthwaite's intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np

SMALLEST_P = 1e-12
"""A p below this is given as this: so far out no quantile is to be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanVariance:
    """The variance of a mean over trainings, in its two parts. `trainings` is what repeated training brings, 0 with one
    training: it shows none."""

    trainings: float
    images: float
    num_images: int
    num_trainings: int

    @property
    def error(self) -> float:
        """Standard error."""
        return sqrt(self.trainings + self.images)

    def half_width(self, probability: float) -> float:
        """How far above the estimate the quantile lies; `probability` 0-1."""
        if self.error == 0:
            return 0.0
        from scipy.special import stdtrit  # here: a run trains before it needs any statistics

        of_images = self.images * float(stdtrit(self.num_images - 1, probability))
        of_trainings = (
            self.trainings * float(stdtrit(self.num_trainings - 1, probability)) if self.num_trainings > 1 else 0.0
        )
        return (of_trainings + of_images) / self.error

    def two_sided_p(self, value: float) -> float:
        """p of an estimate if the truth is 0: below 0.05 exactly where the 95% interval leaves out 0."""
        if value == 0:
            return 1.0
        if -self.half_width(SMALLEST_P / 2) <= abs(value):
            return SMALLEST_P
        from scipy.optimize import brentq

        return exp(brentq(lambda log_p: -self.half_width(exp(log_p) / 2) - abs(value), log(SMALLEST_P), 0.0))


def spread(scores: np.ndarray, resampled: np.ndarray, num_images: int) -> MeanVariance:
    """The spread of the mean of `scores` [trainings], given the same with images resampled [resamples, trainings].

    Repeated training brings the variance of the scores over their number; images the covariance of two trainings, and
    never less than makes the sum the variance of the mean over resampled images. Resampled variances are scaled by n /
    (n - 1).
    """
    trainings = len(scores)
    covariance = np.atleast_2d(np.cov(resampled, rowvar=False)) * num_images / (num_images - 1)
    of_trainings, images = 0.0, float(covariance.mean())
    if trainings > 1:
        of_trainings = float(scores.var(ddof=1)) / trainings
        shared = float(covariance.sum() - np.trace(covariance)) / (trainings * (trainings - 1))
        images = max(shared, images - of_trainings, 0.0)
    return MeanVariance(trainings=of_trainings, images=images, num_images=num_images, num_trainings=trainings)


def by_fold(scores: np.ndarray, folds: Sequence[int] | None) -> np.ndarray:
    """Scores [..., seeds] averaged over the seeds of each fold, [..., folds]; unchanged without folds.

    Raises ValueError where folds have different numbers of seeds: their mean would then not be the mean of the
    trainings.
    """
    if folds is None:
        return scores
    names, sizes = np.unique(folds, return_counts=True)
    if len(folds) != scores.shape[-1] or len(set(sizes)) > 1:
        raise ValueError(f"folds have {sizes.tolist()} of {scores.shape[-1]} trainings: each needs as many as the next")
    return np.stack([scores[..., np.asarray(folds) == name].mean(-1) for name in names], axis=-1)


def first_probability(
    scores: np.ndarray, resampled: np.ndarray, num_images: int, random: np.random.Generator
) -> np.ndarray:
    """How often each candidate is first when images are resampled and trainings drawn again; those level share a first
    place.

    `scores` is [candidates, trainings], `resampled` [resamples, candidates, trainings]; float64 [candidates], sum 1.
    Three trainings resampled vary by a third too little. So their mean is drawn instead, around the one observed:
    deviations weighted by normal numbers, the same for every candidate, over a chi; of one candidate that is Student's
    distribution.
    """
    trainings = scores.shape[1]
    means = scores.mean(1)
    drawn = means + sqrt(num_images / (num_images - 1)) * (resampled.mean(2) - means)
    if trainings > 1:
        normal = random.standard_normal((len(drawn), trainings, 1))
        chi = np.sqrt(random.chisquare(trainings - 1, (len(drawn), 1)) / (trainings - 1))
        deviations = (scores - means[:, None]).T
        drawn = drawn + (normal * deviations).sum(1) / chi / sqrt(trainings * (trainings - 1))
    first = drawn == drawn.max(1, keepdims=True)
    return (first / first.sum(1, keepdims=True)).mean(0)
