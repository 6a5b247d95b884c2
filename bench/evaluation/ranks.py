"""Several candidates on several data sets: who ranks better, and whether so few data sets can tell.

- Demsar, "Statistical comparisons of classifiers over multiple data sets", Journal of Machine Learning Research, 2006:
  average ranks, Friedman's test, the diagram.
- Iman and Davenport, "Approximations of the critical region of the Friedman statistic", 1980: its less conservative F.
- Benavoli, Corani and Mangili, "Should we really use post-hoc tests based on mean-ranks?", JMLR, 2016: pairs are told
  apart by Wilcoxon's signed-rank test with Holm's correction. Nemenyi's verdict on a pair depends on who else took
  part.

A data set counts once, whatever its number of images: what these tests speak of is other data sets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bench.evaluation.statistics import LEVEL, holm

FEWEST = 5
"""With fewer data sets than this Friedman's approximation does not hold, and Wilcoxon's p cannot come near 0.05."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedPair:
    """Two candidates by position, the one with the better average rank first. `difference` is the median over data sets
    of first minus second; `p` is two-sided and uncorrected."""

    first: int
    second: int
    difference: float
    p: float
    p_holm: float

    @property
    def is_significant(self) -> bool:
        return self.p_holm < 1 - LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Ranks on each data set, 1 is best, those level share the mean of their ranks (`by_dataset` [data
    sets][candidates]); by position their mean, and on how many data sets a candidate was first (those level share a
    first place).

    `friedman_p`: were all equal; None for two candidates, which it is not for, and below FEWEST data sets. `groups` are
    sets of neighbours in that order of which no two can be told apart, each as large as it can be.
    """

    num_datasets: int
    by_dataset: tuple[tuple[float, ...], ...]
    average: tuple[float, ...]
    wins: tuple[float, ...]
    friedman_p: float | None
    pairs: tuple[RankedPair, ...]
    groups: tuple[tuple[int, ...], ...]

    @property
    def order(self) -> tuple[int, ...]:
        """Positions, best average rank first."""
        return tuple(int(position) for position in np.argsort(self.average, kind="stable"))

    @property
    def smallest_p(self) -> float:
        """The least that Holm leaves of Wilcoxon's p if one candidate is ahead of another on every data set: 2 / 2**n
        for each pair."""
        return min(1.0, len(self.pairs) * 2.0 ** (1 - self.num_datasets))

    @property
    def can_tell(self) -> bool:
        """Whether any outcome on so many data sets could have told two candidates apart."""
        return self.num_datasets >= FEWEST and self.smallest_p < 1 - LEVEL


def compare_ranks(scores: np.ndarray) -> Ranks:
    """`scores` is float64 [data sets, candidates], higher is better, none missing. Raises ValueError for fewer than two
    candidates, or no data set."""
    from scipy.stats import rankdata

    num_datasets, candidates = scores.shape
    if candidates < 2 or not num_datasets:
        raise ValueError(f"{candidates} candidates on {num_datasets} data sets: there is nothing to rank")
    ranks = rankdata(-scores, axis=1)
    first = scores == scores.max(axis=1, keepdims=True)
    average = ranks.mean(axis=0)
    pairs = _pairs(scores, average)
    return Ranks(
        num_datasets=num_datasets,
        by_dataset=tuple(tuple(map(float, row)) for row in ranks),
        average=tuple(map(float, average)),
        wins=tuple(map(float, (first / first.sum(axis=1, keepdims=True)).sum(axis=0))),
        friedman_p=friedman_p(scores) if candidates > 2 and num_datasets >= FEWEST else None,
        pairs=pairs,
        groups=_groups(average, pairs),
    )


def friedman_p(scores: np.ndarray) -> float:
    """p of "all candidates are equal": Iman and Davenport's F of Friedman's statistic, corrected for ties. At least 3
    candidates."""
    from scipy.stats import f, friedmanchisquare

    num_datasets, candidates = scores.shape
    if (scores == scores[:, :1]).all():
        return 1.0
    chi_square = float(friedmanchisquare(*scores.T).statistic)
    most = num_datasets * (candidates - 1)
    if chi_square >= most * (1 - 1e-12):
        return 0.0
    statistic = (num_datasets - 1) * chi_square / (most - chi_square)
    return float(f.sf(statistic, candidates - 1, (candidates - 1) * (num_datasets - 1)))


def _pairs(scores: np.ndarray, average: np.ndarray) -> tuple[RankedPair, ...]:
    order = [int(position) for position in np.argsort(average, kind="stable")]
    found = [(first, second, scores[:, first] - scores[:, second]) for first, second in combinations(order, 2)]
    p = [_wilcoxon_p(difference) for _, _, difference in found]
    return tuple(
        RankedPair(first=first, second=second, difference=float(np.median(difference)), p=own, p_holm=corrected)
        for (first, second, difference), own, corrected in zip(found, p, holm(p), strict=True)
    )


def _wilcoxon_p(differences: np.ndarray) -> float:
    """Two-sided and exact for few data sets; data sets on which both are level say nothing."""
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue) if differences.any() else 1.0


def _groups(average: np.ndarray, pairs: Sequence[RankedPair]) -> tuple[tuple[int, ...], ...]:
    """Runs of neighbours in the order of ranks without a pair told apart; a run within a longer one is left out."""
    order = [int(position) for position in np.argsort(average, kind="stable")]
    apart = {frozenset((pair.first, pair.second)) for pair in pairs if pair.is_significant}
    groups: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and all(frozenset((order[end], other)) not in apart for other in order[start:end]):
            end += 1
        if end > reached:
            groups.append(tuple(order[start:end]))
            reached = end
    return tuple(groups)
