"""Which configurations take part in a final evaluation, and what they are called."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from bench.records import (
    COMPLETED,
    DEFAULT,
    FINALIST,
    LEVEL,
    ORIGINAL,
    PORTFOLIO,
    Candidate,
    TrialRecord,
    configuration_key,
    configuration_of,
)
from search_spaces.defaults import original_baseline
from search_spaces.one_at_a_time import changed_factor, one_at_a_time
from search_spaces.portfolio import portfolio
from search_spaces.space import HYPERPARAMETERS, Space

AMOUNTS = tuple(name for name, row in HYPERPARAMETERS.items() if row.tuned_finely)
"""Hyperparameters that a tuner tunes finely: two values of them are no two models to choose between."""


def select_candidates(
    trials: Sequence[TrialRecord],
    space: Space,
    finalists: int,
    *,
    from_portfolio: int = 0,
    with_original_baseline: bool = True,
) -> tuple[Candidate, ...]:
    """The best `finalists` configurations of the search by validation IoU, then the default configuration, the next
    recipes of the portfolio until there are `from_portfolio` candidates in all, and last the original baseline.

    A tuner that learns ends with many configurations that differ in `AMOUNTS` alone. While there are others, one of
    each such kind takes part."""
    chosen: dict[str, Candidate] = {}
    completed = [trial for trial in trials if trial.status == COMPLETED and trial.val_metrics.get("iou") is not None]
    best_first = sorted(completed, key=lambda trial: -(trial.val_metrics["iou"] or 0.0))
    best_of_kind: dict[str, TrialRecord] = {}
    for trial in best_first:
        best_of_kind.setdefault(_kind(trial), trial)
    for trial in (*best_of_kind.values(), *best_first):
        values = configuration_of(trial.hyperparameters)
        if len(chosen) < finalists and configuration_key(values) not in chosen:
            chosen[configuration_key(values)] = Candidate(
                name=f"finalist {len(chosen) + 1}",
                roles=(FINALIST,),
                hyperparameters=values,
                study_id=trial.study_id,
                trial_id=trial.trial_id,
                search_iou=trial.val_metrics["iou"],
            )
    default, *others = portfolio(space)
    _take_part(chosen, DEFAULT, default, name=DEFAULT)
    for number, recipe in enumerate(others, start=2):
        if len(chosen) < from_portfolio:
            _take_part(chosen, PORTFOLIO, recipe, name=f"recipe {number}")
    if with_original_baseline:
        _take_part(chosen, ORIGINAL, original_baseline(space), name=ORIGINAL)
    if from_portfolio:  # the default first: a deliverable model exists early, and is replaced only by a better one
        return tuple(sorted(chosen.values(), key=lambda each: DEFAULT not in each.roles))
    return tuple(chosen.values())


def _take_part(chosen: dict[str, Candidate], role: str, recipe: Mapping[str, Any], *, name: str) -> None:
    """If the search found this recipe too, it has both roles."""
    key = configuration_key(recipe)
    there = chosen.get(key)
    chosen[key] = (
        replace(there, roles=(*there.roles, role))
        if there
        else Candidate(name=name, roles=(role,), hyperparameters=dict(recipe))
    )


def compared_levels(space: Space, most: int | None = None) -> tuple[Candidate, ...]:
    """The candidates of a comparison: the default configuration, then the levels, the first `most` in all (None:
    all)."""
    design = one_at_a_time(space)
    names = [level_name(recipe, design[0]) for recipe in design]
    return tuple(
        Candidate(
            name=name
            if names.count(name) == 1
            else f"{name} ({number})",  # two files of weights may share their last part
            roles=(LEVEL if number else DEFAULT,),
            hyperparameters=recipe,
        )
        for number, (name, recipe) in enumerate(zip(names, design, strict=True))
    )[:most]


def level_name(recipe: Mapping[str, Any], default: Mapping[str, Any]) -> str:
    """Such as 'image size 96' or 'loss dice'; the default configuration has its own name."""
    factor = changed_factor(recipe, default)
    if factor is None:
        return DEFAULT
    value = recipe[factor]
    said = f"{value:g}" if isinstance(value, float) else str(value).rsplit("/", 1)[-1]
    return f"{factor.replace('_', ' ')} {said}"


def _kind(trial: TrialRecord) -> str:
    return configuration_key({name: value for name, value in trial.hyperparameters.items() if name not in AMOUNTS})


def with_names_of_their_own(candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    """If a candidate has the name of an earlier one ("finalist 1" of another session), it gets the next free number."""
    taken = {each.name for each in candidates}
    seen: set[str] = set()
    for each in candidates:
        name = each.name
        if name in seen:
            numbered = (f"{name.rpartition(' ')[0]} {number}" for number in count(1))
            name = next(free for free in numbered if free not in taken)
            taken.add(name)
        seen.add(name)
        yield replace(each, name=name)
