"""A few steps of the default configuration at the beginning of a run: what a training costs on this machine."""

from dataclasses import dataclass

from bench.engine.executor import Executor
from bench.engine.spec import TrialOutcome, TrialSpec
from bench.engine.training.batches import PROBE_STEPS
from bench.experiments import Experiment
from bench.run.costs import Probe
from search_spaces.portfolio import portfolio


@dataclass(frozen=True, slots=True)
class NoProbe:
    """Why nothing was measured."""

    reason: str | None


def probe(experiment: Experiment, executor: Executor, left_s: float) -> Probe | NoProbe:
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
    step_s = record.train_s / (PROBE_STEPS - 1)
    return Probe(
        hyperparameters=spec.hyperparameters,
        epoch_s=step_s * experiment.protocol.steps_per_epoch,
        first_s=(record.build_s or 0.0) + (record.first_step_s or 0.0),
    )
