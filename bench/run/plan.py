"""What a budget has room for: the number of candidates, folds, steps and levels, and whether a search pays.

The unit is a short training of the default configuration: the protocol's `shortest_steps` with a whole schedule. A
probe has measured its cost. If less than one fits, one model trains for as long as there is time. The rules and their
measurements: docs/decisions/0014-lengths.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil

from bench.analysis.final_evaluation import LEAST_FOLDS
from bench.formats import plural
from bench.run.costs import MARGIN, Price

LONGEST = 300
"""Steps beyond which car-damage gained nothing: the rest of a budget buys folds, seeds and candidates instead. The last
training on all images may be longer (docs/decisions/0019-all-images.md)."""

SETTLED = 200
"""Steps from which a second fold or candidate is worth more than length (docs/decisions/0014-lengths.md)."""

LONG, PASSES, MOST_LONGER = 4.5, 40, 2.5
"""A training after which few images bring nothing more, in short trainings; passes over the images that it should have
where they are many; and by how much that makes it longer at most: beyond 1,050 steps nothing was measured
(docs/decisions/0019-all-images.md)."""

MOST_SEEDS = 8
"""The most seeds of the leaders, or of all levels of a comparison, in a final evaluation with time left."""


def times_longer(images: int, batch_size: int, shortest: int) -> float:
    """How many times as long as with few images a training should be, if a short one has `shortest` steps, from 1
    to `MOST_LONGER`. `LONGEST` and `SETTLED` are multiplied by it, and a comparison needs as many times the room."""
    return min(MOST_LONGER, max(1.0, PASSES * images / batch_size / (LONG * shortest)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The number of `candidates` (0: nothing fits), each trained for `steps` optimiser steps on the first fold, then
    all of them on every fold (`everywhere`) or the leaders alone. `search_share` of the time goes to a search before.
    `reason` says it in words.

    There is time for `folds` folds (None: all, or as many as fit). A comparison of all levels would take
    `missing_units` more short trainings. The default configuration alone is trained `fitted` times (None: as often as
    fits); then each training's length is fitted to its part of the time, and `steps` is approximate."""

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
    """If at least `units` short trainings fit, there is room for `candidates`, `everywhere` or on one fold each. If a
    last training on all images follows, `before_last` short trainings suffice."""

    units: float
    candidates: int
    everywhere: bool
    search_share: float
    reason: str
    before_last: float | None = None

    def begins(self, *, is_before_last: bool) -> float:
        return self.units if self.before_last is None or not is_before_last else self.before_last


BEFORE_LAST = 8.0
"""Short trainings from which four candidates are compared if a last training on all images follows. Each may be of the
shortest length, and compiling takes the time of one."""

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
"""The first rule whose `units` fit is used."""


def plan(
    left_s: float,
    *,
    price: Price,
    folds: int,
    available: int,
    slots: int = 1,
    epoch: int = 25,
    shortest: int = 100,
    may_search: bool = True,
    given: int | None = None,
    fits: bool = True,
    is_before_last: bool = False,
    longer: float = 1.0,
) -> Plan:
    """The plan for `left_s` seconds on `slots` worker slots, by the `price` of trainings of the default configuration,
    whose network is compiled.

    `available` is the number of recipes. Lengths are in steps: multiples of an `epoch` and, if that fits, at least
    `shortest`, or the `given` one, which is the unit then. Without `may_search` no time is kept for a search. `fits`:
    the default configuration alone gets a length that is fitted to its time. `is_before_last`: a training on all images
    follows. Trainings should be `longer` by this factor (`times_longer`)."""
    unit_s = price.seconds(given / shortest) if given else price.unit_s
    units = left_s * slots / unit_s
    rule = next(rule for rule in RULES if units >= longer * rule.begins(is_before_last=is_before_last))
    candidates = min(rule.candidates, available)
    if candidates == 1 and not (may_search and rule.search_share):
        alone = _default_alone(left_s, price, folds, slots, epoch, shortest, given, longer)
        return alone if fits else _beside_one(alone, left_s, price, folds, slots, epoch, shortest, longer)
    trainings = candidates * folds if rule.everywhere else candidates + folds
    search_share = rule.search_share if may_search else 0.0
    open_s = (left_s - price.first_s * (candidates - 1) / slots) * (1 - search_share)
    stretch = price.length(open_s / ceil(trainings / slots))
    steps = given or min(_longest(shortest, longer), max(shortest, int(shortest * stretch / epoch) * epoch))
    what = f"trainings of {given} steps" if given else "short trainings"
    return Plan(
        candidates=candidates,
        steps=steps,
        everywhere=rule.everywhere,
        search_share=search_share,
        reason=f"{units:.1f} {what} fit: {'a search, then ' if search_share else ''}"
        f"{rule.reason.format(recipes=plural(candidates, 'recipe'))}, {steps} steps each",
    )


def _longest(shortest: int, longer: float = 1.0) -> int:
    return max(int(longer * LONGEST), shortest)


