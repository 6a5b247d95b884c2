"""Which contestant is better, had other images been drawn and every configuration been trained again.

Intervals and tests rest on `bench.evaluation.crossed`. Tests are corrected for their number by Holm, "A simple sequentially
rejective multiple test procedure", Scandinavian Journal of Statistics, 1979, over all pairs: which contestant leads is seen in
the data, so every pair might have been the one that is looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from bench.evaluation.crossed import Spread, by_fold, first_probability, spread
from bench.evaluation.resampling import pooled_scores, resampled_scores

RESAMPLES = 10_000
LEVEL = 0.95
POWER = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A 95% interval around an estimate. Of a score it may reach beyond 0-1 where there are few images."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Score of contestant `first` minus score of contestant `second` (positions, from 0), paired on images and trainings.

    `p` is two-sided; `p_holm` is corrected for all pairs of the comparison. `detectable` is the smallest true difference that
    these images and trainings would have shown (p below 0.05, uncorrected) four times out of five.
    """

    first: int
    second: int
    value: float
    interval: Interval
    p: float
    p_holm: float
    detectable: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Contestants compared, by position. `groups` are ranks: the leader with all that cannot be told from it (Holm-corrected,
    5%), then the best of the rest with all that cannot be told from that one, and so on; best first in each.

    `num_trainings` is how many independent trainings of each there were: folds if there are folds, else seeds. With 1,
    everything here speaks of these trained models on other images, and not of the configurations trained again.
    """

    scores: tuple[float, ...]
    intervals: tuple[Interval, ...]
    first_probability: tuple[float, ...]
    differences: tuple[Difference, ...]
    groups: tuple[tuple[int, ...], ...]
    num_images: int
    num_trainings: int

    @property
    def winner(self) -> int | None:
        """The contestant that is separable from every other. None in a tie, and with one training each: then luck in training
        cannot be told from merit."""
        return self.groups[0][0] if len(self.groups[0]) == 1 and self.num_trainings > 1 else None


def compare(
    counts: np.ndarray,
    random: np.random.Generator,
    *,
    folds: Sequence[int] | None = None,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compares contestants from counts int64 [contestants, seeds, images, classes, 4] (`bench.evaluation.resampling`).

    `folds` names the training fold of each entry of the second axis. Trainings on one fold share their images and are not
    independent, so that each fold counts once, with the mean of its seeds. Raises ValueError where there are fewer than two
    images, a contestant with nothing to find and nothing predicted, or folds with different numbers of seeds.
    """
    num_images = counts.shape[2]
    if num_images < 2:
        raise ValueError(f"{num_images} image: what other images would have shown takes at least two")
    scores = by_fold(pooled_scores(counts), folds)[0]
    if np.isnan(scores).any():
        raise ValueError("a score is undefined: no foreground in the truth and none in the prediction")
    resampled = by_fold(resampled_scores(counts, random, resamples), folds)
    contestants, num_trainings = scores.shape
    means = scores.mean(1)
    reaches = [spread(scores[c], resampled[:, c], num_images).reach((1 + LEVEL) / 2) for c in range(contestants)]
    differences = _differences(scores, resampled, num_images)
    return Comparison(
        scores=tuple(float(value) for value in means),
        intervals=tuple(_interval(value, reach) for value, reach in zip(means, reaches, strict=True)),
        first_probability=tuple(float(share) for share in first_probability(scores, resampled, num_images, random)),
        differences=differences,
        groups=_rank_groups(means, differences),
        num_images=num_images,
        num_trainings=num_trainings,
    )


def verdict(comparison: Comparison, names: Sequence[str]) -> str:
    """The winner's name, or "tie between ..." with everyone in the leading group, best first; `names` by position."""
    leaders = [names[position] for position in comparison.groups[0]]
    if len(leaders) > 1:
        return f"tie between {', '.join(leaders[:-1])} and {leaders[-1]}"
    if comparison.winner is None:
        return f"{leaders[0]} leads, but one training each cannot tell luck from merit"
    return leaders[0]


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given: the i-th smallest times the number of those not smaller, never falling, at most 1."""
    order = np.argsort(p, kind="stable")
    stepped = np.asarray(p, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(value) for value in adjusted]


def _differences(scores: np.ndarray, resampled: np.ndarray, num_images: int) -> tuple[Difference, ...]:
    """Every pair, the lower position first."""
    pairs = list(combinations(range(len(scores)), 2))
    values = [float((scores[a] - scores[b]).mean()) for a, b in pairs]
    spreads = [spread(scores[a] - scores[b], resampled[:, a] - resampled[:, b], num_images) for a, b in pairs]
    p = [_two_sided(value, of_pair) for value, of_pair in zip(values, spreads, strict=True)]
    return tuple(
        Difference(
            first=a,
            second=b,
            value=value,
            interval=_interval(value, of_pair.reach((1 + LEVEL) / 2)),
            p=raw,
            p_holm=corrected,
            detectable=of_pair.reach((1 + LEVEL) / 2) + of_pair.reach(POWER),
        )
        for (a, b), value, of_pair, raw, corrected in zip(pairs, values, spreads, p, holm(p), strict=True)
    )


def _two_sided(value: float, of_pair: Spread) -> float:
    if of_pair.error == 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * stats.t.sf(abs(value) / of_pair.error, of_pair.df))


def _rank_groups(means: np.ndarray, differences: Sequence[Difference]) -> tuple[tuple[int, ...], ...]:
    apart = {frozenset((d.first, d.second)) for d in differences if d.p_holm < 1 - LEVEL}
    waiting = [int(position) for position in np.argsort(-means, kind="stable")]
    groups = []
    while waiting:
        leader = waiting[0]
        group = tuple(position for position in waiting if frozenset((leader, position)) not in apart)
        groups.append(group)
        waiting = [position for position in waiting if position not in group]
    return tuple(groups)


def _interval(value: float, reach: float) -> Interval:
    return Interval(low=float(value - reach), high=float(value + reach))
