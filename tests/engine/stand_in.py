"""An executor that trains nothing: a trial's score is a function of its configuration, and of how long it may train."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from bench.engine.spec import EpochEnded, Event, ProbabilityMaps, Scored, TrialOutcome, TrialSetup, TrialSpec
from bench.engine.training.folds import on_folds
from bench.evaluation.pixel_statistics import PixelStatistics, pixel_statistics
from bench.records import COLLAPSED, COMPLETED, FAILED, ClassCounts, EpochRecord, TrialRecord
from search_spaces.space import cost_identity

ENCODER = "e" * 64
"""The checksum of the weights that its encoders began with."""


def configuration(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without the tuner's own book-keeping."""
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


class StandInExecutor:
    """Trials end at once, in the order in which they began or, with `shuffle`, in one that a seed decides.

    `fails` says which trials fail, `collapses` which are stopped as collapsed, `crashes` which lose their process at
    this attempt. `specs` are all that were submitted.
    """

    def __init__(
        self,
        slots: int = 1,
        *,
        fails: Callable[[TrialSpec], bool] = lambda spec: False,
        crashes: Callable[[TrialSpec], bool] = lambda spec: False,
        collapses: Callable[[TrialSpec], bool] = lambda spec: False,
        shuffle: int | None = None,
        val_ids: Sequence[str] = (),
        folds: Sequence[Sequence[str]] = (),
        test_ids: Sequence[str] = (),
        size: int = 8,
    ) -> None:
        self.slots = slots
        self.specs: list[TrialSpec] = []
        self._fails, self._crashes, self._val_ids, self._size = fails, crashes, val_ids, size
        self._collapses = collapses
        self._folds, self._test_ids = folds, test_ids
        self._order = None if shuffle is None else random.Random(shuffle)
        self._running: list[TrialSpec] = []
        self._warm: set[object] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.clear()

    def begin(self, setup: TrialSetup) -> None:
        """As of a `LocalExecutor` that starts before the data are read."""
        self._val_ids, self._folds, self._test_ids = setup.val_ids, setup.folds, setup.test_ids

    @property
    def free_slots(self) -> int:
        return self.slots - len(self._running)

    def device(self) -> str:
        return "nothing"

    def precision(self) -> str:
        return "float32"

    def check_weights(self, pairs: Sequence[tuple[str, str]]) -> None:
        pass

    def is_warm(self, spec: TrialSpec) -> bool:
        return cost_identity(spec.hyperparameters) in self._warm

    def submit(self, spec: TrialSpec) -> None:
        assert self.free_slots
        self.specs.append(spec)
        self._running.append(spec)
        self._warm.add(cost_identity(spec.hyperparameters))

    def events(self) -> Iterator[Event]:
        index = 0 if self._order is None else self._order.randrange(len(self._running))
        spec = self._running[index]
        outcome = self._outcome(spec)
        for epoch in outcome.record.curve:
            yield EpochEnded(spec=spec, epoch=epoch)
        self._running.remove(spec)
        yield outcome

    def model(self, spec: TrialSpec) -> bytes:
        return repr(spec.key).encode()

    def score(self, spec: TrialSpec, model: bytes, ids: Sequence[str]) -> Scored:
        assert model == self.model(spec)
        return self._scored(0.5, ids)

    def _outcome(self, spec: TrialSpec) -> TrialOutcome:
        if spec.search_folds == 1 or self._crashes(spec) or self._fails(spec):
            return self._trained(spec, self._val_ids)
        return on_folds(spec, lambda spec, fold: self._trained(spec, self._folds[fold]))

    def _trained(self, spec: TrialSpec, val_ids: Sequence[str]) -> TrialOutcome:
        crashed = self._crashes(spec)
        failed = crashed or self._fails(spec)
        collapsed = not failed and self._collapses(spec)
        iou = sum(map(ord, str(sorted(configuration(spec.hyperparameters).items())))) % 97 / 97
        curve = tuple(
            EpochRecord(epoch=epoch + 1, train_loss=0.5, val_loss=0.5, val_iou=iou, elapsed_s=0.0)
            for epoch in range(spec.epochs)
        )
        record = TrialRecord(
            study_id=spec.study_id,
            trial_id=spec.trial_id,
            status=FAILED if failed else COLLAPSED if collapsed else COMPLETED,
            hyperparameters=spec.hyperparameters,
            seed=spec.seed,
            val_metrics={} if failed else {"iou": iou},
            curve=() if failed else curve,
            best_epoch=None if failed else spec.epochs,
            epochs_planned=spec.epochs,
            epochs_run=0 if failed else len(curve),
            wall_s=0.0,
            encoder_sha256=ENCODER,
            started_at="2026-01-01T00:00:00+00:00",
            error="out of memory" if failed else "finds nearly no foreground for 5 epochs" if collapsed else None,
        )
        if spec.fold is not None:
            parts = self._folds[spec.fold], self._test_ids
            scored, test = (
                replace(self._scored(iou, ids), evidence=self._evidence(ids) if ids else None) for ids in parts
            )
            if spec.train_share == 1 and not spec.probe:
                scored.maps = self._maps(spec, iou, self._folds[spec.fold])
            return TrialOutcome(
                record=record,
                scored=None if failed else scored,
                test=None if failed or spec.probe else test,
                crashed=crashed,
            )
        scored = None if failed or collapsed else self._scored(iou, val_ids)
        return TrialOutcome(record=record, scored=scored, crashed=crashed)

    def _scored(self, iou: float, ids: Sequence[str]) -> Scored:
        pixels = self._size**2
        tp = round(iou * pixels / 2)
        damage = ClassCounts(tp=tp, fp=0, fn=pixels // 2 - tp, tn=pixels // 2)
        background = ClassCounts(tp=damage.tn, fp=damage.fn, fn=damage.fp, tn=damage.tp)
        return Scored(
            loss=1 - iou,
            counts=dict.fromkeys(ids, (background, damage)),
            predictions=np.zeros((len(ids), self._size, self._size), np.uint8),
        )

    def _maps(self, spec: TrialSpec, iou: float, ids: Sequence[str]) -> ProbabilityMaps:
        """Probabilities that rise from the left to the right, up to the trial's IoU."""
        size = int(spec.hyperparameters["image_size"])
        row = np.linspace(0, 255 * iou, size).astype(np.uint8)
        values = np.broadcast_to(row[:, None], (len(ids), 2, size, size, 1))
        return ProbabilityMaps(ids=tuple(ids), values=values.copy())

    def _evidence(self, ids: Sequence[str]) -> PixelStatistics:
        truth = np.zeros((len(ids), self._size, self._size), np.uint8)
        truth[:, : self._size // 2] = 1
        return pixel_statistics(ids, truth, truth, truth[..., None].astype(np.float32), np.ones_like(truth, bool))
