"""A run under way: its stages, and the journal of what it has recorded so far."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.analysis.final_evaluation import LEAST_FOLDS, NoFinals
from bench.baselines import REFERENCES, evaluate_on_folds
from bench.delivery import FOLDER
from bench.delivery.deliver import deliver
from bench.engine.spec import TrialSpec
from bench.errors import StoreError
from bench.evaluation.ensemble import MOST_MEMBERS
from bench.evaluation.resampling import even_spread
from bench.experiments import WITHOUT_TUNERS
from bench.formats import plural
from bench.records import OUT_OF_FOLD, DeliveryRecord, Evaluation, FinalsRecord, TrainingRecord
from bench.records.store import load
from bench.run.costs import Deadline, Probe, short_training_s
from bench.run.data_curve import LEARNING_CURVE, SHARES, plan_learning_curve
from bench.run.delivery import Selection, masks_by_configuration, select
from bench.run.experiment_plan import LEAST_FOR_PROBE_S, measured_unit_s, plan_of, relative_costs, unmeasured_unit_s
from bench.run.final_evaluation import FINALS, run_finals
from bench.run.final_plan import budgeted_finals, whole_finals
from bench.run.journal import Journal, evaluation_of
from bench.run.plan import Plan
from bench.run.probe import NoProbe, probe
from bench.run.refit import ALLOWANCE, refit_spec, refit_weights, refitted, train

PATIENCE = 3.0
"""A candidate that takes more than so many times as long as the default configuration is out: others would have to go without."""

SHOWN = 48
"""Images whose predictions the report can show."""


class OpenRun(Journal):
    """A run under way: its stages, in order."""

    chosen: Plan | None = None
    probe: Probe | None = None

    def record_baselines(self, references: Sequence[Evaluation]) -> None:
        """What a model must beat, on the images that it is scored on."""
        scored = {(evaluation.reference, evaluation.split) for evaluation in self.evaluations}
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

    def plan(self) -> None:
        """What the budget has room for, from a few measured steps of the default configuration. Without a budget the protocol is the plan."""
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
            max(0.0, left_s - spent_s - (unit_s if self.experiment.single else 0.0)) + self._compared_s,
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
        """Seconds of a short training of the default configuration, and of what it took to find out. A budget that has no time for a probe is
        planned as if nothing fitted: the one training then runs as far as it gets."""
        if left_s < LEAST_FOR_PROBE_S:
            return unmeasured_unit_s(left_s), 0.0
        started = time.monotonic()
        self.progress.stage("measuring what a training costs here")
        measured = probe(self.experiment, self.executor, self.material.split, left_s)
        if isinstance(measured, NoProbe):
            self.progress.warning(f"the default configuration cannot be measured: {measured.reason}")
            return left_s / 6, time.monotonic() - started
        self.probe = measured
        self.costs.add_probe(measured)
        protocol = self.experiment.protocol
        self.progress.note(
            f"a step of the default configuration takes {measured.step_s:.2f} s here, its first one {measured.first_s:.0f} s"
        )
        unit_s = short_training_s(
            protocol, step_s=measured.step_s, first_s=measured.first_s, scoring_s=measured.scoring_s
        )
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
        for number, study in enumerate(plans):
            share_s = self.times.share_s([each.study_id for each in plans[number:]])
            with self.times.timing(study.study_id):
                ended = run_study(
                    study,
                    hypermodel=hypermodel,
                    executor=self.executor,
                    proposals=[proposal for proposal in self.proposals if proposal.study_id == study.study_id],
                    finished=[record for record in self.trials if record.study_id == study.study_id],
                    costs=self.costs,
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
        directory = self.store.directory
        selection = (self._single() if self.experiment.single else None) or self._selected()
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

    def _selected(self, most: int = MOST_MEMBERS) -> Selection | None:
        num_classes = len(self.material.dataset.classes) + 1
        return select(self.store.directory, self.trainings, self.material.pixels(), num_classes, most=most)

    def _single(self) -> Selection | None:
        """The best recipe trained on all development images; None, and why is said, where that cannot be."""
        selection = self._selected(most=1)
        if selection is None:
            return None
        spec, development = refit_spec(selection.record, self.trainings), self.material.split.folds
        if not (self.store.directory / refit_weights(spec)).is_file():
            wanted_s, left_s = self.costs.of(spec), self.times.finals_s
            if left_s is not None and wanted_s > left_s:
                self.progress.warning(
                    f"the ensemble is delivered, since the budget leaves {left_s:.0f} s and a training on all development images takes "
                    f"{wanted_s:.0f} s; a larger --budget goes on with --resume"
                )
                return None
            self.progress.stage(f"training {spec.trial_id} on all {sum(map(len, development))} development images")

            def keep(weights: bytes) -> None:
                self.store.write_bytes(refit_weights(spec), weights)

            retries, warn = self.experiment.retries, self.progress.warning
            if not train(spec, self.executor, retries=retries, keep=keep, warn=warn):
                return None
        record = refitted(selection.record, spec, sum(map(len, development)))
        return replace(selection, record=record)

    def _is_delivered(self, record: DeliveryRecord) -> bool:
        """Whether this very model is there: the locked images have been scored by it, once."""
        there = self.delivered
        if there is None or not (self.store.directory / FOLDER).is_dir():
            return False
        return replace(there, test={}, confusion=(), latency_s=None, num_bytes=None) == record

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
            deadline=Deadline.after(self._trainings_s(planned)),
            costs=self.costs,
            keep=keep,
            keep_evidence=self._keep_evidence,
            progress=self.progress,
            study=study,
            shares=shares,
            keep_model=self._keep_model if study == FINALS else None,
            leaders_first=leaders_first,
            dearest_s=self._dearest_s(planned) if leaders_first else None,
        )

    def _trainings_s(self, planned: FinalsRecord) -> float | None:
        """Seconds that are left for trainings on folds; None: no budget. A single network is trained after them."""
        left_s = self.times.finals_s
        if left_s is None or not self.experiment.single or self.probe is None:
            return left_s
        return max(0.0, left_s - ALLOWANCE * (planned.epochs * self.probe.epoch_s + self.probe.first_s))

    def _dearest_s(self, planned: FinalsRecord) -> float | None:
        """What a candidate may take in a budget: so many times what the default configuration does, or what the largest images of a comparison are
        planned to."""
        if self.probe is None:
            return None
        largest = max(relative_costs(self.experiment.space)) if planned.balanced else 1.0
        return PATIENCE * largest * (planned.epochs * self.probe.epoch_s + self.probe.first_s)

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
                    self._append(evaluation_of(record, part, answer))


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
