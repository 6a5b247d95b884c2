"""One study: an oracle proposes, workers train and score, the oracle is told, until the trials, the time or the space
end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import keras_tuner as kt

from bench.engine.executor import Executor
from bench.engine.spec import TrialOutcome, TrialSpec
from bench.evaluation.racing import Incumbent, next_incumbent
from bench.progress import Progress
from bench.records import ProposalRecord, TrialRecord
from bench.run.costs import CostModel, Deadline
from bench.run.dispatch import dispatch
from bench.tuners import ORACLES
from bench.tuners.keras_tuner import WAIT, NoProposal, ask, replay, tell
from bench.tuners.successive_halving import FACTOR
from search_spaces.portfolio import portfolio
from search_spaces.segmentation import SegmentationHyperModel

LOOKAHEAD = 2
"""Proposals made ahead for each worker slot, if they do not depend on results: a trial with a compiled graph can then
go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """A tuner with a seed, and its limits: `trials` (None: as many as fit), `epochs` of its longest trial, `retries` of
    a trial whose process died. With several `search_folds` a trial is trained on each of them, and races against the
    incumbent. A tuner that promotes counts in `rung_epochs`, its shortest training."""

    tuner: str
    seed: int
    trials: int | None
    epochs: int
    retries: int = 1
    search_folds: int = 1
    rung_epochs: int = 1

    @property
    def study_id(self) -> str:
        return f"{self.tuner}-seed{self.seed}"


SET_ASIDE = 8
"""This many proposals that cannot end in time end a search: a cheaper one is not likely to come."""


class Recorder(Protocol):
    """Makes proposals and trials durable: when a method returns, a crash cannot undo it."""

    def proposed(self, proposal: ProposalRecord) -> None: ...

    def ended(self, spec: TrialSpec, outcome: TrialOutcome) -> None: ...


def run_study(
    plan: StudyPlan,
    *,
    hypermodel: SegmentationHyperModel,
    executor: Executor,
    proposals: Sequence[ProposalRecord],
    finished: Sequence[TrialRecord],
    costs: CostModel,
    deadline: Deadline,
    recorder: Recorder,
    progress: Progress,
) -> str:
    """Runs what is left of a study, and returns why it ended (`StudyRecord.ended`).

    `proposals` and `finished` are its records so far, in their order. A proposal without a result is run first. A trial
    that the budget stopped has a result, and keeps it with more time. A trial starts after its proposal is recorded,
    and the oracle is told of recorded trials only."""
    study = _Study(plan, hypermodel, executor, costs, deadline, recorder, progress)
    return study.run(proposals, finished)


