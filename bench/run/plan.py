"""What a budget has room for: how many candidates, on how many folds, how long each training is, and whether a search pays.

The unit is a short training of the default recipe, the protocol's `shortest_steps` to the end of its own schedule, whose cost a probe has measured.
Where fewer than one fits, the one model there is trains for as long as there is time. The rules and what they rest on:
docs/decisions/0014-lengths.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LONGEST = 300
"""Steps beyond which small sets gained nothing: what is left of a budget buys folds, seeds and candidates instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`candidates` are trained for `steps` optimiser steps each, on the first fold, then `everywhere` all of them on every fold, else those
    that lead. `search_share` of the time goes to a search before that. `reason` says it in words."""

    candidates: int
    steps: int
    everywhere: bool
    search_share: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """From `units` short trainings on, which have room for `candidates` of them, `everywhere` or on one fold each."""

    units: float
    candidates: int
    everywhere: bool
    search_share: float
    reason: str


RULES: Sequence[Rule] = (
    Rule(units=60, candidates=10, everywhere=True, search_share=0.25, reason="a search, then the ten best everywhere"),
    Rule(
        units=22, candidates=10, everywhere=True, search_share=0.0, reason="ten recipes of the portfolio on every fold"
    ),
    Rule(
        units=12, candidates=5, everywhere=True, search_share=0.0, reason="five recipes of the portfolio on every fold"
    ),
    Rule(units=5, candidates=4, everywhere=False, search_share=0.0, reason="four recipes on one fold, the best on all"),
    Rule(units=0, candidates=1, everywhere=True, search_share=0.0, reason="the default recipe on as many folds as fit"),
)
"""The first whose `units` fit holds."""


def plan(
    left_s: float, *, unit_s: float, folds: int, available: int, places: int = 1, epoch: int = 25, shortest: int = 100
) -> Plan:
    """The plan for `left_s` seconds on so many `places` at once, where a short training takes `unit_s`, compiling apart. `available` are the
    recipes that there are; lengths are multiples of an `epoch` and, where one fits, at least `shortest`, in steps."""
    units = left_s * places / unit_s
    rule = next(rule for rule in RULES if units >= rule.units)
    candidates = min(rule.candidates, available)
    trainings = candidates * folds if rule.everywhere else candidates + folds
    stretch = units * (1 - rule.search_share) / trainings
    if rule.candidates == 1:  # folds come before length, and one training before folds
        stretch = units / min(folds, max(1, int(units)))
    least = shortest if units >= 1 else epoch
    steps = min(max(LONGEST, shortest), max(least, int(shortest * stretch / epoch) * epoch))
    return Plan(
        candidates=candidates,
        steps=steps,
        everywhere=rule.everywhere,
        search_share=rule.search_share,
        reason=f"{units:.1f} short trainings fit: {rule.reason}, {steps} steps each",
    )
