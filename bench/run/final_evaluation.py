"""The finals: the best configurations and the reference recipes, each trained on every fold with several seeds at equal length.

A search compares single trainings on one hold-out part, and its best score is the luckiest of many. What is trained again was chosen
before, is scored on images that it did not train on, and shows how much luck a training brings.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import product
from math import ceil
from operator import add
from typing import Any

from bench.engine.executor import Executor
from bench.engine.spec import TrialOutcome, TrialSpec
from bench.evaluation.counting import confusion_record
from bench.evaluation.evidence import PixelEvidence
from bench.progress import Progress
from bench.records import (
    COMPLETED,
    STOPPED,
    Candidate,
    FinalsRecord,
    StudyRecord,
    TrainingRecord,
    configuration_key,
    configuration_name,
)
from bench.run.costs import CostModel, Deadline
from bench.run.dispatch import dispatch
from bench.run.final_plan import in_order

FINALS = "finals"

FILLED = 0.98
"""Of the time that a fitted training has: a whole epoch more or less, and what it takes to be kept, are not
foreseen."""

SHORTEST = 0.5
"""Of what a fitted training was planned to cost: with less time it does not begin."""


def run_finals(
    record: FinalsRecord,
    *,
    executor: Executor,
    finished: Sequence[TrainingRecord],
    retries: int,
    deadline: Deadline,
    costs: CostModel,
    keep: Callable[[TrainingRecord], None],
    keep_evidence: Callable[[str, PixelEvidence], None],
    progress: Progress,
    study: str = FINALS,
    shares: Sequence[float] = (1.0,),
    keep_model: Callable[[str, TrialSpec, TrialOutcome], None] | None = None,
    leaders_first: bool = False,
    dearest_s: float | None = None,
    fitted: int | None = None,
) -> str:
    """Trains what is left of the plan, seed by seed, so that what the budget ends early is whole for the first seeds,
    or with `leaders_first` in the order of `in_order`, in which a candidate that takes more than `dearest_s` is out;
    says why it ended: "trials" or "budget". So many trainings that are `fitted` share the time, and each is as long as
    its part of it. A training is kept before the next takes its place, its evidence and its model, by name, before its
    line; what the budget stopped in the middle is not. `shares` are those of the training images with which each
    training is held (`bench.run.data_curve`)."""
    trainings = _Trainings(
        wanted=_wanted(record, study, shares, leaders_first),
        finished=list(finished),
        deadline=deadline,
        costs=costs,
        keep=keep,
        keep_evidence=keep_evidence,
        keep_model=keep_model,
        dearest_s=dearest_s,
        fitted=None if fitted is None else len(finished) + fitted,
        places=executor.places,
    )
    waiting = sum(1 for _ in trainings.waiting({}))
    if not waiting:
        return "trials"
    progress.study_started(
        study,
        trials=None if leaders_first and deadline.left_s is not None else waiting,
        budget_s=deadline.left_s,
        places=max(1, executor.places),
    )
    dispatch(trainings, executor, progress, retries=retries, called="training")
    progress.study_ended(StudyRecord(study_id=study, tuner=study, seed=record.seeds[0], ended=trainings.reason))
    return trainings.reason


Wanted = Callable[[Sequence[TrainingRecord]], Iterable[tuple[TrialSpec, Candidate]]]
"""The trainings of a plan in the order in which they are wanted, given what is trained."""


def _wanted(record: FinalsRecord, study: str, shares: Sequence[float], leaders_first: bool) -> Wanted:
    if not leaders_first:
        return lambda trained: _specs(record, study, shares)
    return lambda trained: (
        (_spec(record, study, candidate, seed, fold), candidate) for candidate, seed, fold in in_order(record, trained)
    )


@dataclass(kw_only=True, slots=True)
class _Trainings:
    """A source of trainings; the rest is as in `run_finals`."""

    wanted: Wanted
    finished: list[TrainingRecord]
    deadline: Deadline
    costs: CostModel
    keep: Callable[[TrainingRecord], None]
    keep_evidence: Callable[[str, PixelEvidence], None]
    keep_model: Callable[[str, TrialSpec, TrialOutcome], None] | None
    again: list[TrialSpec] = field(default_factory=list)
    """Whose process died, and that are tried once more."""
    candidates: dict[str, Candidate] = field(default_factory=dict)
    """By trial id, of the trainings that were begun."""
    dearest_s: float | None = None
    """Seconds that a training may take whose cost is not known; None: all that are left."""
    fitted: int | None = None
    """Trainings whose lengths are fitted to the time, those that are over included."""
    places: int = 1
    reason: str = "trials"
    """Why it ends."""

    def waiting(self, running: Mapping[str, TrialSpec]) -> Iterator[TrialSpec]:
        """What is neither finished nor under way, the most wanted first."""
        done = {_unit(record) for record in self.finished} | {_unit(spec) for spec in running.values()}
        again = {spec.trial_id for spec in self.again}
        yield from self.again
        for spec, candidate in self.wanted(self.finished):
            if _unit(spec) not in done and spec.trial_id not in again:
                self.candidates[spec.trial_id] = candidate
                yield spec

    def next(self, running: Mapping[str, TrialSpec]) -> TrialSpec | None:
        """What is wanted most may be too long by now: a cheaper training still makes use of the time."""
        if self.reason == "budget":
            return None
        waiting = list(self.waiting(running))
        fit_s = self._fit_s(running)
        share = SHORTEST if fit_s is not None else 1.0
        spec = next((each for each in waiting if self.deadline.allows(share * self.costs.of(each))), None)
        if spec is None:
            self.reason = "budget" if waiting else self.reason
            return None
        self.again = [each for each in self.again if each.trial_id != spec.trial_id]
        return replace(spec, fit_s=fit_s, time_limit_s=self._limit_s(spec))

    def _fit_s(self, running: Mapping[str, TrialSpec]) -> float | None:
        """Seconds that the steps of the next training may take, where its length is fitted: its part of what is left,
        but for its scoring."""
        left_s = self.deadline.left_s
        if self.fitted is None or left_s is None:
            return None
        wanted = self.fitted - len(self.finished) - len(running)
        if wanted < 1:
            return None
        return FILLED * left_s / ceil(wanted / self.places) - self.costs.scoring_s

    def is_over(self, running: Mapping[str, TrialSpec]) -> bool:
        if next(self.waiting(running), None) is None:
            return True
        if not running and not self.deadline.allows(None):  # no place to find it out
            self.reason = "budget"
        return self.reason == "budget"

    def _limit_s(self, spec: TrialSpec) -> float | None:
        """What a training may take: in a budget no candidate may eat up the time of several others."""
        left_s = self.deadline.left_s
        if left_s is None or self.dearest_s is None or self.fitted is not None:
            return left_s
        return min(left_s, max(self.dearest_s, self.costs.of(spec) if self.costs.knows(spec) else 0.0))

    def take_again(self, spec: TrialSpec) -> bool:
        """Always: one that has no time any more is not on record, and a run with more time trains it."""
        self.again.append(spec)
        return True

    def ended(self, spec: TrialSpec, outcome: TrialOutcome) -> None:
        """A training is on record when its evidence and its model are."""
        if outcome.record.status == STOPPED and self._had_all_the_time():
            self.reason = "budget"  # a run with more time trains it again
            return
        training, evidence = _training(outcome, spec, self.candidates[spec.trial_id]), _evidence(outcome)
        if training.evidence and evidence:
            self.keep_evidence(training.evidence, evidence)
        if self.keep_model and training.status == COMPLETED:
            self.keep_model(unit_name(training), spec, outcome)
        self.keep(training)
        self.finished.append(training)
        self.costs.add_training(training)

    def _had_all_the_time(self) -> bool:
        """Whether it was the end of the budget that stopped a training, and not a limit of its own."""
        left_s = self.deadline.left_s
        return self.dearest_s is None or self.fitted is not None or left_s is None or left_s < self.dearest_s


def _specs(
    record: FinalsRecord, study: str = FINALS, shares: Sequence[float] = (1.0,)
) -> Iterator[tuple[TrialSpec, Candidate]]:
    for seed, candidate, share, fold in product(record.seeds, record.candidates, shares, range(record.folds)):
        yield _spec(record, study, candidate, seed, fold, share), candidate


def _spec(
    record: FinalsRecord, study: str, candidate: Candidate, seed: int, fold: int, share: float = 1.0
) -> TrialSpec:
    part = "" if share == 1 else f", {share:.0%} of the images"
    return TrialSpec(
        study_id=study,
        trial_id=f"{candidate.name}, seed {seed}, fold {fold + 1}{part}",
        hyperparameters=candidate.hyperparameters,
        seed=seed,
        epochs=record.epochs,
        fold=fold,
        train_share=share,
    )


def _unit(of: TrialSpec | TrainingRecord) -> tuple[str, int, int | None, float]:
    return configuration_key(of.hyperparameters), of.seed, of.fold, of.train_share


def _training(outcome: TrialOutcome, spec: TrialSpec, candidate: Candidate) -> TrainingRecord:
    trial, fold = outcome.record, spec.fold
    assert fold is not None  # every training of the finals has one
    return TrainingRecord(
        candidate=candidate.name,
        hyperparameters=candidate.hyperparameters,
        fold=fold,
        seed=spec.seed,
        train_share=spec.train_share,
        train_images=outcome.train_images,
        status=trial.status,
        out_of_fold=outcome.scored.counts if outcome.scored else {},
        test=outcome.test.counts if outcome.test else {},
        confusion=confusion_record(outcome.scored.confusion if outcome.scored else None),
        evidence=evidence_name(candidate.hyperparameters, spec.seed, fold, spec.train_share)
        if _evidence(outcome)
        else None,
        epochs_run=trial.epochs_run,
        num_params=trial.num_params,
        latency_s=trial.latency_s,
        peak_memory_bytes=trial.peak_memory_bytes,
        train_s=trial.train_s,
        wall_s=trial.wall_s,
        started_at=trial.started_at,
        attempts=spec.attempt,
        error=trial.error,
    )


def _evidence(outcome: TrialOutcome) -> PixelEvidence | None:
    """Of the images out of fold and the locked ones, which are others."""
    parts = [scored.evidence for scored in (outcome.scored, outcome.test) if scored and scored.evidence]
    return reduce(add, parts) if parts else None


def unit_name(training: TrainingRecord) -> str:
    """Names a training's files, by configuration: with more trials another candidate may become "finalist 1"."""
    return evidence_name(training.hyperparameters, training.seed, training.fold).partition("/")[2]


def evidence_name(hyperparameters: Mapping[str, Any], seed: int, fold: int, train_share: float = 1.0) -> str:
    """By configuration, not by candidate: with more trials another one may become "finalist 1"."""
    part = "" if train_share == 1 else f"-share{train_share:g}"
    return f"finals/{configuration_name(hyperparameters)}-seed{seed}-fold{fold + 1}{part}"
