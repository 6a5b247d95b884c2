"""One study: one oracle is asked, the worker trains and scores, the oracle is told, until the trials, the time or the space end."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras_tuner as kt

from bench.engine.clock import Deadline, TrialClock
from bench.engine.kt_oracles import Proposal, ask, replay, tell
from bench.engine.oracles import ORACLES
from bench.engine.spec import TrialOutcome, TrialSpec
from bench.engine.worker import TrialWorker
from bench.progress import Progress
from bench.records import StudyRecord, TrialRecord
from search_spaces.segmentation import SegmentationHyperModel


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """A tuner with a seed, and how far it may go: `trials` (None: as many as fit), `epochs` for its longest trial."""

    tuner: str
    seed: int
    trials: int | None
    epochs: int

    @property
    def study_id(self) -> str:
        return f"{self.tuner}-seed{self.seed}"


def run_study(
    plan: StudyPlan,
    *,
    hypermodel: SegmentationHyperModel,
    worker: TrialWorker,
    finished: Sequence[TrialRecord],
    clock: TrialClock,
    deadline: Deadline,
    keep: Callable[[TrialOutcome], None],
    progress: Progress,
) -> StudyRecord:
    """Runs the trials that `finished` does not hold yet; `keep` makes an outcome durable before the oracle hears of it."""
    kind = ORACLES[plan.tuner]
    oracle = kind.make(hypermodel.declare(kt.HyperParameters()), plan.seed, plan.epochs)
    replay(oracle, finished)
    progress.study_started(plan.study_id, trials=plan.trials, budget_s=deadline.left_s, earlier=finished)
    started, number, ended = time.monotonic(), len(finished), None
    while ended is None:
        if plan.trials is not None and number >= plan.trials:
            ended = "trials"
        elif not deadline.allows(None):
            ended = "budget"
        elif not isinstance(proposal := ask(oracle), Proposal):
            ended = "space exhausted"
        else:
            spec = _spec(plan, proposal, promotes=kind.promotes, time_limit_s=deadline.left_s)
            if not deadline.allows(clock.estimate_s(spec.hyperparameters, spec.epochs - spec.first_epoch)):
                ended = "budget"
            else:
                number += 1
                tell(oracle, _run_trial(spec, number, worker, clock, keep, progress))
    spent_s = sum(record.wall_s or 0.0 for record in finished) + time.monotonic() - started
    study = StudyRecord(study_id=plan.study_id, tuner=plan.tuner, seed=plan.seed, ended=ended, wall_s=spent_s)
    progress.study_ended(study)
    return study


def _run_trial(
    spec: TrialSpec,
    number: int,
    worker: TrialWorker,
    clock: TrialClock,
    keep: Callable[[TrialOutcome], None],
    progress: Progress,
) -> TrialRecord:
    progress.trial_started(number=number, hyperparameters=spec.hyperparameters, epochs=spec.epochs)
    processes = worker.starts
    outcome = worker.run(spec, progress.epoch_ended)
    if worker.starts > processes:
        clock.warm.clear()
    keep(outcome)
    clock.add(outcome.record)
    progress.trial_ended(outcome.record)
    return outcome.record


def _spec(plan: StudyPlan, proposal: Proposal, *, promotes: bool, time_limit_s: float | None) -> TrialSpec:
    """A trial in the worker's terms. Every trial of a study has the study's seed: equal luck for all configurations."""
    values = proposal.values
    epochs = int(values.get("tuner/epochs", plan.epochs))
    parent = values.get("tuner/trial_id")
    return TrialSpec(
        study_id=plan.study_id,
        trial_id=proposal.trial_id,
        hyperparameters=values,
        seed=plan.seed,
        epochs=epochs,
        first_epoch=int(values.get("tuner/initial_epoch", 0)),
        resume_from=None if parent is None else str(parent),
        time_limit_s=time_limit_s,
        checkpoint=promotes and epochs < plan.epochs,
    )
