"""A run under way: its stages, and the journal of what it has recorded so far."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.analysis.final_evaluation import LEAST_FOLDS, NoFinals
from bench.baselines import REFERENCES, evaluate_on_folds, evaluate_references
from bench.delivery import FOLDER
from bench.delivery.deliver import deliver
from bench.engine.executor import Executor
from bench.engine.spec import Scored, TrialOutcome, TrialSpec
from bench.engine.training.batches import PROBE_STEPS
from bench.errors import StoreError, UserError
from bench.evaluation.evidence import PixelEvidence
from bench.evaluation.resampling import even_spread
from bench.experiments import WITHOUT_TUNERS, Experiment, to_json
from bench.formats import plural
from bench.progress import Progress
from bench.records import (
    OUT_OF_FOLD,
    DeliveryRecord,
    Environment,
    Evaluation,
    FinalsRecord,
    ProposalRecord,
    Run,
    RunRecord,
    TrainingRecord,
    TrialRecord,
)
from bench.records.store import RunStore, load
from bench.run.attempts import OnRecord
from bench.run.best_models import BestModels
from bench.run.budget import Timekeeper
from bench.run.costs import Deadline, TrialClock, short_training_s
from bench.run.data_curve import LEARNING_CURVE, SHARES, plan_learning_curve
from bench.run.delivery import MAPS, MEMBERS, Selection, masks_by_configuration, select
from bench.run.final_evaluation import FINALS, Costs, Probe, budgeted_finals, run_finals, whole_finals
from bench.run.outlook import (
    LEAST_FOR_PROBE_S,
    ahead,
    measured_unit_s,
    plan_of,
    relative_costs,
    unmeasured_unit_s,
)
from bench.run.plan import Plan
from bench.run.setup import Material, augmentation_pictures, validation_pictures
from search_spaces.portfolio import portfolio

PATIENCE = 3.0
"""A candidate that takes more than so many times as long as the default recipe is out: others would have to go without."""

SHOWN = 48
"""Images whose predictions the report can show."""


class OpenRun:
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
        self.executor = OnRecord(executor, store, earlier.attempts if earlier else (), experiment.retries)
        self.progress = progress
        self.proposals: list[ProposalRecord] = list(earlier.proposals) if earlier else []
        self.trials: list[TrialRecord] = list(earlier.trials) if earlier else []
        self.evaluations: list[Evaluation] = list(earlier.evaluations) if earlier else []
        self.trainings: list[TrainingRecord] = list(earlier.trainings) if earlier else []
        self.finals = earlier.finals if earlier else None
        self.delivered = earlier.delivery if earlier else None
        self.chosen: Plan | None = None
        self.probe: Probe | None = None
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

    def score_baselines(self) -> None:
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
        if known == set(REFERENCES):
            return
        num_classes, seed = len(self.material.dataset.classes) + 1, self.experiment.seeds[0]
        folds = self.material.split.folds
        for evaluation in evaluate_on_folds(self.material.pixels(), folds, num_classes=num_classes, seed=seed):
            if evaluation.reference not in known:
                self._append(evaluation)

    @contextmanager
    def marked(self) -> Iterator[None]:
        """The stages of the run; on Ctrl-C or an error it is marked as interrupted, at the end as finished."""
        over = sum(trial.epochs_planned for trial in self.trials) + sum(each.epochs_run for each in self.trainings)
        self.progress.run_started(ahead(self.experiment, len(self.material.split.folds), self.times.left_s, over))
        try:
            yield
            self._mark("finished")
        except BaseException:
            self.executor.let_go()
            self.times.interrupt()
            self._mark("interrupted")
            raise

    def plan(self) -> None:
        """What the budget has room for, from a few measured steps of the default recipe. Without a budget the protocol is the plan."""
        left_s = self.times.finals_s
        if left_s is None or not self.experiment.protocol.finalists or len(self.material.split.folds) < 2:
            return
        protocol = self.experiment.protocol
        steps = self.finals.epochs * protocol.steps_per_epoch if self.finals else None
        if self.experiment.search == "compare" and steps is not None and steps < protocol.shortest_steps:
            raise StoreError(
                f"run {self.record.name!r} was begun with trainings of {steps} steps, too few to compare by (at least {protocol.shortest_steps}); "
                "choose another --name"
            )
        unit_s, spent_s = self._measured_unit_s(left_s)
        self.chosen = plan_of(
            self.experiment,
            max(0.0, left_s - spent_s) + self._compared_s,
            unit_s=unit_s,
            folds=len(self.material.split.folds),
            places=self.executor.places,
            steps=steps,
        )
        self.times.search_share = self.chosen.search_share
        self.progress.note(f"plan: {self.chosen.reason}")

    @property
    def _compared_s(self) -> float:
        """What the trainings of a comparison have taken so far: of a resumed one the plan is that of the whole, so that it has no fewer levels."""
        if self.experiment.search != "compare":
            return 0.0
        return sum(each.wall_s or 0.0 for each in self.trainings) / max(1, self.executor.places)

    def _measured_unit_s(self, left_s: float) -> tuple[float, float]:
        """Seconds of a short training of the default recipe, and of what it took to find out. A budget that has no time for a probe is
        planned as if nothing fitted: the one training then runs as far as it gets."""
        if left_s < LEAST_FOR_PROBE_S:
            return unmeasured_unit_s(left_s), 0.0
        started = time.monotonic()
        self.progress.stage("measuring what a training costs here")
        probe = TrialSpec(
            study_id="probe",
            trial_id="probe",
            hyperparameters=portfolio(self.experiment.space)[0],
            seed=self.experiment.seeds[0],
            epochs=1,
            fold=0,
            probe=True,
            time_limit_s=left_s,
        )
        self.executor.submit(probe)
        outcome = None
        while outcome is None:
            outcome = next((event for event in self.executor.events() if isinstance(event, TrialOutcome)), None)
        record = outcome.record
        if not record.train_s:
            self.progress.warning(f"the default configuration cannot be measured: {record.error}")
            return left_s / 6, time.monotonic() - started
        step_s = record.train_s / (PROBE_STEPS - 1)
        first_s = (record.build_s or 0.0) + (record.first_step_s or 0.0)
        epoch_s = step_s * self.experiment.protocol.steps_per_epoch
        self.probe = Probe(hyperparameters=probe.hyperparameters, epoch_s=epoch_s, first_s=first_s)
        self.progress.note(
            f"a step of the default configuration takes {step_s:.2f} s here, its first one {first_s:.0f} s"
        )
        unit_s = short_training_s(self.experiment.protocol, step_s=step_s, first_s=first_s)
        return unit_s, time.monotonic() - started

    def search(self) -> None:
        """Each tuner with each seed, one after the other, in equal time; nothing where the plan has no time for a search."""
        if self.experiment.search in WITHOUT_TUNERS or (self.chosen is not None and not self.chosen.search_share):
            return
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
                epochs=self._search_epochs,
                rung_epochs=experiment.protocol.shortest_epochs,
                retries=experiment.retries,
                search_folds=experiment.protocol.search_folds,
            )
            for seed in experiment.seeds
            for tuner in experiment.tuners
        ]
        clock = TrialClock.of(self.trials)
        for number, study in enumerate(plans):
            share_s = self.times.share_s([each.study_id for each in plans[number:]])
            with self.times.timing(study.study_id):
                ended = run_study(
                    study,
                    hypermodel=hypermodel,
                    executor=self.executor,
                    proposals=[proposal for proposal in self.proposals if proposal.study_id == study.study_id],
                    finished=[record for record in self.trials if record.study_id == study.study_id],
                    clock=clock,
                    deadline=Deadline.after(share_s),
                    keeper=self,
                    progress=self.progress,
                )
            self.progress.study_ended(self.times.end(study.study_id, ended))
            self._mark("running")

    @property
    def _search_epochs(self) -> int:
        """Of the longest trial of the search: within a budget, and where the protocol says nothing, the shortest that compares."""
        protocol = self.experiment.protocol
        if self.chosen is None or protocol.steps is not None:
            return protocol.epochs
        return protocol.shortest_epochs

    def evaluate_finally(self) -> None:
        """Trains the candidates on folds and with several seeds: as much of that as there is time for, and more of it if time is left."""
        if not self.experiment.protocol.finalists:
            return
        if self.chosen is not None:
            self._evaluate_in_budget(self.chosen)
            return
        planned = whole_finals(self.experiment, self.material.split.folds, self.trials)
        if planned is None:
            self.progress.warning("no final evaluation: nothing completed, or too few images for folds")
            return
        self._score_references_on_folds()
        self.store.write(planned)
        self._train(planned, finished=self.trainings, keep=self._keep_training, leaders_first=planned.balanced)

    def _evaluate_in_budget(self, chosen: Plan) -> None:
        self._score_references_on_folds()
        planned = self._plan_finals(chosen)
        while planned.balanced and chosen.missing_units:
            larger = self._with_more_levels(planned, chosen)
            if larger is None:
                break
            chosen = larger
            planned = self._plan_finals(chosen)
        self._train(planned, finished=self.trainings, keep=self._keep_training, leaders_first=True)

    def _plan_finals(self, chosen: Plan) -> FinalsRecord:
        folds = len(self.material.split.folds)
        self.finals = budgeted_finals(self.experiment, chosen, folds, self.trials, self.finals)
        self.store.write(self.finals)
        return self.finals

    def _with_more_levels(self, planned: FinalsRecord, chosen: Plan) -> Plan | None:
        """Trains the levels of a comparison on as many folds as count, and says which plan the time that this took has room for; None where
        it has no more levels, or where trainings are too short to compare."""
        protocol, folds = self.experiment.protocol, len(self.material.split.folds)
        steps = planned.epochs * protocol.steps_per_epoch
        first = replace(planned, folds=min(LEAST_FOLDS, folds), seeds=planned.seeds[:1])
        ended = self._train(first, finished=self.trainings, keep=self._keep_training, leaders_first=True)
        unit_s, left_s = measured_unit_s(self.experiment, self.trainings, planned.epochs), self.times.finals_s
        if ended == "budget" or unit_s is None or left_s is None or steps < (protocol.steps or protocol.shortest_steps):
            return None
        places = self.executor.places
        larger = plan_of(
            self.experiment, left_s + self._compared_s, unit_s=unit_s, folds=folds, places=places, steps=steps
        )
        if larger.candidates <= chosen.candidates:
            return None
        self.progress.note(f"plan: {larger.reason}")
        return larger

    def train_learning_curve(self) -> None:
        """Trains the first of the final evaluation again, on shares of the training images, if that was asked for."""
        if not self.experiment.learning_curve:
            return
        run = load(self.store.directory)
        planned = plan_learning_curve(run)
        if isinstance(planned, NoFinals):
            self.progress.warning(f"no learning curve: {planned.reason}")
            return
        ended = self._train(
            planned, finished=run.curve_trainings, keep=self._keep_curve_training, study=LEARNING_CURVE, shares=SHARES
        )
        if ended == "budget":
            self.progress.warning(
                "the budget left too little time for the whole learning curve; a larger one goes on with it"
            )

    def deliver(self) -> None:
        """Chooses the networks that are best together on images that they did not see, and writes them as one model."""
        if not self.experiment.protocol.finalists or not self.trainings:
            return
        self.progress.stage("choosing the model to deliver")
        truth, directory = self.material.pixels(), self.store.directory
        selection = select(directory, self.trainings, truth, len(self.material.dataset.classes) + 1)
        if selection is None:
            self.progress.warning("no model: no training of the final evaluation came to its end")
            return
        if self._is_delivered(selection.record):
            return
        self._keep_predictions(selection)
        self.progress.stage(f"writing the model, {plural(len(selection.record.members), 'network')}")
        record = deliver(
            directory,
            selection.record,
            cache_directory=self.material.cache_directory,
            test_ids=self.material.split.test,
            evaluation_size=self.material.evaluation_size,
            tell=self.progress.stage,
        )
        self.store.write(record)
        self.progress.note(f"model: {directory / FOLDER} ({record.rule})")

    def _is_delivered(self, record: DeliveryRecord) -> bool:
        """Whether this very model is there: the locked images have been scored by it, once."""
        there = self.delivered
        if there is None or not (self.store.directory / FOLDER).is_dir():
            return False
        return replace(there, test={}, latency_s=None, num_bytes=None) == record

    def _keep_predictions(self, selection: Selection) -> None:
        """What the report shows: some images, and what the delivered model found in them without having seen them."""
        places = even_spread(len(selection.ids), SHOWN)
        ids = [selection.ids[place] for place in places]
        pixels = self.material.pixels()
        rows = pixels.rows(ids)
        self.store.write_arrays(
            "predictions/development",
            {
                "ids": np.array(ids, np.str_),
                "images": pixels.images[rows],
                "truth": pixels.class_ids(rows),
                "valid": pixels.valid[rows],
            },
        )
        delivered = {"ids": np.array(ids, np.str_), "masks": selection.masks[places]}
        self.store.write_arrays("predictions/delivered", delivered)
        for name, arrays in masks_by_configuration(self.store.directory, self.trainings, pixels, ids):
            self.store.write_arrays(name, arrays)

    def _train(
        self,
        planned: FinalsRecord,
        *,
        finished: Sequence[TrainingRecord],
        keep: Callable[[TrainingRecord], None],
        study: str = FINALS,
        shares: Sequence[float] = (1.0,),
        leaders_first: bool = False,
    ) -> str:
        return run_finals(
            planned,
            executor=self.executor,
            finished=finished,
            retries=self.experiment.retries,
            deadline=Deadline.after(self.times.finals_s),
            costs=Costs(self.trials, self.trainings, self.probe),
            keep=keep,
            keep_evidence=self._keep_evidence,
            progress=self.progress,
            study=study,
            shares=shares,
            keep_model=self._keep_model if study == FINALS else None,
            leaders_first=leaders_first,
            dearest_s=self._dearest_s(planned) if leaders_first else None,
        )

    def _dearest_s(self, planned: FinalsRecord) -> float | None:
        """What a candidate may take in a budget: so many times what the default recipe does, or what the largest images of a comparison are
        planned to."""
        if self.probe is None:
            return None
        largest = max(relative_costs(self.experiment.space)) if planned.balanced else 1.0
        return PATIENCE * largest * (planned.epochs * self.probe.epoch_s + self.probe.first_s)

    def _keep_model(self, name: str, spec: TrialSpec, outcome: TrialOutcome) -> None:
        """What an ensemble is made of: probabilities out of fold, and weights."""
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
            self.progress.warning(f"the model of trial {spec.trial_id} could not be kept: {error}")
            return False

    def score_best_models(self) -> None:
        """After selection, once: what the locked test images say about the best models."""
        scored = {(evaluation.study_id, evaluation.trial_id, evaluation.split) for evaluation in self.evaluations}
        before = {who[:2] for who in scored if who[2] == "test" and who[0]}
        new = [record for record in self.best.records if record.key not in before]
        if before and new:
            self.progress.warning(
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
                if (*record.key, part) not in scored:
                    answer = self.executor.score(spec, self.best.path(record).read_bytes(), ids)
                    self._append(_evaluation(record, part, answer))

    def _append(self, evaluation: Evaluation) -> None:
        self.store.append(evaluation)
        self.evaluations.append(evaluation)

    def _mark(self, status: str) -> None:
        self.record = replace(self.record, status=status, wall_s=self.times.wall_s, studies=self.times.studies)
        self.store.write(self.record)


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
