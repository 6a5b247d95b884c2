"""The final evaluation: candidates trained on folds and with several seeds."""

from dataclasses import replace

from bench.analysis.final_evaluation import LEAST_FOLDS
from bench.errors import StoreError
from bench.records import FinalsRecord
from bench.run.costs import Price
from bench.run.experiment_plan import measured_unit_s, plan_of
from bench.run.final_plan import budgeted_finals, whole_finals
from bench.run.open_run import OpenRun
from bench.run.plan import Plan
from bench.run.stages.baselines import score_baselines_on_folds
from bench.run.stages.planning import divide_time, say_plan
from bench.run.stages.trainings import train_candidates


def evaluate_finally(run: OpenRun) -> None:
    """Trains the candidates on folds and with several seeds, as much of that as there is time for."""
    if not run.experiment.protocol.finalists or run.fits_nothing:
        return
    if run.chosen is not None:
        _evaluate_in_budget(run, run.chosen)
        return
    planned = whole_finals(run.experiment, run.prepared.split.folds, run.trials)
    if planned is None:
        run.progress.warning("no final evaluation: no trial completed")
        return
    _require_same_length(run, planned)
    score_baselines_on_folds(run)
    run.store.write(planned)
    train_candidates(run, planned, finished=run.trainings, keep=run.keep_training, leaders_first=planned.balanced)


def _require_same_length(run: OpenRun, planned: FinalsRecord) -> None:
    """Raises StoreError where trainings of a session with a budget are of another length: they cannot be compared."""
    before = run.finals
    if before is None or not run.trainings or (before.epochs == planned.epochs and not before.fitted):
        return
    steps = run.experiment.protocol.steps_per_epoch
    raise StoreError(
        f"run {run.record.name!r} has trainings of {before.epochs * steps} steps, and "
        f"without a budget they have {planned.epochs * steps}: give --budget, or choose another --name"
    )


def _evaluate_in_budget(run: OpenRun, chosen: Plan) -> None:
    score_baselines_on_folds(run)
    planned = _plan_finals(run, chosen)
    while planned.balanced and chosen.missing_units:
        larger = _with_more_levels(run, planned, chosen)
        if larger is None:
            break
        chosen = larger
        planned = _plan_finals(run, chosen)
    train_candidates(run, planned, finished=run.trainings, keep=run.keep_training, leaders_first=True)
    if not run.trainings and not planned.balanced and run.experiment.protocol.steps is None:
        _train_alone(run)


def _train_alone(run: OpenRun) -> None:
    """Trains the default configuration for as long as there is time. No training of the planned length had it: the
    machine has become slower since the probe."""
    divide_time(run, run.experiment.model_copy(update={"search": "never"}))
    if run.chosen is None or not run.chosen.candidates:
        return
    say_plan(run)
    run.finals = None
    planned = _plan_finals(run, run.chosen)
    train_candidates(run, planned, finished=run.trainings, keep=run.keep_training, leaders_first=True)


def _plan_finals(run: OpenRun, chosen: Plan) -> FinalsRecord:
    folds = len(run.prepared.split.folds)
    run.finals = budgeted_finals(run.experiment, chosen, folds, run.trials, run.finals)
    run.store.write(run.finals)
    return run.finals


def _with_more_levels(run: OpenRun, planned: FinalsRecord, chosen: Plan) -> Plan | None:
    """Trains the levels of a comparison on the fewest folds that count, and plans again with the time that this took.
    None if the new plan has no more levels, or if trainings are too short to compare."""
    protocol, folds = run.experiment.protocol, len(run.prepared.split.folds)
    steps = planned.epochs * protocol.steps_per_epoch
    first = replace(planned, folds=min(LEAST_FOLDS, folds), seeds=planned.seeds[:1])
    ended = train_candidates(run, first, finished=run.trainings, keep=run.keep_training, leaders_first=True)
    unit_s, left_s = measured_unit_s(run.experiment, run.trainings, planned.epochs), run.times.finals_s
    if ended == "budget" or unit_s is None or left_s is None or steps < (protocol.steps or protocol.shortest_steps):
        return None
    larger = plan_of(
        run.experiment,
        left_s - run.times.kept_s + run.compared_s,
        price=Price(unit_s=unit_s),
        split=run.prepared.split,
        slots=run.executor.slots,
        steps=steps,
    )
    if larger.candidates <= chosen.candidates:
        return None
    run.progress.note(f"plan: {larger.reason}")
    return larger
