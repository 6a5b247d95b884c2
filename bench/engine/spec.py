"""Messages between the parent and a worker about a trial. Imports no TensorFlow: the parent computes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.datasets.splits import nested_subset
from bench.evaluation.pixel_statistics import PixelStatistics
from bench.evaluation.racing import Incumbent
from bench.records import FAILED, ClassCounts, EpochRecord, HyperparameterValue, TrialRecord

Counts = Mapping[str, tuple[ClassCounts, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec:
    """What a worker needs to know of one trial. It is trained from its initial weights for `epochs` epochs, the length
    of its learning-rate schedule. A trial that cannot end within `time_limit_s` is STOPPED as soon as that shows. With
    `fit_s` its length is fitted while it trains, so that its steps end after this many seconds
    (`bench.engine.training.length`). `attempt` counts from 1: a trial whose process died may be tried again.

    With several `search_folds` it is trained on that many folds in turn, each for `epochs`, unless it is clearly behind
    `incumbent` before that (`bench.engine.training.folds`).

    With a `fold` it is a training of the final evaluation: on all folds but this one, to its last epoch, scored once on
    this fold and on the held-out test images. With a `train_share` below 1 only this fraction of the images trains, for
    as many steps. A `probe` is such a training that measures costs alone: its epochs are steps, it scores no held-out
    image, and its process ends if it sends nothing for `time_limit_s`. A `refit` is trained on all images of the folds,
    to its last epoch, and scores nothing."""

    study_id: str
    trial_id: str
    hyperparameters: Mapping[str, HyperparameterValue]
    seed: int
    epochs: int
    time_limit_s: float | None = None
    fit_s: float | None = None
    attempt: int = 1
    fold: int | None = None
    search_folds: int = 1
    incumbent: Incumbent | None = None
    train_share: float = 1.0
    probe: bool = False
    refit: bool = False

    @property
    def epochs_planned(self) -> int:
        """Epochs of all folds together."""
        return self.epochs * self.search_folds

    @property
    def key(self) -> tuple[str, str]:
        """Names the trial within its run."""
        return self.study_id, self.trial_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSetup:
    """What is equal for every trial of a run: data, parts and the training side of the protocol. Sizes are in pixels;
    `steps_per_epoch` are the optimiser steps between two validations; `precision` and `xla` are of
    `bench.engine.devices.PRECISIONS` and `XLA`; a trial ends that has collapsed in `collapse_epochs` epochs in a row
    (0: none does). `stratified_order` has the images of all folds, duplicates together, as
    `bench.datasets.splits.stratified_order` sorts them: fractions of them are drawn along it. Without `mirror` no image
    is seen mirrored, neither in training nor by a delivered model."""

    cache_directory: Path
    train_ids: tuple[str, ...]
    val_ids: tuple[str, ...]
    classes: tuple[str, ...]
    evaluation_size: int
    threshold: float
    steps_per_epoch: int
    batch_norm: str
    precision: str = "float32"
    xla: str = "off"
    folds: tuple[tuple[str, ...], ...] = ()
    test_ids: tuple[str, ...] = ()
    collapse_epochs: int = 0
    stratified_order: tuple[tuple[str, ...], ...] = ()
    mirror: bool = True

    def parts(
        self, fold: int | None, train_share: float = 1.0, seed: int = 0
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Ids that train and ids that validate: of the hold-out split, or all folds but one and that `fold`, where a
        `train_share` below 1 draws a subset of those that train, with the `seed` of the training."""
        if fold is None:
            return self.train_ids, self.val_ids
        others = {name for number, ids in enumerate(self.folds) if number != fold for name in ids}
        if train_share < 1:
            order = [unit for unit in self.stratified_order if others.issuperset(unit)]
            return nested_subset(order, train_share, (seed, fold)), self.folds[fold]
        return tuple(sorted(others)), self.folds[fold]

    @property
    def development_ids(self) -> tuple[str, ...]:
        """The ids of all folds, sorted."""
        return tuple(sorted(name for ids in self.folds for name in ids))

    @property
    def num_classes(self) -> int:
        """Foreground classes and background."""
        return len(self.classes) + 1


MAP_IMAGES = 256
"""Images of a fold whose probabilities are kept: enough to choose an ensemble by, and some 20 MB at 192 px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbabilityMaps:
    """Probabilities of some images at the network's own size S, in steps of 1/255: uint8 [N, 2, S, S, channels], of the
    image as it is and the mean with its mirrored copy, mirrored back (the same once more where nothing may be
    mirrored). `ids` are the images, a spread over all that were scored."""

    ids: tuple[str, ...]
    values: np.ndarray


@dataclass(slots=True, kw_only=True)
class Scored:
    """A model's work on some images: mean loss, counts by image, predicted class ids uint8 [N, e, e] in the order of
    the ids; of several classes `confusion`, int64 [truth, predicted] pixels over all of them; in the final evaluation
    also what its probabilities and contours say, and the probabilities themselves."""

    loss: float
    counts: Counts
    predictions: np.ndarray
    confusion: np.ndarray | None = None
    evidence: PixelStatistics | None = None
    maps: ProbabilityMaps | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """What a trial sends back: its record, and what it says about each validation image (None if it failed). `test` is
    what a training of the final evaluation says about the held-out test images, `train_images` on how many images it
    trained. `crashed`: its process died or hung, which is not always the configuration's fault."""

    record: TrialRecord
    scored: Scored | None = None
    test: Scored | None = None
    train_images: int | None = None
    crashed: bool = False


LONGEST_ERROR = 2000
"""Characters: the last words of a process that died may be of any length, and a record has limits."""


def failed(
    spec: TrialSpec, error: str, *, crashed: bool, started_at: str, wall_s: float, peak_memory_bytes: int | None = None
) -> TrialOutcome:
    """The outcome of a trial that has no result; `error` is one line, of which `LONGEST_ERROR` characters are kept."""
    record = TrialRecord(
        study_id=spec.study_id,
        trial_id=spec.trial_id,
        status=FAILED,
        hyperparameters=spec.hyperparameters,
        seed=spec.seed,
        epochs_planned=spec.epochs_planned,
        wall_s=wall_s,
        peak_memory_bytes=peak_memory_bytes,
        started_at=started_at,
        attempts=spec.attempt,
        error=error if len(error) <= LONGEST_ERROR else f"{error[:LONGEST_ERROR]}…",
    )
    return TrialOutcome(record=record, crashed=crashed)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnded:
    """A trial under way has been validated."""

    spec: TrialSpec
    epoch: EpochRecord


Event = EpochEnded | TrialOutcome
