"""What a run has before it, as far as that can be known before it trains: what is tried, the plan, how long, how much memory."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from bench.datasets.cache import cache_bytes
from bench.datasets.native import native_bytes
from bench.engine.devices import describe_cpu, visible_gpus
from bench.engine.spec import family
from bench.errors import StoreError
from bench.experiments import WITHOUT_TUNERS, Experiment
from bench.formats import listing
from bench.progress.ahead import Ahead
from bench.records import COMPLETED, HyperparameterValue, Run, TrainingRecord, configuration_key
from bench.records.environment import memory_limit
from bench.records.store import load
from bench.run.budget import Timekeeper
from bench.run.costs import MARGIN, pixels, short_training_s
from bench.run.data_curve import SHARES
from bench.run.final_evaluation import level_name
from bench.run.plan import Plan, comparison_plan, plan
from bench.run.setup import Examined
from search_spaces.architectures import ARCHITECTURES
from search_spaces.one_at_a_time import one_at_a_time
from search_spaces.portfolio import portfolio
from search_spaces.space import HYPERPARAMETERS, OF_BACKBONE, Range, Space
from search_spaces.views import PATCHES

ROOM = 1.1
"""What a larger budget is said to take is multiplied by this: a share of it is kept for the delivery."""

LEAST_FOR_PROBE_S = 60.0
"""A budget that leaves less is not measured: compiling alone takes a third of it."""

SEARCH_SHARE = 0.3
"""Of a budget, where a search was asked for."""

SUPPOSED_S = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
"""Seconds of a short training for which a plan is told while its real cost is not known."""

MOST_RUNS = 10
"""Earlier runs, the newest ones, that are asked what a step costs here."""


def plan_of(
    experiment: Experiment, left_s: float, *, unit_s: float, folds: int, places: int, steps: int | None = None
) -> Plan:
    """The plan of an experiment for `left_s` seconds: as `bench.run.plan` has it, and a search where the experiment asks for one. What a
    search has compared is not compared again: then its finalists and the default recipe alone are candidates. `steps` is the length that a
    comparison was begun with."""
    if experiment.search == "compare":
        return _plan_of_comparison(experiment, left_s, unit_s, folds, max(1, places), steps)
    share = SEARCH_SHARE if experiment.search == "always" else 0.0
    recipes = len(portfolio(experiment.space))
    chosen = plan(
        left_s * (1 - share),
        unit_s=unit_s,
        folds=folds,
        available=min(recipes, experiment.protocol.finalists + 1) if share else recipes,
        places=max(1, places),
        epoch=experiment.protocol.steps_per_epoch,
        shortest=experiment.protocol.shortest_steps,
        may_search=experiment.search == "auto",
    )
    if not share:
        return chosen
    return replace(chosen, search_share=share, reason=f"{share:.0%} of the time for a search; then {chosen.reason}")


def _plan_of_comparison(
    experiment: Experiment, left_s: float, unit_s: float, folds: int, places: int, steps: int | None
) -> Plan:
    """Which levels it leaves out, and what budget has room for them, is said with it."""
    design = one_at_a_time(experiment.space)
    chosen = comparison_plan(
        left_s,
        unit_s=unit_s,
        folds=folds,
        costs=relative_costs(experiment.space),
        places=places,
        epoch=experiment.protocol.steps_per_epoch,
        shortest=experiment.protocol.shortest_steps,
        steps=experiment.protocol.steps or steps,
    )
    if not chosen.missing_units or experiment.budget_s is None:
        return chosen
    said = listing([level_name(recipe, design[0]) for recipe in design[chosen.candidates :]])
    left_out = f"{chosen.reason}; left out are {said}"
    if left_s * places < unit_s:  # what one takes was not measured, or would not be to its end
        return replace(chosen, reason=left_out)
    whole_s = experiment.budget_s + ROOM * chosen.missing_units * unit_s / places
    budget = f"{math.ceil(whole_s / 60)}m"
    return replace(chosen, reason=f"{left_out}, for which --budget {budget} has room")


def measured_unit_s(experiment: Experiment, trainings: Sequence[TrainingRecord], epochs: int) -> float | None:
    """Seconds of a short training of the default recipe, by what the trainings of a comparison have taken, each of `epochs`; None before one has
    completed. A probe measures six steps, on a machine that may be busy then."""
    design = one_at_a_time(experiment.space)
    costs = {
        configuration_key(recipe): cost for recipe, cost in zip(design, relative_costs(experiment.space), strict=True)
    }
    over = [each for each in trainings if each.status == COMPLETED and each.wall_s and each.configuration in costs]
    if not over:
        return None
    length = epochs * experiment.protocol.steps_per_epoch / experiment.protocol.shortest_steps
    return MARGIN * sum(each.wall_s or 0.0 for each in over) / sum(length * costs[each.configuration] for each in over)


def relative_costs(space: Space) -> tuple[float, ...]:
    """Of the candidates of a comparison, in trainings of the default recipe, by their pixels: what another network costs shows when it is
    trained. None is taken to cost less than the default recipe."""
    design = one_at_a_time(space)
    own = pixels(family(design[0]))
    return tuple(max(1.0, pixels(family(recipe)) / own) for recipe in design)


def unmeasured_unit_s(left_s: float) -> float:
    """What a short training is taken to cost where there is no time to measure it: more than there is, so that one model is trained as far
    as it gets."""
    return 2 * left_s + 1


def ahead(experiment: Experiment, folds: int, left_s: float | None, epochs_over: int) -> Ahead:
    """What whoever watches is told when trainings begin: `left_s` seconds of the budget, and epochs but for those that are over. A budget
    with a final evaluation is used up, whatever is planned."""
    planned = None if left_s is not None and experiment.protocol.finalists else planned_epochs(experiment, folds)
    values = {name: getattr(experiment.space, name) for name in HYPERPARAMETERS}
    fixed = {name: own[0] for name, own in values.items() if not isinstance(own, Range) and len(own) == 1}
    return Ahead(
        budget_s=left_s,
        epochs=None if planned is None else max(0, planned - epochs_over),
        varies=frozenset(name for name, own in values.items() if isinstance(own, Range) or len(own) > 1),
        fixed=fixed,
    )


def planned_epochs(experiment: Experiment, folds: int) -> int | None:
    """Epochs of all trainings where no budget cuts them; None where a search goes on as long as there is time."""
    protocol = experiment.protocol
    searched = 0
    if experiment.search not in WITHOUT_TUNERS:
        if experiment.trials is None:
            return None
        studies = len(experiment.tuners) * len(experiment.seeds)
        searched = studies * experiment.trials * protocol.search_folds
    final = most_candidates(experiment) * folds * protocol.final_seeds if folds > 1 else 0
    curve = len(SHARES) * folds * protocol.final_seeds if experiment.learning_curve else 0
    return (searched + final + curve) * protocol.epochs


def most_candidates(experiment: Experiment) -> int:
    """Of a final evaluation without a budget: finalists, the default configuration and the original baseline; of a comparison all its levels."""
    if experiment.search == "compare":
        return len(one_at_a_time(experiment.space))
    return experiment.protocol.finalists + 2 if experiment.protocol.finalists else 0


def configurations(space: Space) -> int | None:
    """How many there are; None where a hyperparameter has a range."""
    values = {name: getattr(space, name) for name in HYPERPARAMETERS}
    if any(isinstance(own, Range) for own in values.values()):
        return None
    encoders = math.prod(len(values[name]) for name in OF_BACKBONE)
    networks = sum(encoders if ARCHITECTURES[name].has_backbone else 1 for name in space.architecture)
    others = [len(own) for name, own in values.items() if name != "architecture" and name not in OF_BACKBONE]
    return networks * math.prod(others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the default recipe cost in an earlier run on such a `device`: seconds of a step, seconds to build and compile it, and the most
    memory that a process of that run took."""

    run: str
    device: str
    step_s: float
    first_s: float
    peak_memory_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed:
    """The plan where a short training takes from `least_s` to `most_s` seconds; `steps` at least and at most; `folds` of a comparison, None:
    all."""

    least_s: float
    most_s: float
    candidates: int
    everywhere: bool
    search_share: float
    steps: tuple[int, int]
    folds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """All that can be said of a run without training. `images` counts those of train, val and test. `configurations` None: no end of them.
    `search` is the experiment's; `trials` (None: as many as fit) are of each study; `recipes` the portfolio, tried first, or the candidates of a comparison. `candidates`, `steps` and `trainings` are of a final
    evaluation without a budget (None: as the plan has it). `seconds` is at most, with a budget, else an estimate, None where nothing
    is known. `cache_bytes` is what decoded pixels take on disk."""

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


