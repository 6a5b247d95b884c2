"""One study: one oracle is asked, workers train and score, the oracle is told, until the trials, the time or the space end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import keras_tuner as kt

from bench.engine.executor import Executor
from bench.engine.spec import TrialOutcome, TrialSpec
from bench.evaluation.racing import Rival, leader
from bench.progress import Progress
from bench.records import ProposalRecord, TrialRecord
from bench.run.costs import CostModel, Deadline
from bench.run.dispatch import dispatch
from bench.tuners import ORACLES
from bench.tuners.keras_tuner import WAIT, NoProposal, ask, replay, tell
from search_spaces.portfolio import portfolio
from search_spaces.segmentation import SegmentationHyperModel

LOOKAHEAD = 2
"""For each place, so many proposals are made ahead where they do not depend on results: a warm graph may then go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """A tuner with a seed, and how far it may go: `trials` (None: as many as fit), `epochs` for its longest trial, `retries` of a trial
    whose process died. With several `search_folds` a trial is trained on each of them, and races against the best before it. A tuner that promotes
    counts in `rung_epochs`, its shortest training."""

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
"""So many proposals that cannot end in time end a search: nothing cheaper seems to come."""


class Keeper(Protocol):
    """Makes things durable; when a method returns, a crash cannot take back what it was given."""

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
    keeper: Keeper,
    progress: Progress,
) -> str:
    """Runs what is left of a study, and says why it ended (`StudyRecord.ended`): `proposals` and `finished` are what was kept of it
    before, in the order in which it was. A proposal without a result is run first; what the budget stopped is a result, and stays one
    with more time. Nothing starts before it is kept, and the oracle hears of nothing that is not."""
    study = _Study(plan, hypermodel, executor, costs, deadline, keeper, progress)
    return study.run(proposals, finished)


class _Study:
    """A study under way, a source of trials."""

    def __init__(
        self,
        plan: StudyPlan,
        hypermodel: SegmentationHyperModel,
        executor: Executor,
        costs: CostModel,
        deadline: Deadline,
        keeper: Keeper,
        progress: Progress,
    ) -> None:
        self.plan, self.executor, self.costs, self.deadline = plan, executor, costs, deadline
        self.keeper, self.progress = keeper, progress
        self.kind = ORACLES[plan.tuner]
        self.oracle = self.kind.make(
            hypermodel.declare(kt.HyperParameters()), plan.seed, max(1, plan.epochs // plan.rung_epochs)
        )
        self.oracle.first = portfolio(hypermodel.space)
        self.proposed = self.on_record = 0
        self.waiting: list[TrialSpec] = []
        self.rival: Rival | None = None
        self.reason: str | None = None

    def run(self, proposals: Sequence[ProposalRecord], finished: Sequence[TrialRecord]) -> str:
        plan = self.plan
        self.waiting = [self._spec(proposal) for proposal in replay(self.oracle, proposals, finished)]
        self.proposed, self.on_record = len(proposals), len(finished)
        for record in finished:
            self.rival = leader(self.rival, record)
        self.progress.study_started(
            plan.study_id,
            trials=plan.trials,
            budget_s=self.deadline.left_s,
            earlier=finished,
            places=max(1, self.executor.places),
        )
        dispatch(self, self.executor, self.progress, retries=plan.retries, called="trial")
        if self.reason == "budget" and not self.proposed:
            self.progress.warning("no time is left for a trial: a larger --budget is needed")
        if self.waiting:
            self.progress.note(f"{len(self.waiting)} proposed and not run: they could not have ended in time")
        return self.reason or "space exhausted"

    def next(self, running: Mapping[str, TrialSpec]) -> TrialSpec | None:
        """A proposal that can end in time, one whose graph is compiled first."""
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
        return replace(spec, time_limit_s=self.deadline.left_s, rival=self.rival)

    def is_over(self, running: Mapping[str, TrialSpec]) -> bool:
        """A search that has yet to find its end waits for a place to look for it: machines of a cluster come and go."""
        if not self.executor.places:
            self._find_end_without_place(running)
        return (not self.waiting or self.reason == "budget") and (self.reason is not None or self.executor.places > 0)

    def _find_end_without_place(self, running: Mapping[str, TrialSpec]) -> None:
        """The end is else found when there is a place to fill, which may never come again."""
        if not self.waiting and self.plan.trials is not None and self.proposed >= self.plan.trials:
            self.reason = "trials"
        elif not running and not self.deadline.allows(None):
            self.reason = "budget"

    def _fits(self, spec: TrialSpec) -> bool:
        warm = self.executor.is_warm(spec)
        return self.deadline.allows(self.costs.estimate_s(spec.hyperparameters, spec.epochs_planned, warm=warm))

    def _propose(self) -> None:
        """Asks until there is a proposal that can end in time, or several where proposals do not depend on results and order may save
        compiling. Those that cannot are set aside: a resumed run with more time begins with them."""
        places = self.executor.places
        ahead = LOOKAHEAD * places if places > 1 and not self.kind.adapts else 1
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
                self.keeper.proposed(record)
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
        """A trial is made durable, and only then is the oracle told."""
        self.keeper.ended(spec, outcome)
        self.on_record += 1
        self.costs.add(outcome.record)
        self.rival = leader(self.rival, outcome.record)
        tell(self.oracle, outcome.record)

    def _spec(self, proposal: ProposalRecord) -> TrialSpec:
        """A trial in the worker's terms. Every trial of a study has the study's seed, and a schedule of its own length: a promoted one
        trains again from the start, since a schedule that was cut short says little of one that was not."""
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
