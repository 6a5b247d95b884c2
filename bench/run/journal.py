"""The records of a run, and how more of them are made durable."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from bench.engine.executor import Executor
from bench.engine.spec import Scored, TrialOutcome, TrialSpec
from bench.errors import StoreError, UserError
from bench.evaluation.pixel_statistics import PixelStatistics
from bench.experiments import Experiment, to_json
from bench.progress import Progress
from bench.records import Environment, Evaluation, ProposalRecord, Run, RunRecord, TrainingRecord, TrialRecord
from bench.records.store import RunStore
from bench.run.attempts import OnRecord
from bench.run.best_models import BestModels
from bench.run.budget import Timekeeper
from bench.run.costs import CostModel
from bench.run.delivery import MAPS, MEMBERS
from bench.run.experiment_plan import ahead
from bench.run.first_look import FirstLook
from bench.run.setup import PreparedData


class Journal:
    """The records of a running run. When a method returns, a crash cannot undo it."""

    def __init__(
        self,
        experiment: Experiment,
        prepared: PreparedData,
        store: RunStore,
        executor: Executor,
        progress: Progress,
        earlier: Run | None,
        command: str,
        began: float,
    ) -> None:
        self.experiment, self.prepared, self.store = experiment, prepared, store
        self.executor = OnRecord(executor, store, earlier.attempts if earlier else (), experiment.retries)
        self.progress = progress
        self.proposals: list[ProposalRecord] = list(earlier.proposals) if earlier else []
        self.trials: list[TrialRecord] = list(earlier.trials) if earlier else []
        self.evaluations: list[Evaluation] = list(earlier.evaluations) if earlier else []
        self.trainings: list[TrainingRecord] = list(earlier.trainings) if earlier else []
        self.finals = earlier.finals if earlier else None
        self.delivered = earlier.delivery if earlier else None
        self.costs = known_costs(earlier, executor.device())
        self.times = Timekeeper(experiment, earlier, began)
        self.record = RunRecord(
            name=experiment.name,
            command=f"{earlier.record.command}\n{command}" if earlier else command,
            started_at=earlier.record.started_at if earlier else _now(),
            status="running",
            wall_s=self.times.wall_s,
            studies=self.times.studies,
        )
        if earlier is not None:
            store.remove_unfinished()
        keep = experiment.protocol.keep_models
        self.best = BestModels(store, keep, prepared.split.val, self.trials)

    def record_setting(self, environment: Environment, look: FirstLook) -> None:
        """Writes what does not depend on a trial: experiment, environment, data, split and the images to show."""
        prepared, store = self.prepared, self.store
        store.write_experiment(to_json(self.experiment))  # a resumed run may have new limits
        for record in (environment, prepared.dataset, prepared.audit, prepared.split, self.record):
            store.write(record)
        store.write_arrays("predictions/images", look.validation)
        store.write_arrays("augmentation", look.augmentation)

    def keep_model(self, name: str, spec: TrialSpec, outcome: TrialOutcome) -> None:
        """Keeps what an ensemble needs: probabilities out of fold, and weights."""
        maps = outcome.scored.maps if outcome.scored else None
        if maps is None:
            return
        try:
            self.store.write_bytes(f"{MEMBERS}/{name}.weights.h5", self.executor.model(spec))
        except StoreError:
            raise
        except UserError as error:  # its scores stand, only the weights are gone
            self.progress.warning(f"the weights of {spec.trial_id} could not be kept: {error}")
            return
        self.store.write_arrays(f"{MAPS}/{name}", {"ids": np.array(maps.ids, np.str_), "values": maps.values})

    def keep_training(self, record: TrainingRecord) -> None:
        self.store.append(record)
        self.trainings.append(record)
        self.mark("running")

    def keep_curve_training(self, record: TrainingRecord) -> None:
        self.store.append(record)
        self.mark("running")

    def keep_evidence(self, name: str, evidence: PixelStatistics) -> None:
        self.store.write_arrays(name, evidence.arrays())

    def proposed(self, proposal: ProposalRecord) -> None:
        """Makes a proposal durable: a crash in its trial cannot make the tuner forget it."""
        self.store.append(proposal)
        self.proposals.append(proposal)

    def ended(self, spec: TrialSpec, outcome: TrialOutcome) -> None:
        """Makes a trial durable: its model if it is among the best, then its record. Only then is an older model
        removed."""
        record = outcome.record
        saved = self._save_model(spec, outcome)
        self.store.append(record)
        self.trials.append(record)
        if saved and outcome.scored is not None:
            self.append(evaluation_of(record, "val", outcome.scored))
            self.best.evict()
        self.mark("running")

    def _save_model(self, spec: TrialSpec, outcome: TrialOutcome) -> bool:
        try:
            return self.best.save(outcome, lambda: self.executor.model(spec))
        except StoreError:
            raise
        except UserError as error:  # its score stands, only the weights are gone
            self.progress.warning(f"the model of trial {spec.trial_id} could not be kept: {error}")
            return False

    def append(self, evaluation: Evaluation) -> None:
        self.store.append(evaluation)
        self.evaluations.append(evaluation)

    def mark(self, status: str) -> None:
        self.record = replace(self.record, status=status, wall_s=self.times.wall_s, studies=self.times.studies)
        self.store.write(self.record)

    @contextmanager
    def marked(self) -> Iterator[None]:
        """Around the stages of the run: marks it as interrupted on Ctrl-C or an error, and as finished at the end."""
        over = sum(trial.epochs_planned for trial in self.trials) + sum(each.epochs_run for each in self.trainings)
        self.progress.run_started(ahead(self.experiment, len(self.prepared.split.folds), self.times.left_s, over))
        try:
            yield
            self.mark("finished")
        except BaseException:
            self.executor.let_go()
            self.times.interrupt()
            self.mark("interrupted")
            raise


def known_costs(earlier: Run | None, device: str) -> CostModel:
    """What earlier sessions tell of costs; nothing if they ran on another device."""
    if earlier is None or earlier.environment.device != device:
        return CostModel()
    return CostModel(earlier.trials, earlier.trainings)


def evaluation_of(record: TrialRecord, part: str, scored: Scored) -> Evaluation:
    return Evaluation(
        study_id=record.study_id, trial_id=record.trial_id, split=part, seed=record.seed, counts=scored.counts
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
