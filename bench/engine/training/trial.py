"""One trial: train a configuration to the end of its own schedule, and score it after every epoch."""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median

import numpy as np

from bench import clock
from bench.datasets.cache import CachedPixels
from bench.datasets.dataset import VOID
from bench.datasets.native import NativePixels
from bench.engine.devices import accelerator, copied_to
from bench.engine.spec import ProbabilityMaps, Scored, TrialOutcome, TrialSetup, TrialSpec
from bench.engine.training.batch_statistics import statistics_rows, step_momentum
from bench.engine.training.batches import PROBE_SHARE, Batch, TrainingBatches, TrainingPlan, in_batches
from bench.engine.training.graph import TrainingGraph
from bench.engine.training.length import Length
from bench.engine.training.patches import patches, score_patches, windows_of
from bench.engine.training.scoring import probability_maps, score
from bench.evaluation.collapse import collapse_of_epoch, foreground, has_collapsed
from bench.evaluation.metrics import pool, summarise
from bench.records import COLLAPSED, COMPLETED, STOPPED, EpochRecord, TrialRecord
from search_spaces.class_weights import class_weights
from search_spaces.initial_weights import Weights
from search_spaces.optimizers import SCHEDULES


class TrialError(Exception):
    """This configuration cannot be trained; the search goes on."""


TOLERANCE = 1.05
"""A trial may outlast its time limit by a twentieth before it is stopped: a pace is only an estimate."""