class _Study:
    """A running study, a source of trials."""

    def __init__(
        self,
        plan: StudyPlan,
        hypermodel: SegmentationHyperModel,
        executor: Executor,
        costs: CostModel,
        deadline: Deadline,
        recorder: Recorder,
        progress: Progress,
    ) -> None:
        self.plan, self.executor, self.costs, self.deadline = plan, executor, costs, deadline
        self.recorder, self.progress = recorder, progress
        self.kind = ORACLES[plan.tuner]
        rungs = max(1, plan.epochs // plan.rung_epochs)
        self.oracle = self.kind.make(hypermodel.declare(kt.HyperParameters()), plan.seed, rungs)
        if self.kind.promotes and rungs < FACTOR:
            progress.warning(
                f"{plan.tuner} promotes no trial here: its longest trial, {plan.epochs} epochs, is not {FACTOR} times "
                f"as long as its shortest, {plan.rung_epochs}; protocol.steps and shortest_steps set both"
            )
        self.oracle.first = portfolio(hypermodel.space)
        self.proposed = self.on_record = 0
        self.waiting: list[TrialSpec] = []
        self.incumbent: Incumbent | None = None
        self.reason: str | None = None

    def run(self, proposals: Sequence[ProposalRecord], finished: Sequence[TrialRecord]) -> str:
        plan = self.plan
        self.waiting = [self._spec(proposal) for proposal in replay(self.oracle, proposals, finished)]
        self.proposed, self.on_record = len(proposals), len(finished)
        for record in finished:
            self.incumbent = next_incumbent(self.incumbent, record)
        self.progress.study_started(
            plan.study_id,
            trials=plan.trials,
            budget_s=self.deadline.left_s,
            earlier=finished,
            places=max(1, self.executor.slots),
        )
        dispatch(self, self.executor, self.progress, retries=plan.retries, called="trial")
        if self.reason == "budget" and not self.proposed:
            self.progress.warning("no time is left for a trial: a larger --budget is needed")
        if self.waiting:
            self.progress.note(f"{len(self.waiting)} proposed and not run: they could not have ended in time")
        return self.reason or "space exhausted"

    def next(self, running: Mapping[str, TrialSpec]) -> TrialSpec | None:
        """A proposal that can end in time; those with a compiled graph come first."""
        if self.reason == "budget":
            return None
        self._propose()
        fitting = [spec for spec in self.waiting if self._fits(spec)]
        if not fitting:
            if self.waiting and not running:
                self.reason = "budget"
            return None
        spec = min(fitting, key=lambda each: not self.executor.is_warm(each))  # else the oldest
        self.waiting.remove(spec)
        return replace(spec, time_limit_s=self.deadline.left_s, incumbent=self.incumbent)

    def is_over(self, running: Mapping[str, TrialSpec]) -> bool:
        """A search without a known end waits for a worker slot to find it: machines of a cluster come and go."""
        if not self.executor.slots:
            self._find_end_without_place(running)
        return (not self.waiting or self.reason == "budget") and (self.reason is not None or self.executor.slots > 0)

    def _find_end_without_place(self, running: Mapping[str, TrialSpec]) -> None:
        """Without a worker slot `next` is not asked, and a slot may never come again."""
        if not self.waiting and self.plan.trials is not None and self.proposed >= self.plan.trials:
            self.reason = "trials"
        elif not running and not self.deadline.allows(None):
            self.reason = "budget"

    def _fits(self, spec: TrialSpec) -> bool:
        warm = self.executor.is_warm(spec)
        return self.deadline.allows(self.costs.estimate_s(spec.hyperparameters, spec.epochs_planned, warm=warm))

    def _propose(self) -> None:
        """Asks until there is a proposal that can end in time, or several if proposals do not depend on results and
        their order can save compiling. Proposals that cannot end in time wait: a resumed run with more time starts with
        them."""
        slots = self.executor.slots
        ahead = LOOKAHEAD * slots if slots > 1 and not self.kind.adapts else 1
        while self.reason is None and self._too_few(ahead):
            if self.plan.trials is not None and self.proposed >= self.plan.trials:
                self.reason = "trials"
            elif not self.deadline.allows(None):
                self.reason = "budget"
            elif isinstance(proposal := ask(self.oracle), NoProposal):
                if proposal is WAIT:
                    return
                self.reason = "space exhausted"
            else:
                record = ProposalRecord(
                    study_id=self.plan.study_id,
                    trial_id=proposal.trial_id,
                    hyperparameters=proposal.values,
                    after=self.on_record,
                )
                self.recorder.proposed(record)
                self.proposed += 1
                self.waiting.append(self._spec(record))

    def _too_few(self, ahead: int) -> bool:
        fitting = sum(self._fits(spec) for spec in self.waiting)
        return fitting < ahead and len(self.waiting) - fitting < SET_ASIDE

    def take_again(self, spec: TrialSpec) -> bool:
        if not self._fits(spec):
            return False
        self.waiting.insert(0, spec)
        return True

    def ended(self, spec: TrialSpec, outcome: TrialOutcome) -> None:
        """Makes a trial durable, then tells the oracle."""
        self.recorder.ended(spec, outcome)
        self.on_record += 1
        self.costs.add(outcome.record)
        self.incumbent = next_incumbent(self.incumbent, outcome.record)
        tell(self.oracle, outcome.record)

    def _spec(self, proposal: ProposalRecord) -> TrialSpec:
        """The trial of a proposal. Every trial has the study's seed and a whole schedule of its own length. A promoted
        trial trains again from the start: a schedule that was cut short says little of a whole one."""
        plan, values = self.plan, proposal.hyperparameters
        promotion = proposal.promotion
        length = promotion.epochs if promotion else None
        epochs = plan.epochs if length is None else length * plan.rung_epochs
        return TrialSpec(
            study_id=plan.study_id,
            trial_id=proposal.trial_id,
            hyperparameters=values,
            seed=plan.seed,
            epochs=epochs,
            search_folds=plan.search_folds,
        )
