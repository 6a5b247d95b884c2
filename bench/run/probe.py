"""A few steps of the default configuration at the beginning of a run: what a training costs on this machine."""

from dataclasses import dataclass

from bench.engine.executor import Executor
from bench.engine.spec import MAP_IMAGES, TrialOutcome, TrialSpec
from bench.engine.training.batches import PROBE_STEPS
from bench.experiments import Experiment
from bench.records import COMPLETED, STOPPED, SplitRecord, TrialRecord
from bench.run.costs import Probe
from search_spaces.portfolio import portfolio
from search_spaces.views import PATCHES

SETTLING_S = 1.0
"""What a training takes beside its steps and its scoring: initial weights, batch statistics."""


@dataclass(frozen=True, slots=True)
class NoProbe:
    """Why nothing was measured."""

    reason: str | None


def probe(experiment: Experiment, executor: Executor, split: SplitRecord, left_s: float) -> Probe | NoProbe:
    """Trains some steps of the first recipe of the portfolio, and keeps nothing of it. It ends early, with what it has
    measured, where it would take more than `PROBE_SHARE` of the `left_s` seconds, and after these with nothing."""
    spec = TrialSpec(
        study_id="probe",
        trial_id="probe",
        hyperparameters=portfolio(experiment.space)[0],
        seed=experiment.seeds[0],
        epochs=PROBE_STEPS,
        fold=0,
        probe=True,
        time_limit_s=left_s,
    )
    executor.submit(spec)
    outcome = None
    while outcome is None:
        outcome = next((event for event in executor.events() if isinstance(event, TrialOutcome)), None)
    record = outcome.record
    if record.status not in (COMPLETED, STOPPED) or not record.train_s:
        return NoProbe(record.error)
    return Probe(
        hyperparameters=spec.hyperparameters,
        step_s=record.train_s / (record.epochs_run - 1),
        steps_per_epoch=experiment.protocol.steps_per_epoch,
        first_s=(record.build_s or 0.0) + (record.first_step_s or 0.0),
        scoring_s=_scoring_s(record, split),
        image_s=record.latency_s or 0.0,
    )


def _scoring_s(record: TrialRecord, split: SplitRecord) -> float:
    """Seconds that a training takes in the end: it is scored on its fold and on the locked images, and of the fold it
    leaves probabilities of images and their mirrored copies. A forward pass each; through windows what the probe took
    to score its fold, if it came to that."""
    fold, locked = len(split.folds[0]), len(split.test)
    if record.hyperparameters.get("view") == PATCHES and record.status == COMPLETED:
        return SETTLING_S + (record.evaluate_s or 0.0) * (fold + locked) / fold
    return SETTLING_S + (record.latency_s or 0.0) * (fold + locked + 2 * min(fold, MAP_IMAGES))