def _default_alone(
    left_s: float,
    price: Price,
    folds: int,
    slots: int,
    epoch: int,
    shortest: int,
    given: int | None,
    longer: float = 1.0,
) -> Plan:
    """Length comes first, while it is worth more, then folds, then whole seeds. The rest of the time makes all
    trainings longer."""
    longest, least = _longest(shortest, longer), given or epoch
    enough = max(longer * SETTLED, shortest)
    fit = f"{left_s * slots / price.unit_s:.1f} short trainings fit"

    def steps_of(trainings: int) -> float:
        return shortest * price.length(left_s / ceil(trainings / slots))

    if MARGIN * steps_of(1) < least:
        reason = f"{fit}: not even one of {least} steps, so that there will be no model"
        return Plan(candidates=0, steps=0, everywhere=True, search_share=0.0, reason=reason)
    settled = max((number for number in range(1, folds + 1) if steps_of(number) >= enough), default=1)
    no_longer = next((number for number in range(1, folds) if steps_of(number) <= longest), folds)
    on = min(folds, max(slots, settled, no_longer))
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


def _beside_one(
    alone: Plan, left_s: float, price: Price, folds: int, slots: int, epoch: int, shortest: int, longer: float
) -> Plan:
    """After a search: the default configuration and the best that it found, where both and the better one's other folds
    have room for the shortest length."""
    longest = _longest(shortest, longer)
    stretch = price.length((left_s - price.first_s) / ceil((1 + folds) / slots))
    if stretch < 1 or alone.fitted is None:
        return _of_one_length(alone, epoch, longest)
    steps, fit = min(longest, int(shortest * stretch / epoch) * epoch), alone.reason.partition(":")[0]
    reason = f"{fit}: the default and one other candidate on one fold, the better one on all, {steps} steps each"
    return Plan(candidates=2, steps=steps, everywhere=False, search_share=0.0, reason=reason)


def _of_one_length(alone: Plan, epoch: int, longest: int) -> Plan:
    """The same plan with one length for all: the default configuration may not be alone after all."""
    if alone.fitted is None:
        return alone
    steps, fit = min(alone.steps, longest // epoch * epoch), alone.reason.partition(":")[0]
    reason = f"{fit}: the default configuration on as many folds as fit, {steps} steps each"
    return replace(alone, steps=steps, reason=reason, folds=None, fitted=None)


SEEDS_BEFORE_LENGTH = 2
"""A comparison's trainings are longer than the shortest only if all folds have room for this many seeds at that length.
With one seed a difference may be chance, so that a second seed comes first."""


def comparison_plan(
    left_s: float,
    *,
    price: Price,
    folds: int,
    costs: Sequence[float],
    slots: int = 1,
    epoch: int = 25,
    shortest: int = 100,
    steps: int | None = None,
) -> Plan:
    """The plan of a comparison. `costs` are those of its candidates, the default configuration first, in trainings of
    the default configuration; `steps` is the length if it is given.

    As many candidates as fit come on `LEAST_FOLDS` folds, then all folds, then a second seed, then length. No training
    is shorter than `shortest` to make room for others. If no two candidates fit, it is the plan of `plan` for the
    default configuration alone."""
    units = left_s * slots / (price.unit_s + price.first_s / 2)  # the trainings of a network share its compiling
    length = (steps or shortest) / shortest
    whole = [LEAST_FOLDS * length * cost for cost in accumulate(costs)]
    candidates = sum(cost <= units for cost in whole)
    missing = max(0.0, whole[-1] - units)
    if candidates < 2:
        fitted = _default_alone(left_s, price, folds, slots, epoch, shortest, steps)
        alone = _of_one_length(fitted, epoch, _longest(shortest))
        too_few = f"{units:.1f} short trainings fit, too few to compare two levels on {LEAST_FOLDS} folds"
        instead = f"the default configuration alone, {alone.steps} steps each"
        reason = f"{too_few}: {instead}" if alone.candidates else alone.reason
        return replace(alone, reason=reason, missing_units=missing)
    # What is left after that buys folds, then a second seed, then length (`stretch`: how much longer all can be).
    cost = whole[candidates - 1] / LEAST_FOLDS
    stretch = units / (cost * folds * SEEDS_BEFORE_LENGTH)
    chosen = steps or min(_longest(shortest), max(shortest, int(shortest * stretch / epoch) * epoch))
    on = min(folds, max(LEAST_FOLDS, int(units / cost)))
    seeds = min(MOST_SEEDS, max(1, int(units * shortest / (cost * folds * (chosen if steps is None else shortest)))))
    others = f"{candidates - 1} of {len(costs) - 1} levels" if missing else f"all {len(costs) - 1} levels"
    compared = f"the default configuration and {others} beside it on {on} folds with {plural(seeds, 'seed')}"
    return Plan(
        candidates=candidates,
        steps=chosen,
        everywhere=True,
        search_share=0.0,
        reason=f"{units:.1f} short trainings fit: {compared}, {chosen} steps each",
        folds=on,
        missing_units=missing,
    )
