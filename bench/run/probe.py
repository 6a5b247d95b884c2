"""A few steps of the default configuration at the start of a run, to measure the cost of a training on this machine."""

from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from bench.engine.executor import Executor
from bench.engine.spec import MAP_IMAGES, TrialOutcome, TrialSpec
from bench.engine.training.batches import PROBE_STEPS
from bench.experiments import Experiment
from bench.records import COMPLETED, STOPPED, SplitRecord, TrialRecord
from bench.run.costs import Probe
from search_spaces.portfolio import portfolio
from search_spaces.views import PATCHES

SETTLING_S = 1.0
"""Seconds that a training takes beside its steps and its scoring, for initial weights and batch statistics."""


@dataclass(frozen=True, slots=True)
class NoProbe:
    """Why nothing was measured."""

    reason: str | None


def probe(experiment: Experiment, executor: Executor, split: SplitRecord, left_s: float) -> Probe | NoProbe:
    """Trains some steps of the first recipe of the portfolio and keeps only their times. It ends early, with the times
    so far, if it would take more than `PROBE_SHARE` of the `left_s` seconds, and without any after all of these."""
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
    if record.status not in (COMPLETED, STOPPED) or len(record.curve) < 2:
        return NoProbe(record.error)
    paces_s = [after.elapsed_s - before.elapsed_s for before, after in pairwise(record.curve)]
    return Probe(
        hyperparameters=spec.hyperparameters,
        step_s=median(paces_s),  # not their mean: a moment's other work would cost candidates and folds
        steps_per_epoch=experiment.protocol.steps_per_epoch,
        first_s=(record.build_s or 0.0) + (record.first_step_s or 0.0),
        scoring_s=_scoring_s(record, split),
        image_s=record.latency_s or 0.0,
    )


def _scoring_s(record: TrialRecord, split: SplitRecord) -> float:
    """Seconds that a training takes at its end: it is scored on its fold and on the held-out images, and leaves
    probabilities of the fold's images and their mirrored copies. Each takes a forward pass. Through windows the probe's
    own scoring of its fold counts, if it came so far."""
    fold, locked = len(split.folds[0]), len(split.test)
    if record.hyperparameters.get("view") == PATCHES and record.status == COMPLETED:
        return SETTLING_S + (record.evaluate_s or 0.0) * (fold + locked) / fold
    return SETTLING_S + (record.latency_s or 0.0) * (fold + locked + 2 * min(fold, MAP_IMAGES))
