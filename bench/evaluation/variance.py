"""Where the spread of scores comes from: variance components of crossed data.

Searle, Casella and McCulloch, "Variance Components", 1992, chapter 4: each component is a mean square less what the
others bring to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bench.evaluation.crossed import by_fold, spread
from bench.evaluation.resampling import pooled_scores, resampled_scores
from bench.evaluation.statistics import RESAMPLES


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceComponents:
    """Variances of the score of one training on as many images as there were; together they are the variance of such a
    score.

    `configurations`: between candidates. `images`: which images were drawn. `folds`: which images it was trained on.
    `seeds`: initial weights and order. `images_by_training`: which images suit which training. None where there is too
    little to tell: one candidate, one fold, or one seed (in each fold); what a component would have had is then in the
    one above it.
    """

    configurations: float | None
    images: float
    folds: float | None
    seeds: float | None
    images_by_training: float | None


def variance_components(
    counts: np.ndarray,
    random: np.random.Generator,
    *,
    folds: Sequence[int] | None = None,
    resamples: int = RESAMPLES,
) -> VarianceComponents:
    """Variance components from counts int64 [candidates, seeds, images, classes, 4], averaged over candidates.

    `folds` as in `bench.evaluation.statistics.compare`, which raises the same errors. Estimates below 0 are 0.
    """
    num_images = counts.shape[2]
    scores, resampled = pooled_scores(counts)[0], resampled_scores(counts, random, resamples)
    candidates, trainings = scores.shape
    covariances = [np.atleast_2d(np.cov(resampled[:, c], rowvar=False)) for c in range(candidates)]
    covariance = np.mean(covariances, axis=0) * num_images / (num_images - 1)
    own = float(np.trace(covariance)) / trainings
    if trainings == 1:
        images, noise = own, None
    else:
        shared = float(covariance.sum() - np.trace(covariance)) / (trainings * (trainings - 1))
        images, noise = max(0.0, shared), max(0.0, own - shared)
    of_folds, of_seeds = _trainings(scores, folds, noise or 0.0)
    return VarianceComponents(
        configurations=_configurations(by_fold(scores, folds), by_fold(resampled, folds), num_images),
        images=images,
        folds=of_folds,
        seeds=of_seeds,
        images_by_training=noise,
    )


def _trainings(scores: np.ndarray, folds: Sequence[int] | None, noise: float) -> tuple[float | None, float | None]:
    """Components of folds and of seeds from scores [candidates, trainings]; one-way analysis of variance inside each
    candidate."""
    trainings = scores.shape[1]
    if folds is None:
        return None, max(0.0, float(scores.var(axis=1, ddof=1).mean()) - noise) if trainings > 1 else None
    means = by_fold(scores, folds)
    per_fold, num_folds = trainings // means.shape[1], means.shape[1]
    between = float(means.var(axis=1, ddof=1).mean()) if num_folds > 1 else None
    if per_fold == 1:
        return None if between is None else max(0.0, between - noise), None
    inside = scores - means[:, [sorted(set(folds)).index(fold) for fold in folds]]
    within = float((inside**2).sum(1).mean()) / (trainings - num_folds)
    return None if between is None else max(0.0, between - within / per_fold), max(0.0, within - noise)


def _configurations(scores: np.ndarray, resampled: np.ndarray, num_images: int) -> float | None:
    """Half the mean squared difference of two candidates, less what chance brings to it."""
    pairs = list(combinations(range(len(scores)), 2))
    if not pairs:
        return None
    squares = [float((scores[a] - scores[b]).mean()) ** 2 for a, b in pairs]
    chance = [spread(scores[a] - scores[b], resampled[:, a] - resampled[:, b], num_images).error ** 2 for a, b in pairs]
    return max(0.0, float(np.mean(squares) - np.mean(chance)) / 2)
