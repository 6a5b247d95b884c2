"""What a budget has room for: how many candidates, on how many folds, how long each training is, and whether a search
pays; and how many levels a comparison has.

The unit is a short training of the default configuration, the protocol's `shortest_steps` to the end of its own
schedule, whose cost a probe has measured. Where fewer than one fits, the one model there is trains for as long as there
is time. The rules and what they rest on: docs/decisions/0014-lengths.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil

from bench.analysis.final_evaluation import LEAST_FOLDS
from bench.formats import plural
from bench.run.costs import MARGIN, Price

LONGEST = 300
"""Steps beyond which car-damage gained nothing: what is left of a budget buys folds, seeds and candidates instead. The
last training of all images may be longer (docs/decisions/0019-all-images.md)."""

SETTLED = 200
"""Steps of a training that is worth a second fold or candidate beside it: below, length is worth more than either (docs/decisions/0014-lengths.md)."""

MOST_SEEDS = 8
"""Of the leaders, or of all levels of a comparison, in a final evaluation that has time left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`candidates` are trained for `steps` optimiser steps each, on the first fold, then `everywhere` all of them on
    every fold, else those that lead. `search_share` of the time goes to a search before that. `reason` says it in
    words. There is time for so many `folds` (None: all, or as many as fit); of a comparison all that it was asked for
    would take `missing_units` short trainings more. The default configuration alone is trained `fitted` times (None: as
    often as fits), and `steps` is about how long: each training's length is fitted to its part of the time. Without
    `candidates` nothing fits."""

    candidates: int
    steps: int
    everywhere: bool
    search_share: float
    reason: str
    folds: int | None = None
    missing_units: float = 0.0
    fitted: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """From `units` short trainings on, which have room for `candidates` of them, `everywhere` or on one fold each; from
    fewer, `before_last`, where a last training of all images follows."""

    units: float
    candidates: int
    everywhere: bool
    search_share: float
    reason: str
    before_last: float | None = None

    def begins(self, *, is_before_last: bool) -> float:
        return self.units if self.before_last is None or not is_before_last else self.before_last


BEFORE_LAST = 8.0
"""Short trainings from which on four candidates are compared where a last training of all images follows: theirs may be
the shortest that compare, and one's time goes into compiling."""

RULES: Sequence[Rule] = (
    Rule(units=120, candidates=10, everywhere=True, search_share=0.25, reason="{recipes} on every fold"),
    Rule(units=60, candidates=10, everywhere=True, search_share=0.0, reason="{recipes} on every fold"),
    Rule(units=30, candidates=5, everywhere=True, search_share=0.0, reason="{recipes} on every fold"),
    Rule(
        units=11,
        before_last=BEFORE_LAST,
        candidates=4,
        everywhere=False,
        search_share=0.0,
        reason="{recipes} on one fold, the best on all",
    ),
    Rule(units=0, candidates=1, everywhere=True, search_share=0.0, reason="the default configuration alone"),
)
"""The first whose `units` fit holds."""


def plan(
    left_s: float,
    *,
    price: Price,
    folds: int,
    available: int,
    places: int = 1,
    epoch: int = 25,
    shortest: int = 100,
    may_search: bool = True,
    given: int | None = None,
    fits: bool = True,
    is_before_last: bool = False,
) -> Plan:
    """The plan for `left_s` seconds on so many `places` at once, by the `price` of trainings of the default
    configuration, whose network is compiled. `available` are the recipes that there are; lengths are multiples of an
    `epoch` and, where one fits, at least `shortest`, in steps, unless one is `given`. Without `may_search` no time is
    kept for a search. A length `fits` its time where the default configuration is alone. `is_before_last`: the model is
    trained after it, of all images."""
    units = left_s * places / price.unit_s
    rule = next(rule for rule in RULES if units >= rule.begins(is_before_last=is_before_last))
    candidates = min(rule.candidates, available)
    if candidates == 1:
        alone = _default_alone(left_s, price, folds, places, epoch, shortest, given)
        return alone if fits else _beside_others(alone, epoch, max(LONGEST, shortest))
    trainings = candidates * folds if rule.everywhere else candidates + folds
    search_share = rule.search_share if may_search else 0.0
    open_s = (left_s - price.first_s * (candidates - 1) / places) * (1 - search_share)
    stretch = price.length(open_s / ceil(trainings / places))
    steps = min(max(LONGEST, shortest), max(shortest, int(shortest * stretch / epoch) * epoch))
    return Plan(
        candidates=candidates,
        steps=steps,
        everywhere=rule.everywhere,
        search_share=search_share,
        reason=f"{units:.1f} short trainings fit: {'a search, then ' if search_share else ''}"
        f"{rule.reason.format(recipes=plural(candidates, 'recipe'))}, {steps} steps each",
    )


