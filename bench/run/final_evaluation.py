"""The final evaluation: each candidate is trained on every fold with several seeds, all for the same length.

A search compares single trainings on one validation split, so its best score is optimistically biased. The trainings
here come after selection and are scored on images that they did not train on. Several of them show the seed variance.
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
from bench.evaluation.pixel_statistics import PixelStatistics
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
from bench.run.costs import MARGIN, CostModel, Deadline
from bench.run.dispatch import dispatch
from bench.run.final_plan import in_order

FINALS = "finals"

FILLED = 0.98
"""The part of a fitted training's time that is planned. The rest is for a whole epoch more or less, and for keeping
it."""

SHORTEST = 0.5
"""A fitted training does not start with less than this part of its planned cost."""


def run_finals(
    record: FinalsRecord,
    *,
    executor: Executor,
    finished: Sequence[TrainingRecord],
    retries: int,
    deadline: Deadline,
    costs: CostModel,
    keep: Callable[[TrainingRecord], None],
    keep_evidence: Callable[[str, PixelStatistics], None],
    progress: Progress,
    study: str = FINALS,
    shares: Sequence[float] = (1.0,),
    keep_model: Callable[[str, TrialSpec, TrialOutcome], None] | None = None,
    leaders_first: bool = False,
    longest_s: float | None = None,
    fitted: int | None = None,
) -> str:
    """Trains what is left of the plan and returns why it ended: "trials" or "budget".

    Trainings come seed by seed, so that the first seeds are whole if the budget ends early, or with `leaders_first` in
    the order of `in_order`. Then a candidate that takes more than `longest_s` is out. `fitted` trainings share the
    time, and each lasts for its part of it. With `shares` each training is held on these fractions of the training
    images (`bench.run.data_curve`).

    A training is recorded before the next one starts. Its evidence and its model, by name, are written before its line.
    A training that the budget stops is not recorded."""
    trainings = _Trainings(
        wanted=_wanted(record, study, shares, leaders_first),
        finished=list(finished),
        deadline=deadline,
        costs=costs,
        keep=keep,
        keep_evidence=keep_evidence,
        keep_model=keep_model,
        longest_s=longest_s,
        fitted=None if fitted is None else len(finished) + fitted,
        slots=max(1, executor.slots),
    )
    # A resumed run may have nothing left to train.
    waiting = sum(1 for _ in trainings.waiting({}))
    if not waiting:
        return "trials"
    progress.study_started(
        study,
        trials=None if leaders_first and deadline.left_s is not None else waiting,
        budget_s=deadline.left_s,
        places=max(1, executor.slots),
    )
    dispatch(trainings, executor, progress, retries=retries, called="training")
    progress.study_ended(StudyRecord(study_id=study, tuner=study, seed=record.seeds[0], ended=trainings.reason))
    return trainings.reason


Wanted = Callable[[Sequence[TrainingRecord]], Iterable[tuple[TrialSpec, Candidate]]]
"""The trainings of a plan in the order in which they are wanted, given the trained ones."""


def _wanted(record: FinalsRecord, study: str, shares: Sequence[float], leaders_first: bool) -> Wanted:
    if not leaders_first:
        return lambda trained: _specs(record, study, shares)
    return lambda trained: (
        (_spec(record, study, candidate, seed, fold), candidate) for candidate, seed, fold in in_order(record, trained)
    )


@dataclass(kw_only=True, slots=True)
class _Trainings:
    """A source of trainings; fields without a docstring are arguments of `run_finals`."""

    wanted: Wanted
    finished: list[TrainingRecord]
    deadline: Deadline
    costs: CostModel
    keep: Callable[[TrainingRecord], None]
    keep_evidence: Callable[[str, PixelStatistics], None]
    keep_model: Callable[[str, TrialSpec, TrialOutcome], None] | None
    again: list[TrialSpec] = field(default_factory=list)
    """Trainings whose process died, to be tried again."""
    candidates: dict[str, Candidate] = field(default_factory=dict)
    """By trial id, of the trainings that were started."""
    longest_s: float | None = None
    """The longest that a training of unknown cost may take (None: all the time left)."""
    fitted: int | None = None
    """Number of trainings whose lengths are fitted to the time, finished ones included."""
    slots: int = 1
    reason: str = "trials"
    """Why it ends."""

    def waiting(self, running: Mapping[str, TrialSpec]) -> Iterator[TrialSpec]:
        """Trainings that are neither finished nor running, the most wanted first."""
        done = {_unit(record) for record in self.finished} | {_unit(spec) for spec in running.values()}
        again = {spec.trial_id for spec in self.again}
        yield from self.again
        for spec, candidate in self.wanted(self.finished):
            if _unit(spec) not in done and spec.trial_id not in again:
                self.candidates[spec.trial_id] = candidate
                yield spec

    def next(self, running: Mapping[str, TrialSpec]) -> TrialSpec | None:
        """The most wanted training that fits: if one is too long by now, a cheaper one still uses the time. The first
        one needs no margin: without it there is no model."""
        if self.reason == "budget":
            return None
        waiting = list(self.waiting(running))
        fit_s = self._fit_s(running)
        share = SHORTEST if fit_s is not None else 1.0 if self.finished or running else 1 / MARGIN
        spec = next((each for each in waiting if self.deadline.allows(share * self.costs.of(each))), None)
        if spec is None:
            self.reason = "budget" if waiting else self.reason
            return None
        self.again = [each for each in self.again if each.trial_id != spec.trial_id]
        return replace(spec, fit_s=fit_s, time_limit_s=self._limit_s(spec))

    def _fit_s(self, running: Mapping[str, TrialSpec]) -> float | None:
        """Seconds for the steps of the next training if its length is fitted: its part of the time left, without its
        scoring."""
        left_s = self.deadline.left_s
        if self.fitted is None or left_s is None:
            return None
        wanted = self.fitted - len(self.finished) - len(running)
        if wanted < 1:
            return None
        return FILLED * left_s / ceil(wanted / self.slots) - self.costs.scoring_s

    def is_over(self, running: Mapping[str, TrialSpec]) -> bool:
        if next(self.waiting(running), None) is None:
            return True
        if not running and not self.deadline.allows(None):  # no place to find it out
            self.reason = "budget"
        return self.reason == "budget"

    def _limit_s(self, spec: TrialSpec) -> float | None:
        """The longest that a training may take: within a budget no candidate may use the time of several others."""
        left_s = self.deadline.left_s
        if left_s is None or self.longest_s is None or self.fitted is not None:
            return left_s
        return min(left_s, max(self.longest_s, self.costs.of(spec) if self.costs.knows(spec) else 0.0))

    def take_again(self, spec: TrialSpec) -> bool:
        """Always. A training without time is not recorded, and a run with more time trains it."""
        self.again.append(spec)
        return True

    def ended(self, spec: TrialSpec, outcome: TrialOutcome) -> None:
        """Writes the evidence and the model before the record."""
        if outcome.record.status == STOPPED and self._had_all_the_time(spec, outcome.record.wall_s or 0.0):
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

    def _had_all_the_time(self, spec: TrialSpec, lasted_s: float) -> bool:
        """Whether the end of the budget stopped a training, not its own limit, which is then less than the time that
        was left when it began."""
        left_s = self.deadline.left_s
        if self.longest_s is None or self.fitted is not None or not left_s or spec.time_limit_s is None:
            return True
        return left_s + lasted_s <= spec.time_limit_s


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
        encoder_sha256=trial.encoder_sha256,
        train_s=trial.train_s,
        wall_s=trial.wall_s,
        started_at=trial.started_at,
        attempts=spec.attempt,
        error=trial.error,
    )


def _evidence(outcome: TrialOutcome) -> PixelStatistics | None:
    """Of the images out of fold and the held-out ones together."""
    parts = [scored.evidence for scored in (outcome.scored, outcome.test) if scored and scored.evidence]
    return reduce(add, parts) if parts else None


def unit_name(training: TrainingRecord) -> str:
    """Names a training's files, by configuration: with more trials another candidate may become "finalist 1"."""
    return evidence_name(training.hyperparameters, training.seed, training.fold).partition("/")[2]


def evidence_name(hyperparameters: Mapping[str, Any], seed: int, fold: int, train_share: float = 1.0) -> str:
    """By configuration, not by candidate: with more trials another one may become "finalist 1"."""
    part = "" if train_share == 1 else f"-share{train_share:g}"
    return f"finals/{configuration_name(hyperparameters)}-seed{seed}-fold{fold + 1}{part}"
