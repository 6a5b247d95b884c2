"""What a budget has room for: how many candidates, on how many folds, how long each training is, and whether a search pays; and how many levels
a comparison has.

The unit is a short training of the default configuration, the protocol's `shortest_steps` to the end of its own schedule, whose cost a probe has measured.
Where fewer than one fits, the one model there is trains for as long as there is time. The rules and what they rest on:
docs/decisions/0014-lengths.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil, inf

from bench.analysis.final_evaluation import LEAST_FOLDS
from bench.formats import plural

SETTLED, LONGEST = 200, 300
"""Optimiser steps: a training of `SETTLED` is worth a second fold or candidate beside it, one of `LONGEST` gains nothing from more: what is left
of a budget buys folds, candidates and seeds instead."""

SETTLED_PASSES, LONGEST_PASSES = 10, 30
"""So many passes over the training images are as good, where that is fewer steps: on 34 photographs 100 steps are 24 passes, and more of them
gained nothing, on 267 they are 3 (docs/decisions/0014-lengths.md)."""

MOST_SEEDS = 8
"""Of the leaders, or of all levels of a comparison, in a final evaluation that has time left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`candidates` are trained for `steps` optimiser steps each, on the first fold, then `everywhere` all of them on every fold, else those
    that lead. `search_share` of the time goes to a search before that. `reason` says it in words. Of a comparison there is time for so many
    `folds` (None: as many as fit), and all that it was asked for would take `missing_units` short trainings more."""

    candidates: int
    steps: int
    everywhere: bool
    search_share: float
    reason: str
    folds: int | None = None
    missing_units: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """There are `candidates`, `everywhere` or the best of them alone on the other folds, where there is `times` the time for all their trainings,
    each long enough to be worth it."""

    candidates: int
    everywhere: bool
    times: float
    search_share: float
    reason: str

    def trainings(self, folds: int, available: int = 10**6) -> int:
        """Of one candidate on the others one more than there are: compiling so many networks takes as long."""
        candidates = min(self.candidates, available)
        return candidates * folds if self.everywhere else candidates + folds


RULES: Sequence[Rule] = (
    Rule(candidates=10, everywhere=True, times=2.0, search_share=0.25, reason="{recipes} on every fold"),
    Rule(candidates=10, everywhere=True, times=1.0, search_share=0.0, reason="{recipes} on every fold"),
    Rule(candidates=5, everywhere=True, times=1.0, search_share=0.0, reason="{recipes} on every fold"),
    Rule(candidates=4, everywhere=False, times=1.0, search_share=0.0, reason="{recipes} on one fold, the best on all"),
    Rule(
        candidates=1,
        everywhere=True,
        times=0.0,
        search_share=0.0,
        reason="the default configuration on as many folds as fit",
    ),
)
"""The first for which there is time holds."""


def plan(
    left_s: float,
    *,
    unit_s: float,
    folds: int,
    available: int,
    pass_steps: float = inf,
    places: int = 1,
    epoch: int = 25,
    shortest: int = 100,
    may_search: bool = True,
) -> Plan:
    """The plan for `left_s` seconds on so many `places` at once, where a short training takes `unit_s`, compiling apart. `available` are the
    recipes that there are, `pass_steps` the optimiser steps in which a training sees each of its images once; lengths are multiples of an `epoch` and,
    where one fits, at least `shortest`, in steps. Without `may_search` no time is kept for a search."""
    units = left_s * places / unit_s
    settled = _length(SETTLED, SETTLED_PASSES * pass_steps, epoch, shortest)
    longest = _length(LONGEST, LONGEST_PASSES * pass_steps, epoch, settled)
    rule = next(rule for rule in RULES if units * shortest >= rule.times * rule.trainings(folds) * settled)
    candidates = min(rule.candidates, available)
    search_share = rule.search_share if may_search else 0.0
    trainings = rule.trainings(folds, available)
    if rule.candidates == 1:  # length comes before folds, as long as it is used
        trainings = min(folds, max(1, int(units * shortest / settled), ceil(units * shortest / longest)))
    stretch = units * (1 - search_share) / trainings
    least = shortest if units >= 1 else epoch
    steps = min(longest, max(least, int(shortest * stretch / epoch) * epoch))
    return Plan(
        candidates=candidates,
        steps=steps,
        everywhere=rule.everywhere,
        search_share=search_share,
        reason=f"{units:.1f} short trainings fit: {'a search, then ' if search_share else ''}"
        f"{rule.reason.format(recipes=plural(candidates, 'recipe'))}, {steps} steps each",
    )


def _length(most: int, wanted: float, epoch: int, least: int) -> int:
    """`wanted` steps in whole epochs, at `most` so many and at `least` so many."""
    return max(least, min(most, ceil(min(wanted, most) / epoch) * epoch))


SEEDS_BEFORE_LENGTH = 2
"""A comparison's trainings are longer than the shortest where all folds have room for so many seeds at that length: with one seed nothing says
what of a difference is chance, so that a second one comes first."""


def comparison_plan(
    left_s: float,
    *,
    unit_s: float,
    folds: int,
    costs: Sequence[float],
    places: int = 1,
    epoch: int = 25,
    shortest: int = 100,
    steps: int | None = None,
) -> Plan:
    """The plan of a comparison whose candidates, the default configuration first, cost `costs`, in trainings of the default configuration. As many of them as
    fit on `LEAST_FOLDS` folds, then all folds, then a second seed, then length: no training is shorter than `shortest` so that
    more have room. `steps`: the length is given. Where no two fit, the plan of `plan` for the default configuration alone."""
    units = left_s * places / unit_s
    length = (steps or shortest) / shortest
    whole = [LEAST_FOLDS * length * cost for cost in accumulate(costs)]
    candidates = sum(cost <= units for cost in whole)
    missing = max(0.0, whole[-1] - units)
    if candidates < 2:
        alone = plan(left_s, unit_s=unit_s, folds=folds, available=1, places=places, epoch=epoch, shortest=shortest)
        said = f"{units:.1f} short trainings fit, too few to compare two levels on {LEAST_FOLDS} folds: the default configuration alone"
        return replace(alone, reason=f"{said}, {alone.steps} steps each", missing_units=missing)
    cost = whole[candidates - 1] / LEAST_FOLDS
    stretch = units / (cost * folds * SEEDS_BEFORE_LENGTH)
    chosen = steps or min(max(LONGEST, shortest), max(shortest, int(shortest * stretch / epoch) * epoch))
    on = min(folds, max(LEAST_FOLDS, int(units / cost)))
    seeds = min(MOST_SEEDS, max(1, int(units * shortest / (cost * folds * (chosen if steps is None else shortest)))))
    others = f"{candidates - 1} of {len(costs) - 1} levels" if missing else f"all {len(costs) - 1} levels"
    return Plan(
        candidates=candidates,
        steps=chosen,
        everywhere=True,
        search_share=0.0,
        reason=f"{units:.1f} short trainings fit: the default configuration and {others} beside it on {on} folds with {plural(seeds, 'seed')}, "
        f"{chosen} steps each",
        folds=on,
        missing_units=missing,
    )
