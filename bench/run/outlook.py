"""What is known of a run before it trains: what it will try, the plan, the time, the memory."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from bench import clock
from bench.datasets.cache import cache_bytes
from bench.datasets.native import native_bytes
from bench.experiments import WITHOUT_TUNERS, Experiment
from bench.records import HyperparameterValue, SplitRecord
from bench.records.environment import memory_limit
from bench.run.budget import Timekeeper
from bench.run.costs import Price
from bench.run.earlier_costs import Measured
from bench.run.experiment_plan import (
    LEAST_FOR_PROBE_S,
    ahead,
    longer_with,
    most_candidates,
    plan_of,
    planned_s,
    unmeasured_price,
)
from bench.run.plan import Plan
from bench.run.refit import kept_s
from bench.run.setup import Examined
from search_spaces.architectures import ARCHITECTURES
from search_spaces.one_at_a_time import one_at_a_time
from search_spaces.portfolio import portfolio
from search_spaces.space import HYPERPARAMETERS, OF_BACKBONE, Range, Space
from search_spaces.views import PATCHES

SUPPOSED_S = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
"""Possible seconds of a short training, for each of which a plan is shown while the real cost is not known."""


def configurations(space: Space) -> int | None:
    """Number of configurations of a space; None if a hyperparameter has a range."""
    values = {name: getattr(space, name) for name in HYPERPARAMETERS}
    if any(isinstance(own, Range) for own in values.values()):
        return None
    encoders = math.prod(max(1, len(values[name])) for name in OF_BACKBONE)
    networks = sum(encoders if ARCHITECTURES[name].has_backbone else 1 for name in space.architecture)
    others = [max(1, len(own)) for name, own in values.items() if name != "architecture" and name not in OF_BACKBONE]
    return networks * math.prod(others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed:
    """The plan if a short training takes from `least_s` to `most_s` seconds. `steps` are the fewest and the most;
    `folds` are those of a comparison (None: all)."""

    least_s: float
    most_s: float
    candidates: int
    everywhere: bool
    search_share: float
    steps: tuple[int, int]
    folds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is known of a run without training.

    - `images` counts those of train, val and test.
    - `search` is the experiment's; `trials` (None: as many as fit) are for each study.
    - `configurations` is the size of the space (None: infinite). `recipes` counts the portfolio, which is tried first,
      or the candidates of a comparison.
    - `candidates`, `steps` and `trainings` are those of a final evaluation without a budget (None: as planned).
    - `seconds` is the limit with a budget, else an estimate (None: not known).
    - `cache_bytes` is the size of decoded pixels on disk."""

    name: str
    images: Mapping[str, int]
    classes: tuple[str, ...]
    folds: int
    search: str
    studies: tuple[str, ...]
    trials: int | None
    configurations: int | None
    recipes: int
    candidates: int | None
    seeds: int | None
    steps: int | None
    trainings: int | None
    budget_s: float | None
    seconds: float | None
    plans: tuple[Supposed, ...]
    measured: Measured | None
    cache_bytes: int
    memory_limit_bytes: int
    varies: Mapping[str, str]
    fixed: Mapping[str, HyperparameterValue]


def outlook(experiment: Experiment, found: Examined, measured: Measured | None, *, slots: int) -> Outlook:
    protocol, split, folds = experiment.protocol, found.split, len(found.split.folds)
    left_s = Timekeeper(experiment, None, clock.now()).finals_s
    cut = left_s is not None and bool(protocol.finalists)
    candidates = None if cut else most_candidates(experiment)
    shown = ahead(experiment, folds, left_s, 0)
    return Outlook(
        name=experiment.name,
        images={"train": len(split.train), "val": len(split.val), "test": len(split.test)},
        classes=found.dataset.classes,
        folds=folds,
        search=experiment.search,
        studies=()
        if experiment.search in WITHOUT_TUNERS
        else tuple(f"{tuner}-seed{seed}" for seed in experiment.seeds for tuner in experiment.tuners),
        trials=experiment.trials,
        configurations=configurations(experiment.space),
        recipes=len((one_at_a_time if experiment.search == "compare" else portfolio)(experiment.space)),
        candidates=candidates,
        seeds=None if candidates is None else protocol.final_seeds,
        steps=None if cut else protocol.epochs * protocol.steps_per_epoch,
        trainings=None if candidates is None else candidates * folds * protocol.final_seeds,
        budget_s=experiment.budget_s,
        seconds=_seconds(experiment, folds, measured, slots),
        plans=tuple(_plans(experiment, left_s, measured, split, slots)) if cut and left_s is not None else (),
        measured=measured,
        cache_bytes=_cache_bytes(experiment, found),
        memory_limit_bytes=memory_limit(),
        varies={name: _range(getattr(experiment.space, name)) for name in HYPERPARAMETERS if name in shown.varies},
        fixed=shown.fixed,
    )


def _seconds(experiment: Experiment, folds: int, measured: Measured | None, slots: int) -> float | None:
    if experiment.budget_s is not None:
        return experiment.budget_s
    if measured is None:
        return None
    return planned_s(
        experiment,
        folds,
        step_s=measured.step_s,
        first_s=measured.first_s,
        scoring_s=measured.scoring_s,
        slots=slots,
    )


def _plans(
    experiment: Experiment, left_s: float, measured: Measured | None, split: SplitRecord, slots: int
) -> Iterator[Supposed]:
    """For the measured cost, or for several possible ones."""
    if left_s < LEAST_FOR_PROBE_S:
        prices: Sequence[Price] = (unmeasured_price(left_s),)
    elif measured is not None:
        cost = {"step_s": measured.step_s, "first_s": measured.first_s, "scoring_s": measured.scoring_s}
        prices = (Price.of(experiment.protocol, **cost),)
    else:
        prices = [Price(unit_s=unit_s) for unit_s in SUPPOSED_S if unit_s <= left_s]
    plans = [
        (
            price.unit_s,
            plan_of(
                experiment,
                left_s - kept_s(experiment, left_s, price, slots, longer=longer_with(experiment, split)),
                price=price,
                split=split,
                slots=slots,
            ),
        )
        for price in prices
    ]
    for (candidates, everywhere, share, on), of in groupby(
        plans,
        key=lambda each: (_compared(experiment, each[1]), each[1].everywhere, each[1].search_share, each[1].folds),
    ):
        alike = list(of)
        steps = [each.steps for _, each in alike]
        yield Supposed(
            least_s=alike[0][0],
            most_s=alike[-1][0],
            candidates=candidates,
            everywhere=everywhere,
            search_share=share,
            steps=(min(steps), max(steps)),
            folds=on,
        )


def _compared(experiment: Experiment, chosen: Plan) -> int:
    """Number of candidates: those of the plan, and after a search at least the finalists and the default
    configuration."""
    if experiment.search == "compare":
        return chosen.candidates
    finalists = min(experiment.protocol.finalists, max(1, chosen.candidates - 1)) if chosen.search_share else 0
    return max(chosen.candidates, finalists + 1)


def _cache_bytes(experiment: Experiment, found: Examined) -> int:
    own = native_bytes(found.audit.images) if PATCHES in found.view else 0
    return own + cache_bytes(len(found.used_ids), (*experiment.space.image_size, found.evaluation_size))


def _range(values: Sequence[HyperparameterValue] | Range) -> str:
    if isinstance(values, Range):
        return f"{values.min:g} to {values.max:g}"
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value).rsplit("/", 1)[-1] for value in values)