def _default_alone(
    left_s: float, price: Price, folds: int, places: int, epoch: int, shortest: int, given: int | None
) -> Plan:
    """Length comes first, as long as it is used, then folds, then whole seeds; what that leaves makes all of them
    longer."""
    longest, least = max(LONGEST, shortest), given or epoch
    fit = f"{left_s * places / price.unit_s:.1f} short trainings fit"

    def steps_of(trainings: int) -> float:
        return shortest * price.length(left_s / ceil(trainings / places))

    if MARGIN * steps_of(1) < least:
        reason = f"{fit}: not even one of {least} steps, so that there will be no model"
        return Plan(candidates=0, steps=0, everywhere=True, search_share=0.0, reason=reason)
    settled = max((number for number in range(1, folds + 1) if steps_of(number) >= max(SETTLED, shortest)), default=1)
    no_longer = next((number for number in range(1, folds) if steps_of(number) <= longest), folds)
    on = min(folds, max(places, settled, no_longer))
    seeds = max((number for number in range(1, MOST_SEEDS + 1) if steps_of(on * number) >= longest), default=1)
    trainings = on * seeds if on == folds else on
    steps = min(2 * longest, max(epoch, int(steps_of(trainings) / epoch) * epoch))
    what = plural(on, "fold") + (f" with {seeds} seeds" if trainings > on else "")
    return Plan(
        candidates=1,
        steps=given or steps,
        everywhere=True,
        search_share=0.0,
        reason=f"{fit}: the default configuration on as many folds as fit, {given} steps each"
        if given
        else f"{fit}: the default configuration on {what}, about {steps} steps each",
        folds=None if given else on,
        fitted=None if given else trainings,
    )


def _beside_others(alone: Plan, epoch: int, longest: int) -> Plan:
    """The same where what a search found is compared with it, all at one length."""
    if alone.fitted is None:
        return alone
    steps, fit = min(alone.steps, longest // epoch * epoch), alone.reason.partition(":")[0]
    reason = f"{fit}: the default configuration on as many folds as fit, {steps} steps each"
    return replace(alone, steps=steps, reason=reason, folds=None, fitted=None)


SEEDS_BEFORE_LENGTH = 2
"""A comparison's trainings are longer than the shortest where all folds have room for so many seeds at that length: with one seed nothing says
what of a difference is chance, so that a second one comes first."""


def comparison_plan(
    left_s: float,
    *,
    price: Price,
    folds: int,
    costs: Sequence[float],
    places: int = 1,
    epoch: int = 25,
    shortest: int = 100,
    steps: int | None = None,
) -> Plan:
    """The plan of a comparison whose candidates, the default configuration first, cost `costs`, in trainings of the
    default configuration. As many of them as fit on `LEAST_FOLDS` folds, then all folds, then a second seed, then
    length: no training is shorter than `shortest` so that more have room. `steps`: the length is given. Where no two
    fit, the plan of `plan` for the default configuration alone."""
    units = left_s * places / (price.unit_s + price.first_s / 2)  # the trainings of a network share its compiling
    length = (steps or shortest) / shortest
    whole = [LEAST_FOLDS * length * cost for cost in accumulate(costs)]
    candidates = sum(cost <= units for cost in whole)
    missing = max(0.0, whole[-1] - units)
    if candidates < 2:
        fitted = _default_alone(left_s, price, folds, places, epoch, shortest, steps)
        alone = _beside_others(fitted, epoch, max(LONGEST, shortest))
        said = f"{units:.1f} short trainings fit, too few to compare two levels on {LEAST_FOLDS} folds: the default configuration alone"
        reason = f"{said}, {alone.steps} steps each" if alone.candidates else alone.reason
        return replace(alone, reason=reason, missing_units=missing)
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
