"""The trials of a search as an experiment: which ones count, and at which level of each factor each of them stands.

Effects and importance are both made from this, so that they speak of the same trials and levels.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.analysis.factors import FACTORS, NOT_SET, Bin, bins
from bench.analysis.leaderboard import Row
from bench.analysis.series import Missing
from bench.formats import plural

MIN_LEVEL = 3
"""A level with fewer trials is left out, with its trials: one or two do not differ from seed variance."""

MIN_TRIALS, MIN_SPARE = 20, 10
"""So many trials, and so many more than the additive model has coefficients, else nothing is said: with fewer the
interval of an effect is wider than the whole range of scores of most searches, and a forest finds structure in scores
that were shuffled."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """`levels` has, for each factor, one label a trial (None: the trial has no such hyperparameter); `names` the
    labels of a factor in order. `ious` are validation IoUs, float64 [trials]; `epochs` the epochs planned, int
    [trials]. `left_out` trials stood at a level with fewer than MIN_LEVEL of them."""

    levels: Mapping[str, tuple[str | None, ...]]
    names: Mapping[str, tuple[str, ...]]
    ious: np.ndarray
    epochs: np.ndarray
    left_out: int

    @property
    def trials(self) -> int:
        return len(self.ious)

    @property
    def coefficients(self) -> int:
        """Of the additive model: a constant, all levels but one of each factor, and the length of training where it
        varies."""
        return 1 + sum(len(names) - 1 for names in self.names.values()) + int(self.epochs_vary)

    @cached_property
    def epochs_vary(self) -> bool:
        return len(set(self.epochs.tolist())) > 1


def design(rows: Sequence[Row]) -> Design | Missing:
    """Trials that are compared: scored ones, and those that collapsed or lost a race, else a value would look good
    that often does. Of a promoted configuration its first training counts, which every configuration had: how long
    one trained at last depends on its score, and to set that apart would hide effects."""
    kept = tuple(row for row in rows if (row.is_scored or row.ended_early) and not row.was_promoted)
    labels = {factor: bins(kept, factor) for factor in FACTORS}
    used = _at_common_levels(labels, len(kept))
    found = {factor: [own[index] for index in used] for factor, own in labels.items()}
    order = {factor: sorted({bin for bin in own if bin != NOT_SET}) for factor, own in found.items()}
    tried = [factor for factor in FACTORS if len(order[factor]) > 1]
    made = Design(
        levels={factor: tuple(None if bin == NOT_SET else bin[1] for bin in found[factor]) for factor in tried},
        names={factor: tuple(name for _, name in order[factor]) for factor in tried},
        ious=np.array([kept[index].iou for index in used], dtype=np.float64),
        epochs=np.array([kept[index].trial.epochs_planned for index in used], dtype=np.int64),
        left_out=len(kept) - len(used),
    )
    if not tried:
        return Missing(
            f"{plural(len(kept), 'scored configuration')} do not have two values of any hyperparameter that "
            f"{MIN_LEVEL} or more share; it takes at least {MIN_TRIALS}"
        )
    needed = max(MIN_TRIALS, made.coefficients + MIN_SPARE)
    if made.trials < needed:
        rare = f" ({made.left_out} more are at levels with fewer than {MIN_LEVEL})" if made.left_out else ""
        return Missing(
            f"{plural(made.trials, 'scored configuration')}{rare} say nothing about "
            f"{plural(len(tried), 'hyperparameter')} with "
            f"{sum(map(len, made.names.values()))} values: it takes {needed}"
        )
    if not made.ious.std():
        return Missing("all trials have the same score")
    return made


def _at_common_levels(labels: Mapping[str, Sequence[Bin]], trials: int) -> list[int]:
    """The trials that remain when rare levels go with their trials, again and again, since that can make others
    rare."""
    used = list(range(trials))
    while True:
        counts = {factor: Counter(own[index] for index in used) for factor, own in labels.items()}
        common = [i for i in used if all(counts[factor][own[i]] >= MIN_LEVEL for factor, own in labels.items())]
        if len(common) == len(used):
            return used
        used = common