class TrialRun:
    """A trial under way. After `train` its graph holds the weights of the last epoch."""

    def __init__(
        self,
        spec: TrialSpec,
        setup: TrialSetup,
        graph: TrainingGraph,
        pixels: CachedPixels,
        truth: CachedPixels,
        *,
        search_fold: int | None = None,
        native: NativePixels | None = None,
    ) -> None:
        """With a `search_fold` it trains and validates on the parts of that fold, one of `spec.search_folds`. With
        `native` pixels it sees images through windows of them (`bench.engine.training.patches`)."""
        self.spec, self.setup, self.graph, self.pixels, self.truth = spec, setup, graph, pixels, truth
        self.native = native
        fold = spec.fold if search_fold is None else search_fold
        self.train_ids, self.val_ids = (
            (setup.development_ids, ()) if spec.refit else setup.parts(fold, spec.train_share, spec.seed)
        )
        self.later_epochs = 0 if search_fold is None else (spec.search_folds - search_fold - 1) * spec.epochs
        values = spec.hyperparameters
        self.batch_size = int(values["batch_size"])
        self.plan = TrainingPlan.of(spec, setup, native or pixels, self.train_ids)
        self.length = Length(spec.epochs, self.plan.steps_per_epoch)
        place, strength = copied_to(accelerator()), float(values["augmentation"])
        windows = patches(native, self.train_ids, graph.key.image_size, spec.seed) if native else None
        self.batches = TrainingBatches(
            pixels, self.train_ids, self.plan, strength, place, mirror=setup.mirror, example=windows
        )
        self.curve: list[EpochRecord] = []
        self.scored: Scored | None = None
        """Of the last epoch that was validated."""
        self.reset_s = self.first_step_s = self.train_s = self.evaluate_s = 0.0

    def train(
        self, *, pretrained: Weights | None, reused: bool, on_epoch: Callable[[EpochRecord], None]
    ) -> TrialOutcome:
        """Trains from the initial weights. Raises TrialError when the loss is no number."""
        started, started_at = clock.now(), datetime.now(UTC).isoformat(timespec="seconds")
        build_s = 0.0 if reused else self.graph.build_s
        started -= build_s
        spec, steps = self.spec, self.plan.steps_per_epoch
        resetting = time.perf_counter()
        weights = self._class_weights()
        self.graph.reset(spec.hyperparameters, seed=spec.seed, pretrained=pretrained, class_weights=weights)
        self.reset_s = time.perf_counter() - resetting
        batches = self.batches.steps((spec.epochs if spec.fit_s is None else self.length.longest) * steps)
        for epoch in itertools.count():
            train_loss = self._train_epoch(epoch * steps, itertools.islice(batches, steps))
            self._fit_length(clock.now() - started)
            scored = self._validate() if self._validates_every_epoch or epoch + 1 == self.length.epochs else None
            self._remember(epoch, train_loss, scored, clock.now() - started)
            on_epoch(self.curve[-1])
            if self._validates_every_epoch and has_collapsed(self.curve, self.setup.collapse_epochs):
                return TrialOutcome(record=self._collapsed(started_at, started, build_s, reused))
            if self._out_of_time(self.length.epochs - epoch - 1 + self.later_epochs):
                return TrialOutcome(record=self._stopped(started_at, started, build_s, reused))
            if epoch + 1 == self.length.epochs:
                break
        test = None if spec.fold is None or spec.probe else self._score(self.setup.test_ids)
        maps = self._maps()
        record = self._record(started_at, started, reused, build_s)
        scored = replace(self.scored, maps=maps) if self.scored else None
        return TrialOutcome(record=record, scored=scored, test=test, train_images=len(self.train_ids))

    @property
    def _validates_every_epoch(self) -> bool:
        """In a search; through windows an image takes hundreds of times as long as a step, so that only the end is
        worth it."""
        return self.spec.fold is None and not self.spec.refit and self.native is None

    def _class_weights(self) -> tuple[float, ...] | None:
        """By the pixels of one pass over what trains; None where all classes weigh alike."""
        rule = str(self.spec.hyperparameters.get("class_weights", "none"))
        if rule == "none":
            return None
        pixels = np.zeros(VOID + 1, np.int64)
        for index in range(len(self.train_ids)):
            pixels += np.bincount(self.batches.example(0, index)[1].ravel(), minlength=len(pixels))
        return class_weights(rule, pixels[: self.setup.num_classes].tolist())

    def _fit_length(self, elapsed_s: float) -> None:
        """Of a training that has a time to fill and not a number of epochs, when another one has ended."""
        if self.spec.fit_s is not None:
            steps = self.plan.steps_per_epoch
            pace_s = self.train_s * steps / max(1, steps - 1)  # the first step compiles, and is not in it
            self.length.fit([*(each.elapsed_s for each in self.curve), elapsed_s], pace_s, self.spec.fit_s)

    def _out_of_time(self, epochs_left: int) -> bool:
        """Whether the epochs to come cannot end in time, at the pace of the last one. A probe takes a second step at
        least: the first one's cost is that of compiling. A length that is fitted to its time ends in it."""
        if self.spec.fit_s is not None:
            return False
        limit_s, (*before, last) = self.spec.time_limit_s, self.curve
        pace_s = last.elapsed_s - before[-1].elapsed_s if before else self.train_s
        if limit_s is None or epochs_left <= 0 or (self.spec.probe and not before):
            return False
        limit_s *= PROBE_SHARE if self.spec.probe else 1.0
        return last.elapsed_s + epochs_left * pace_s + self._scoring_s() > TOLERANCE * limit_s

    def _scoring_s(self) -> float:
        """What it takes to score the end of the training through windows; 0 of whole images, whose scoring is part of
        the pace, or next to nothing."""
        if self.native is None:
            return 0.0
        ids = (*self.val_ids, *(self.setup.test_ids if self.spec.fold is not None else ()))
        return self._window_s() * sum(windows_of(self.native, ids, self.graph.key.image_size))

    def _train_epoch(self, first_step: int, batches: Iterable[Batch]) -> float:
        """Mean training loss of an epoch."""
        values, losses = self.spec.hyperparameters, []
        factor = SCHEDULES[str(values["schedule"])][1]
        frozen = float(values.get("frozen_start", 0.0))
        for number, (images, masks) in enumerate(batches):
            progress = self.length.progress(first_step + number)
            self.graph.set_learning_rate(float(values["learning_rate"]) * factor(progress))
            self.graph.set_statistics_momentum(step_momentum(self.setup.batch_norm, number))
            if frozen:
                self.graph.set_frozen(progress < frozen)
            started = time.perf_counter()
            losses.append(float(self.graph.train_step(images, masks)))
            took = time.perf_counter() - started
            if self.first_step_s:
                self.train_s += took
            else:
                self.first_step_s = took
        loss, epoch = float(np.mean(losses)), first_step // self.plan.steps_per_epoch + 1
        if not math.isfinite(loss):
            raise TrialError(f"the training loss became {loss} in epoch {epoch}")
        if self.graph.has_diverged():
            raise TrialError(f"the weights grew beyond all numbers in epoch {epoch}")
        return loss

    def _validate(self) -> Scored | None:
        """Settles the batch statistics and scores the validation images, if there are any."""
        started = time.perf_counter()
        if self.setup.batch_norm == "reestimate" and self.graph.has_batch_norm:
            shown = np.stack(
                [self.batches.example(0, index)[0] for index in statistics_rows(np.arange(len(self.train_ids)))]
            )
            rows = np.arange(len(shown))
            self.graph.estimate_statistics([shown[part] for part in in_batches(rows, self.batch_size)])
        scored = self._score(self.val_ids) if self.val_ids else None
        self.evaluate_s += time.perf_counter() - started
        return scored

    def _score(self, ids: Sequence[str]) -> Scored:
        in_full = self.spec.fold is not None
        if self.native is not None:
            return score_patches(self.graph, self.native, self.truth, ids, self.batch_size, in_full=in_full)
        return score(self.graph, self.pixels, self.truth, ids, self.batch_size, in_full=in_full)

    def _maps(self) -> ProbabilityMaps | None:
        """What an ensemble is chosen by: probabilities of the images that this training did not see."""
        if self.spec.fold is None or self.spec.probe or self.spec.train_share < 1:
            return None
        if self.native is not None:
            return self.scored.maps if self.scored else None
        return probability_maps(self.graph, self.pixels, self.val_ids, self.batch_size, mirror=self.setup.mirror)

    def _remember(self, epoch: int, train_loss: float, scored: Scored | None, elapsed_s: float) -> None:
        """Takes down an epoch. Each replaces the one before: the learning rate has come down to 0 in the last one, and
        an epoch that is chosen on validation images flatters them (docs/decisions/0014-lengths.md)."""
        if scored is None:
            unknown = EpochRecord(
                epoch=epoch + 1, train_loss=train_loss, val_loss=None, val_iou=None, elapsed_s=elapsed_s
            )
            self.curve.append(unknown)
            return
        self.scored = scored
        found = foreground(pool(scored.counts.values()))
        self.curve.append(
            EpochRecord(
                epoch=epoch + 1,
                train_loss=train_loss,
                val_loss=scored.loss if math.isfinite(scored.loss) else None,
                val_iou=self._iou(scored),
                elapsed_s=elapsed_s,
                val_recall=found.recall,
                val_precision=found.precision,
                val_predicted_share=found.predicted_share,
            )
        )

    def _iou(self, scored: Scored) -> float:
        """The objective. Without any foreground in truth and prediction there is nothing to find, and nothing is
        gained: 0."""
        return summarise(pool(scored.counts.values()), self.setup.classes)["iou"] or 0.0

    def _record(self, started_at: str, started: float, reused: bool, build_s: float) -> TrialRecord:
        spec, latency_s = self.spec, self._latency_s()
        counts = pool(self.scored.counts.values()) if self.scored else ()
        return TrialRecord(
            study_id=spec.study_id,
            trial_id=spec.trial_id,
            status=COMPLETED,
            hyperparameters=spec.hyperparameters,
            seed=spec.seed,
            val_metrics=summarise(counts, self.setup.classes) if counts else {},
            curve=tuple(self.curve),
            epochs_planned=spec.epochs,
            epochs_run=len(self.curve),
            best_epoch=len(self.curve) if counts else None,
            num_params=self.graph.model.count_params(),
            graph_reused=reused,
            build_s=build_s,
            reset_s=self.reset_s,
            first_step_s=self.first_step_s,
            train_s=self.train_s,
            evaluate_s=self.evaluate_s,
            input_wait_s=self.batches.wait_s,
            wall_s=clock.now() - started,
            latency_s=latency_s,
            started_at=started_at,
        )

    def _stopped(self, started_at: str, started: float, build_s: float, reused: bool) -> TrialRecord:
        record = self._record(started_at, started, reused, build_s)
        return replace(
            record, status=STOPPED, error=f"the budget, after {len(self.curve)} of {self.spec.epochs} epochs"
        )

    def _collapsed(self, started_at: str, started: float, build_s: float, reused: bool) -> TrialRecord:
        record, last = self._record(started_at, started, reused, build_s), self.curve[-1]
        ran = f"for {self.setup.collapse_epochs} epochs, up to {last.epoch} of {self.spec.epochs}"
        return replace(record, status=COLLAPSED, error=f"{collapse_of_epoch(last)} {ran}")

    def _latency_s(self) -> float:
        """A forward pass, for each of two images, the fastest of five, times the windows of an image; measured once a
        graph. Not of one image alone: for that oneDNN's convolutions take five times as long as for two
        (docs/performance.md), which says nothing about the network."""
        if self.native is None:
            return self._window_s()
        return self._window_s() * median(
            windows_of(self.native, self.val_ids or self.train_ids, self.graph.key.image_size)
        )

    def _window_s(self) -> float:
        """A forward pass of one input of the network, measured once a graph."""
        if self.graph.latency_s is None:
            self.graph.latency_s = self._measure_latency_s()
        return self.graph.latency_s

    def _measure_latency_s(self) -> float:
        ids = self.val_ids or self.train_ids
        row = self.pixels.rows([ids[0], ids[-1]])
        images = self.pixels.images[row]
        times = []
        for _ in range(5):
            started = time.perf_counter()
            np.asarray(self.graph.predict(images))
            times.append(time.perf_counter() - started)
        return min(times) / len(images)
