"""Errors of scores whose images and trainings are crossed: every training is scored on all images.

Such data are known from studies of several readers who look at the same cases, and so is the standard error used here: images are
resampled (the same ones for every contestant and training), the trainings' own variance is estimated from their scores without the
shrinkage that resampling three of them brings, and the quantile is Student's, with few degrees of freedom where luck in training
is most of the error.

- Obuchowski and Rockette, "Hypothesis testing of diagnostic accuracy for multiple readers and multiple tests", Communications in
  Statistics: Simulation and Computation, 1995: the standard error.
- Hillis, "A comparison of denominator degrees of freedom methods for multiple observer ROC analysis", Statistics in Medicine, 2007.
- Efron and Tibshirani, "An Introduction to the Bootstrap", 1993: resampling; Owen, "The pigeonhole bootstrap", 2007: of crossed data.

`docs/statistics.md` has the simulation that chose this over percentile, BCa and bootstrap-t intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Standard error of a score or difference, with Student's degrees of freedom."""

    error: float
    df: float

    def reach(self, probability: float) -> float:
        return float(self.error * stats.t.ppf(probability, self.df))


def spread(scores: np.ndarray, resampled: np.ndarray, num_images: int) -> Spread:
    """The standard error of the mean of `scores` [trainings], given the same with images resampled [resamples, trainings].

    Variance = (variance of the scores) / trainings + (covariance of two trainings over images), never below the variance that
    the images alone bring. Degrees of freedom by Satterthwaite's rule from the two parts.
    """
    trainings = len(scores)
    covariance = np.atleast_2d(np.cov(resampled, rowvar=False)) * num_images / (num_images - 1)
    images_alone = float(covariance.mean())
    if trainings == 1:
        return Spread(error=np.sqrt(images_alone), df=num_images - 1)
    luck = float(scores.var(ddof=1)) / trainings
    shared = max(0.0, float(covariance.sum() - np.trace(covariance)) / (trainings * (trainings - 1)))
    variance = max(luck + shared, images_alone)
    parts = luck**2 / (trainings - 1) + shared**2 / (num_images - 1)
    most = num_images + trainings - 2
    return Spread(error=np.sqrt(variance), df=min(variance**2 / parts, most) if parts > 0 else most)


def by_fold(scores: np.ndarray, folds: Sequence[int] | None) -> np.ndarray:
    """Scores [..., seeds] averaged over the seeds of each fold, [..., folds]; unchanged without folds.

    Raises ValueError where folds have different numbers of seeds: their mean would then not be the mean of the trainings.
    """
    if folds is None:
        return scores
    names, sizes = np.unique(folds, return_counts=True)
    if len(folds) != scores.shape[-1] or len(set(sizes)) > 1:
        raise ValueError(f"folds of {list(sizes)} trainings for {scores.shape[-1]}: each needs the same number")
    return np.stack([scores[..., np.asarray(folds) == name].mean(-1) for name in names], axis=-1)


def first_probability(
    scores: np.ndarray, resampled: np.ndarray, num_images: int, random: np.random.Generator
) -> np.ndarray:
    """How often each contestant is first when images are resampled and trainings drawn again; those level share a first place.

    Three trainings resampled vary by a third too little. So their mean is drawn instead, around the one observed: deviations
    weighted by normal numbers, the same for every contestant, over a chi; of one contestant this is Student's distribution.
    """
    trainings = scores.shape[1]
    drawn = scores.mean(1) + np.sqrt(num_images / (num_images - 1)) * (resampled - scores).mean(2)
    if trainings > 1:
        normal = random.standard_normal((len(drawn), trainings))
        chi = np.sqrt(random.chisquare(trainings - 1, len(drawn)) / (trainings - 1))
        deviations = scores - scores.mean(1, keepdims=True)
        drawn = drawn + (normal / chi[:, None]) @ deviations.T / np.sqrt(trainings * (trainings - 1))
    first = drawn == drawn.max(1, keepdims=True)
    return (first / first.sum(1, keepdims=True)).mean(0)
