"""A run, from data to leaderboard. This is the file to read first.

Read, audit and split the data; for each tuner and seed ask, train and record; score the best models once on the locked test
images; train the best configurations again on all folds with several seeds, and if asked the first of them on fewer images;
write the report. Everything that is finished is on disk before the next thing begins, so a run can be stopped at any moment
and resumed.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench.analysis.final_evaluation import NoFinals
from bench.baselines import evaluate_on_folds, evaluate_references
from bench.engine.devices import placements
from bench.engine.executor import Executor, LocalExecutor
from bench.engine.ray.cluster import require_reachable
from bench.engine.spec import Scored, TrialOutcome, TrialSetup, TrialSpec
from bench.errors import StoreError, UserError
from bench.evaluation.evidence import PixelEvidence
from bench.experiments import Experiment, to_json
from bench.progress import Progress
from bench.records import (
    OUT_OF_FOLD,
    Environment,
    Evaluation,
    FinalsRecord,
    ProposalRecord,
    Run,
    RunRecord,
    TrainingRecord,
    TrialRecord,
)
from bench.records.durable import require_writable
from bench.records.environment import current_environment
from bench.records.store import RunStore, load
from bench.report import write_index, write_report
from bench.report.index import verdict_of
from bench.run.best_models import BestModels
from bench.run.budget import Timekeeper
from bench.run.costs import Deadline, TrialClock
from bench.run.data_curve import LEARNING_CURVE, SHARES, plan_learning_curve
from bench.run.final_evaluation import FINALS, Costs, plan_finals, run_finals
from bench.run.resume import earlier_part, locked, require_same, went_on
from bench.run.setup import Material, augmentation_pictures, prepare, validation_pictures


def run_experiment(
    experiment: Experiment, *, results: Path, reports: Path, command: str, resume: bool, progress: Progress
) -> Path:
    """Runs an experiment, or what is left of it, and returns the leaderboard's path.

    Raises UserError, with nothing half-written, where the experiment, the data or the places do not fit together.
    KeyboardInterrupt passes through when the run is marked as interrupted; all finished trials are kept.
    """
    began = time.monotonic()
    directory = results / experiment.name
    for place in (results, reports):
        require_writable(place)
    if experiment.cluster is not None:
        require_reachable(experiment.cluster)
    with ExitStack() as stack:
        earlier = earlier_part(directory, resume, stack)
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="segbench-")))
        material = prepare(experiment.data, experiment.protocol, experiment.space.image_size, scratch, progress)
        if earlier is not None:
            require_same(earlier, experiment, material)
        progress.stage("starting worker processes")
        setup = material.trial_setup(experiment.protocol, directory / "checkpoints")
        executor = stack.enter_context(_executor(experiment, setup, scratch, progress))
        environment = went_on(earlier, current_environment(executor.device(), executor.precision()))
        executor.check_weights(experiment.space.pretrained_backbones)
        with RunStore.create(directory) if earlier is None else nullcontext(RunStore(directory)) as store:
            run = _OpenRun(experiment, material, store, executor, progress, earlier, command, began)
            run.record_setting(environment)
        if earlier is None:
            stack.enter_context(locked(directory))
        run.search_and_score()
    progress.stage("writing the report")
    leaderboard = write_report(load(directory), reports / experiment.name)
    write_index(reports)
    progress.note(verdict_of(leaderboard.parent))
    return leaderboard


class _OpenRun:
    """A run under way: its parts, and what it has recorded so far."""

    def __init__(
        self,
        experiment: Experiment,
        material: Material,
        store: RunStore,
        executor: Executor,
        progress: Progress,
        earlier: Run | None,
        command: str,
        began: float,
    ) -> None:
        self.experiment, self.material, self.store = experiment, material, store
        self.executor, self.progress = executor, progress
        self.proposals: list[ProposalRecord] = list(earlier.proposals) if earlier else []
        self.trials: list[TrialRecord] = list(earlier.trials) if earlier else []
        self.evaluations: list[Evaluation] = list(earlier.evaluations) if earlier else []
        self.trainings: list[TrainingRecord] = list(earlier.trainings) if earlier else []
        self.finals = earlier.finals if earlier else None
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
        self.best = BestModels(store, keep, material.split.val, self.trials)

    def record_setting(self, environment: Environment) -> None:
        """Writes down where, on what and against what this run is: all that does not depend on a trial."""
        material, store = self.material, self.store
        store.write_experiment(to_json(self.experiment))  # a resumed run may have new limits
        for record in (environment, material.dataset, material.audit, material.split, self.record):
            store.write(record)
        store.write_arrays("predictions/images", validation_pictures(material))
        store.write_arrays("augmentation", augmentation_pictures(material, self.experiment.seeds[0]))

    def score_references(self) -> None:
        """What a model must beat, on the images that it is scored on."""
        scored = {(evaluation.reference, evaluation.split) for evaluation in self.evaluations}
        references = evaluate_references(
            self.material.pixels(),
            train_ids=self.material.split.train,
            parts={"val": self.material.split.val, "test": self.material.split.test},
            num_classes=len(self.material.dataset.classes) + 1,
            seed=self.experiment.seeds[0],
        )
        for evaluation in references:
            if (evaluation.reference, evaluation.split) not in scored:
                self._append(evaluation)
        if self.experiment.protocol.search_folds > 1:
            self._score_references_on_folds()

    def _score_references_on_folds(self) -> None:
        known = {evaluation.reference for evaluation in self.evaluations if evaluation.split == OUT_OF_FOLD}
        num_classes, seed = len(self.material.dataset.classes) + 1, self.experiment.seeds[0]
        folds = self.material.split.folds
        for evaluation in evaluate_on_folds(self.material.pixels(), folds, num_classes=num_classes, seed=seed):
            if evaluation.reference not in known:
                self._append(evaluation)

    def search_and_score(self) -> None:
        """Runs every study, then scores the best models; on Ctrl-C or an error the run is marked as interrupted."""
        try:
            self.score_references()
            self._search()
            self._score_best_on_test()
            self._hold_finals()
            if self.experiment.learning_curve:
                self._hold_learning_curve()
            shutil.rmtree(self.store.directory / "checkpoints", ignore_errors=True)
            self._mark("finished")
        except BaseException:
            self.times.interrupt()
            self._mark("interrupted")
            raise

    def _search(self) -> None:
        """Each tuner with each seed, one after the other, in equal time."""
        with _native_remarks_hidden():
            from bench.run.search import StudyPlan, run_study
            from search_spaces.segmentation import SegmentationHyperModel

        experiment = self.experiment
        hypermodel = SegmentationHyperModel(experiment.space, len(self.material.dataset.classes) + 1)
        plans = [
            StudyPlan(
                tuner=tuner,
                seed=seed,
                trials=experiment.trials,
                epochs=experiment.protocol.epochs,
                retries=experiment.retries,
                search_folds=experiment.protocol.search_folds,
            )
            for seed in experiment.seeds
            for tuner in experiment.tuners
        ]
        clock = TrialClock.of(self.trials)
        for number, plan in enumerate(plans):
            share_s = self.times.share_s([each.study_id for each in plans[number:]])
            with self.times.timing(plan.study_id):
                ended = run_study(
                    plan,
                    hypermodel=hypermodel,
                    executor=self.executor,
                    proposals=[proposal for proposal in self.proposals if proposal.study_id == plan.study_id],
                    finished=[record for record in self.trials if record.study_id == plan.study_id],
                    clock=clock,
                    deadline=Deadline.after(share_s),
                    keeper=self,
                    progress=self.progress,
                )
            self.progress.study_ended(self.times.end(plan.study_id, ended))
            self._mark("running")

    def _hold_finals(self) -> None:
        """Trains the best configurations and the reference recipes again, on every fold with several seeds: as much of that as there is
        time for, and more of it if time is left."""
        if not self.experiment.protocol.finalists:
            return
        held, planned = None, self._plan_finals(self.finals)
        if planned is None:
            self.progress.note("no finals: nothing completed, too few images for folds, or too little time left")
            return
        self._score_references_on_folds()
        while planned is not None and planned != held:
            self.store.write(planned)
            ended = self._train(planned, finished=self.trainings, keep=self._keep_training)
            held, planned = planned, self._plan_finals(planned) if ended == "trials" else None

    def _plan_finals(self, before: FinalsRecord | None) -> FinalsRecord | None:
        return plan_finals(
            self.experiment,
            self.material.split.folds,
            trials=self.trials,
            finished=self.trainings,
            before=before,
            left_s=self.times.finals_s,
            places=self.executor.places,
        )

    def _hold_learning_curve(self) -> None:
        """Trains the first of the finals again, on shares of the training images."""
        run = load(self.store.directory)
        planned = plan_learning_curve(run)
        if isinstance(planned, NoFinals):
            self.progress.note(f"no learning curve: {planned.reason}")
            return
        ended = self._train(
            planned, finished=run.curve_trainings, keep=self._keep_curve_training, study=LEARNING_CURVE, shares=SHARES
        )
        if ended == "budget":
            self.progress.note(
                "the budget left too little time for the whole learning curve; a larger one goes on with it"
            )

    def _train(
        self,
        planned: FinalsRecord,
        *,
        finished: Sequence[TrainingRecord],
        keep: Callable[[TrainingRecord], None],
        study: str = FINALS,
        shares: Sequence[float] = (1.0,),
    ) -> str:
        return run_finals(
            planned,
            executor=self.executor,
            finished=finished,
            retries=self.experiment.retries,
            deadline=Deadline.after(self.times.finals_s),
            costs=Costs(self.trials, self.trainings),
            keep=keep,
            keep_evidence=self._keep_evidence,
            progress=self.progress,
            study=study,
            shares=shares,
        )

    def _keep_training(self, record: TrainingRecord) -> None:
        self.store.append(record)
        self.trainings.append(record)
        self._mark("running")

    def _keep_curve_training(self, record: TrainingRecord) -> None:
        self.store.append(record)
        self._mark("running")

    def _keep_evidence(self, name: str, evidence: PixelEvidence) -> None:
        self.store.write_arrays(name, evidence.arrays())

    def proposed(self, proposal: ProposalRecord) -> None:
        """Makes a proposal durable: a crash in its trial cannot make the tuner forget it."""
        self.store.append(proposal)
        self.proposals.append(proposal)

    def ended(self, spec: TrialSpec, outcome: TrialOutcome) -> None:
        """Makes a trial durable: its model, if it is among the best, then its record; only then may an older model go."""
        record = outcome.record
        saved = self._save_model(spec, outcome)
        self.store.append(record)
        self.trials.append(record)
        if saved and outcome.scored is not None:
            self._append(_evaluation(record, "val", outcome.scored))
            self.best.evict()
        self._mark("running")

    def _save_model(self, spec: TrialSpec, outcome: TrialOutcome) -> bool:
        try:
            return self.best.save(outcome, lambda: self.executor.model(spec))
        except StoreError:
            raise
        except UserError as error:  # its score stands, only the weights are gone
            self.progress.note(f"the model of trial {spec.trial_id} could not be kept: {error}")
            return False

    def _score_best_on_test(self) -> None:
        """After selection, once: what the locked test images say about the best models."""
        scored = {(evaluation.study_id, evaluation.trial_id, evaluation.split) for evaluation in self.evaluations}
        before = {who[:2] for who in scored if who[2] == "test" and who[0]}
        new = [record for record in self.best.records if (record.study_id, record.trial_id) not in before]
        if before and new:
            self.progress.note(
                f"the locked test images were scored before: {len(before)} models then, {len(new)} more now"
            )
        parts = {"val": self.material.split.val, "test": self.material.split.test}
        for number, record in enumerate(self.best.records, start=1):
            self.progress.stage(f"scoring the best models on the test images, {number} of {len(self.best.records)}")
            spec = TrialSpec(
                study_id=record.study_id,
                trial_id=record.trial_id,
                hyperparameters=record.hyperparameters,
                seed=record.seed,
                epochs=record.epochs_planned,
            )
            for part, ids in parts.items():
                if (record.study_id, record.trial_id, part) not in scored:
                    answer = self.executor.score(spec, self.best.path(record).read_bytes(), ids)
                    self._append(_evaluation(record, part, answer))

    def _append(self, evaluation: Evaluation) -> None:
        self.store.append(evaluation)
        self.evaluations.append(evaluation)

    def _mark(self, status: str) -> None:
        self.record = replace(self.record, status=status, wall_s=self.times.wall_s, studies=self.times.studies)
        self.store.write(self.record)


def _executor(experiment: Experiment, setup: TrialSetup, scratch: Path, progress: Progress) -> Executor:
    if experiment.cluster is not None:
        from bench.engine.ray.executor import RayExecutor

        return RayExecutor(setup, experiment.cluster, workers=experiment.workers, note=progress.note)
    return LocalExecutor(setup, scratch, placements(experiment.workers))


def _evaluation(record: TrialRecord, part: str, scored: Scored) -> Evaluation:
    return Evaluation(
        study_id=record.study_id, trial_id=record.trial_id, split=part, seed=record.seed, counts=scored.counts
    )


@contextmanager
def _native_remarks_hidden() -> Iterator[None]:
    """TensorFlow's C++ part greets on file descriptor 2 when it is imported, whatever the log level, into the live display."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