def outlook(experiment: Experiment, found: Examined, measured: Measured | None, *, places: int) -> Outlook:
    protocol, split, folds = experiment.protocol, found.split, len(found.split.folds)
    left_s = Timekeeper(experiment, None, time.monotonic()).finals_s
    cut = left_s is not None and bool(protocol.finalists) and folds > 1
    epochs = None if cut else planned_epochs(experiment, folds)
    candidates = None if cut else most_candidates(experiment)
    told = ahead(experiment, folds, left_s, 0)
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
        seconds=_seconds(experiment, epochs, measured, places),
        plans=tuple(_plans(experiment, left_s, measured, folds, places)) if cut and left_s is not None else (),
        measured=measured,
        cache_bytes=_cache_bytes(experiment, found),
        memory_limit_bytes=memory_limit(),
        varies={name: _range(getattr(experiment.space, name)) for name in HYPERPARAMETERS if name in told.varies},
        fixed=told.fixed,
    )


def _seconds(experiment: Experiment, epochs: int | None, measured: Measured | None, places: int) -> float | None:
    if experiment.budget_s is not None:
        return experiment.budget_s
    if epochs is None or measured is None:
        return None
    return epochs * experiment.protocol.steps_per_epoch * measured.step_s / max(1, places)


def _plans(
    experiment: Experiment, left_s: float, measured: Measured | None, folds: int, places: int
) -> Iterator[Supposed]:
    """By the measured cost, or by several that it may have."""
    if left_s < LEAST_FOR_PROBE_S:
        units: Sequence[float] = (unmeasured_unit_s(left_s),)
    elif measured is not None:
        units = (short_training_s(experiment.protocol, step_s=measured.step_s, first_s=measured.first_s),)
    else:
        units = [unit_s for unit_s in SUPPOSED_S if unit_s <= left_s]
    plans = [(unit_s, plan_of(experiment, left_s, unit_s=unit_s, folds=folds, places=places)) for unit_s in units]
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
    """Candidates: those of the plan, and after a search the default configuration beside the finalists at least."""
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


