"""Which candidate is better, had other images been drawn and every configuration been trained again.

Intervals and tests rest on `bench.evaluation.crossed`. Tests are corrected for their number by Holm, "A simple
sequentially rejective multiple test procedure", Scandinavian Journal of Statistics, 1979.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bench.evaluation.crossed import MeanVariance, by_fold, first_probability, spread
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
    """Score of candidate `first` minus score of candidate `second` (positions, from 0), paired on images and trainings.

    `p` is two-sided and uncorrected (`holm` corrects). `detectable` is the smallest true difference that these images
    and trainings would have shown, p below 0.05, four times out of five.
    """

    first: int
    second: int
    value: float
    interval: Interval
    p: float
    detectable: float

    def reversed(self) -> "Difference":
        """The same, as `second` minus `first`."""
        return Difference(
            first=self.second,
            second=self.first,
            value=-self.value,
            interval=Interval(low=-self.interval.high, high=-self.interval.low),
            p=self.p,
            detectable=self.detectable,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Candidates compared, by position. `differences` has every pair once, the lower position first.

    `groups` are ranks: the leader with all that cannot be told from it (5%, Holm-corrected for the comparisons with
    that leader), then the best of the rest with all of the rest that cannot be told from that one, and so on; best
    first in each.

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
        """The candidate that is separable from every other. None in a tie, and with one training each: then luck in
        training cannot be told from merit."""
        return self.groups[0][0] if len(self.groups[0]) == 1 and self.num_trainings > 1 else None

    def differences_to(self, reference: int) -> tuple[Difference, ...]:
        """Every other candidate minus the reference, in the order of positions."""
        return differences_to(self.differences, reference)


def compare(
    counts: np.ndarray,
    random: np.random.Generator,
    *,
    folds: Sequence[int] | None = None,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compares candidates from counts int64 [candidates, seeds, images, classes, 4] (`bench.evaluation.resampling`).

    `folds` names the training fold of each entry of the second axis. Trainings on one fold share their images and are
    not independent, so that each fold counts once, with the mean of its seeds. Raises ValueError where there are fewer
    than two images, a candidate with nothing to find and nothing predicted, or folds with different numbers of seeds.
    """
    num_images = counts.shape[2]
    if num_images < 2:
        raise ValueError(f"{num_images} image: what other images would have shown takes at least two")
    scores = by_fold(pooled_scores(counts)[0], folds)
    if np.isnan(scores).any():
        raise ValueError("a score is undefined: no foreground in the truth and none in the prediction")
    resampled = by_fold(resampled_scores(counts, random, resamples), folds)
    means = scores.mean(1)
    spreads = [spread(own, resampled[:, position], num_images) for position, own in enumerate(scores)]
    pairs = combinations(range(len(scores)), 2)
    differences = tuple(
        _difference(a, b, scores[a] - scores[b], resampled[:, a] - resampled[:, b], num_images) for a, b in pairs
    )
    return Comparison(
        scores=tuple(float(value) for value in means),
        intervals=tuple(interval_around(float(value), own) for value, own in zip(means, spreads, strict=True)),
        first_probability=tuple(float(share) for share in first_probability(scores, resampled, num_images, random)),
        differences=differences,
        groups=rank_groups(means, differences),
        num_images=num_images,
        num_trainings=scores.shape[1],
    )


def differences_to(differences: Sequence[Difference], reference: int) -> tuple[Difference, ...]:
    """Those that involve the reference, each as the other candidate minus the reference, in the order of positions."""
    to_reference = [
        d if d.second == reference else d.reversed() for d in differences if reference in (d.first, d.second)
    ]
    return tuple(sorted(to_reference, key=lambda difference: difference.first))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given: each times the number of those not smaller, never falling, at most
    1."""
    order = np.argsort(p, kind="stable")
    stepped = np.asarray(p, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(value) for value in adjusted]


def _difference(first: int, second: int, values: np.ndarray, resampled: np.ndarray, num_images: int) -> Difference:
    own, value = spread(values, resampled, num_images), float(values.mean())
    return Difference(
        first=first,
        second=second,
        value=value,
        interval=interval_around(value, own),
        p=own.two_sided_p(value),
        detectable=own.half_width((1 + LEVEL) / 2) + own.half_width(POWER),
    )


def rank_groups(means: np.ndarray, differences: Sequence[Difference]) -> tuple[tuple[int, ...], ...]:
    """Candidates by rank, best first: each group is the best of those left, and who does not differ significantly from
    it (Holm, over its differences to them)."""
    waiting = [int(position) for position in np.argsort(-means, kind="stable")]
    groups = []
    while waiting:
        leader, rest = waiting[0], set(waiting)
        to_leader = [d for d in differences_to(differences, leader) if d.first in rest]
        corrected = holm([d.p for d in to_leader])
        apart = {d.first for d, p in zip(to_leader, corrected, strict=True) if p < 1 - LEVEL}
        groups.append(tuple(position for position in waiting if position not in apart))
        waiting = [position for position in waiting if position in apart]
    return tuple(groups)


def interval_around(value: float, own: MeanVariance) -> Interval:
    """The 95% interval of an estimate with this spread."""
    reach = own.half_width((1 + LEVEL) / 2)
    return Interval(low=value - reach, high=value + reach)
