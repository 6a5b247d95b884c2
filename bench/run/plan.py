"""What a budget has room for: how many candidates, on how many folds, how long each training is, and whether a search pays; and how many levels
a comparison has.

The unit is a short training of the default configuration, the protocol's `shortest_steps` to the end of its own schedule, whose cost a probe has measured.
Where fewer than one fits, the one model there is trains for as long as there is time. The rules and what they rest on:
docs/decisions/0014-lengths.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil

from bench.analysis.final_evaluation import LEAST_FOLDS
from bench.formats import plural

LONGEST = 300
"""Steps beyond which small sets gained nothing: what is left of a budget buys folds, seeds and candidates instead."""

SETTLED = 200
"""Steps of a training that is worth a second fold or candidate beside it: below, length is worth more than either (docs/decisions/0014-lengths.md)."""

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
    """From `units` short trainings on, which have room for `candidates` of them, `everywhere` or on one fold each."""

    units: float
    candidates: int
    everywhere: bool
    search_share: float
    reason: str


RULES: Sequence[Rule] = (
    Rule(units=120, candidates=10, everywhere=True, search_share=0.25, reason="{recipes} on every fold"),
    Rule(units=60, candidates=10, everywhere=True, search_share=0.0, reason="{recipes} on every fold"),
    Rule(units=30, candidates=5, everywhere=True, search_share=0.0, reason="{recipes} on every fold"),
    Rule(units=14, candidates=4, everywhere=False, search_share=0.0, reason="{recipes} on one fold, the best on all"),
    Rule(
        units=0,
        candidates=1,
        everywhere=True,
        search_share=0.0,
        reason="the default configuration on as many folds as fit",
    ),
)
"""The first whose `units` fit holds."""


def plan(
    left_s: float,
    *,
    unit_s: float,
    folds: int,
    available: int,
    places: int = 1,
    epoch: int = 25,
    shortest: int = 100,
    may_search: bool = True,
) -> Plan:
    """The plan for `left_s` seconds on so many `places` at once, where a short training takes `unit_s`, compiling apart. `available` are the
    recipes that there are; lengths are multiples of an `epoch` and, where one fits, at least `shortest`, in steps. Without `may_search` no time
    is kept for a search."""
    units = left_s * places / unit_s
    rule = next(rule for rule in RULES if units >= rule.units)
    candidates = min(rule.candidates, available)
    trainings = candidates * folds if rule.everywhere else candidates + folds
    search_share = rule.search_share if may_search else 0.0
    stretch = units * (1 - search_share) / trainings
    if rule.candidates == 1:  # length comes before folds, as long as it is used
        settled, longest = (
            int(units * shortest / max(SETTLED, shortest)),
            ceil(units * shortest / max(LONGEST, shortest)),
        )
        stretch = units / min(folds, max(1, settled, longest))
    least = shortest if units >= 1 else epoch
    steps = min(max(LONGEST, shortest), max(least, int(shortest * stretch / epoch) * epoch))
    return Plan(
        candidates=candidates,
        steps=steps,
        everywhere=rule.everywhere,
        search_share=search_share,
        reason=f"{units:.1f} short trainings fit: {'a search, then ' if search_share else ''}"
        f"{rule.reason.format(recipes=plural(candidates, 'recipe'))}, {steps} steps each",
    )


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