def measured_before(results: Path, experiment: Experiment) -> Measured | None:
    """What the newest run in `results` on this CPU, or on a GPU where there is one here, says of the default recipe; None where none does."""
    here = "GPU: " if visible_gpus() else describe_cpu()
    newest = sorted(results.glob("*/run.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest[:MOST_RUNS]:
        try:
            run = load(path.parent)
        except StoreError:  # a damaged run is no reason to say nothing of this one
            continue
        found = _measured(run, experiment) if run.environment.device.startswith(here) else None
        if found is not None:
            return found
    return None


def _measured(run: Run, experiment: Experiment) -> Measured | None:
    protocol = run.experiment.get("protocol")
    per_epoch = protocol.get("steps_per_epoch") if isinstance(protocol, Mapping) else None
    own = family(portfolio(experiment.space)[0])
    timed = [
        trial for trial in run.trials if family(trial.hyperparameters) == own and trial.train_s and trial.epochs_run
    ]
    again = [each for each in run.trainings if family(each.hyperparameters) == own and each.train_s and each.epochs_run]
    costs = [(each.train_s or 0.0) / each.epochs_run for each in timed]
    costs += [(each.train_s or 0.0) / each.epochs_run for each in again]
    if not costs or not isinstance(per_epoch, int):
        return None
    firsts = [(each.build_s or 0.0) + (each.first_step_s or 0.0) for each in timed if not each.graph_reused]
    peaks = [trial.peak_memory_bytes for trial in run.trials if trial.peak_memory_bytes]
    peaks += [each.peak_memory_bytes for each in run.trainings if each.peak_memory_bytes]
    return Measured(
        run=run.record.name,
        device=run.environment.device,
        step_s=min(costs) / per_epoch,
        first_s=max(firsts, default=0.0),
        peak_memory_bytes=max(peaks, default=None),
    )
