"""A few steps of the default configuration at the beginning of a run: what a training costs on this machine."""

from dataclasses import dataclass

from bench.engine.executor import Executor
from bench.engine.spec import TrialOutcome, TrialSpec
from bench.engine.training.batches import PROBE_STEPS
from bench.experiments import Experiment
from bench.records import SplitRecord, TrialRecord
from bench.run.costs import Probe
from search_spaces.portfolio import portfolio
from search_spaces.views import PATCHES


@dataclass(frozen=True, slots=True)
class NoProbe:
    """Why nothing was measured."""

    reason: str | None


def probe(experiment: Experiment, executor: Executor, split: SplitRecord, left_s: float) -> Probe | NoProbe:
    """Trains some steps of the first recipe of the portfolio, for `left_s` seconds at the most, and keeps nothing of it."""
    spec = TrialSpec(
        study_id="probe",
        trial_id="probe",
        hyperparameters=portfolio(experiment.space)[0],
        seed=experiment.seeds[0],
        epochs=1,
        fold=0,
        probe=True,
        time_limit_s=left_s,
    )
    executor.submit(spec)
    outcome = None
    while outcome is None:
        outcome = next((event for event in executor.events() if isinstance(event, TrialOutcome)), None)
    record = outcome.record
    if not record.train_s:
        return NoProbe(record.error)
    step_s, scoring_s = record.train_s / (PROBE_STEPS - 1), _scoring_s(record, split)
    protocol = experiment.protocol
    return Probe(
        hyperparameters=spec.hyperparameters,
        step_s=step_s,
        epoch_s=step_s * protocol.steps_per_epoch + scoring_s / protocol.shortest_epochs,
        first_s=(record.build_s or 0.0) + (record.first_step_s or 0.0),
        scoring_s=scoring_s,
    )


def _scoring_s(record: TrialRecord, split: SplitRecord) -> float:
    """Seconds in which a training is scored on its fold and on the locked images, by a probe that scored the fold; 0 of whole images, whose
    scoring is nothing beside the steps."""
    if record.hyperparameters.get("view") != PATCHES:
        return 0.0
    fold, locked = len(split.folds[0]), len(split.test)
    return (record.evaluate_s or 0.0) * (fold + locked) / fold
