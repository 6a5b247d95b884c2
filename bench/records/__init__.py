"""What a run leaves behind: frozen facts at full precision, with a schema version.

Missing values are None, never 0 or NaN. Counts are stored, ratios are computed from them (`bench.evaluation.metrics`).
Nothing here imports TensorFlow: a report is made from these records alone.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from bench.records.limits import (
    MOST_FOLDS,
    MOST_OF_A_COUNT,
    Flag,
    Fold,
    Fraction,
    Identifier,
    Inside,
    Moment,
    Number,
    Seconds,
    Side,
    Whole,
    one_of,
)

SCHEMA_VERSION = 1

HyperparameterValue = str | int | float | bool

NOTED = "tuner/"
"""What Keras Tuner's names begin with that are a tuner's own notes, and no hyperparameters."""

_NUMBERS = ("image_size", "batch_size", "learning_rate", "weight_decay", "augmentation")
_COUNTS = ("image_size", "batch_size", "tuner/epochs", "tuner/initial_epoch", "tuner/bracket", "tuner/round")


def _fit_their_names(values: Mapping[str, HyperparameterValue]) -> Mapping[str, HyperparameterValue]:
    for name, value in values.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if (name in _NUMBERS and not (is_number and float(value) >= 0)) or (
            name in _COUNTS and not (isinstance(value, int) and is_number and 0 <= value <= MOST_OF_A_COUNT)
        ):
            raise ValueError(f"{name} is {str(value)[:40]!r}")
    return values


Hyperparameters = Annotated[Mapping[str, HyperparameterValue], AfterValidator(_fit_their_names)]
"""Values by name. The names whose values are computed with have numbers of the right kind."""


class Status(StrEnum):
    """How a trial or a training ended."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"
    """By its tuner, or by the budget; this and the two above are Keras Tuner's words."""
    COLLAPSED = "COLLAPSED"
    """Ended early because it predicted one answer everywhere (`bench.evaluation.collapse`)."""
    PRUNED = "PRUNED"
    """Got no more folds because it was clearly behind the best one (`bench.evaluation.racing`)."""

    @property
    def word(self) -> str:
        """As it stands in a sentence."""
        return self.value.lower()


COMPLETED, FAILED, STOPPED = Status.COMPLETED, Status.FAILED, Status.STOPPED
COLLAPSED, PRUNED = Status.COLLAPSED, Status.PRUNED

Key = tuple[str, str]
"""Names a trial within its run: its study and its own id."""

Unit = tuple[str, int, int]
"""Names a training of the final evaluation within its run: configuration, seed and fold."""


def configuration_of(hyperparameters: Mapping[str, HyperparameterValue]) -> dict[str, HyperparameterValue]:
    """Without what a tuner has noted beside it ("tuner/epochs", "tuner/bracket", ...), which is bookkeeping."""
    return {name: value for name, value in hyperparameters.items() if not name.startswith(NOTED)}


def configuration_key(hyperparameters: Mapping[str, HyperparameterValue]) -> str:
    """Equal for equal configurations: a configuration is known by it, not by its name."""
    return json.dumps(configuration_of(hyperparameters), sort_keys=True)


def configuration_name(hyperparameters: Mapping[str, HyperparameterValue]) -> str:
    """What the files of a configuration are called: sixteen hexadecimal digits."""
    return hashlib.sha256(configuration_key(hyperparameters).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """Where a trial stands with a tuner that promotes: `epochs` is its length in the tuner's unit, `rung` counts from 0 in its `bracket`, and
    `parent` is the trial of its study that it was promoted from (None: its first training)."""

    epochs: int | None
    bracket: int
    rung: int | None
    parent: str | None

    @classmethod
    def of(cls, hyperparameters: Mapping[str, HyperparameterValue]) -> "Promotion | None":
        """What such a tuner has noted beside a configuration, in Keras Tuner's words; None for any other tuner's."""
        noted = {name: hyperparameters.get(f"{NOTED}{name}") for name in ("epochs", "bracket", "round", "trial_id")}
        if noted["epochs"] is None and noted["round"] is None and noted["trial_id"] is None:
            return None
        return cls(
            epochs=None if noted["epochs"] is None else int(noted["epochs"]),
            bracket=int(noted["bracket"] or 0),
            rung=None if noted["round"] is None else int(noted["round"]),
            parent=None if noted["trial_id"] is None else str(noted["trial_id"]),
        )


class _Configured:
    """A record of one configuration."""

    __slots__ = ()
    hyperparameters: Mapping[str, HyperparameterValue]

    @property
    def configuration(self) -> str:
        """Equal for equal configurations."""
        return configuration_key(self.hyperparameters)


class _Proposed(_Configured):
    """A configuration that a tuner has proposed."""

    __slots__ = ()
    study_id: str
    trial_id: str

    @property
    def key(self) -> Key:
        """Names the trial within its run."""
        return self.study_id, self.trial_id

    @property
    def promotion(self) -> Promotion | None:
        return Promotion.of(self.hyperparameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCounts:
    """Pixels of one class against all others; the four add up to the pixels that count (padding does not)."""

    tp: Whole
    fp: Whole
    fn: Whole
    tn: Whole

    def __add__(self, other: "ClassCounts") -> "ClassCounts":
        return ClassCounts(tp=self.tp + other.tp, fp=self.fp + other.fp, fn=self.fn + other.fn, tn=self.tn + other.tn)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One point of a learning curve. `elapsed_s` counts from the trial's start and includes validation. `val_recall`, `val_precision` and
    `val_predicted_share` (of the pixels) are of any foreground against background, 0-1; older records lack them."""

    epoch: Whole
    train_loss: Number | None
    val_loss: Number | None
    val_iou: Fraction | None
    elapsed_s: Seconds
    val_recall: Fraction | None = None
    val_precision: Fraction | None = None
    val_predicted_share: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalRecord(_Proposed):
    """A configuration that a tuner has proposed, on record before its trial begins. `after` is how many trials of the study
    were on record by then: with several trials under way, that is what the tuner knew."""

    schema_version: int = SCHEMA_VERSION
    study_id: Identifier
    trial_id: Identifier
    hyperparameters: Hyperparameters
    after: Whole


BEGAN, ENDED = "began", "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """A training is begun, or its outcome is there (or an interrupted run lets go of it): what began and did not end was lost with the whole
    run. `unit` names the training within its study, `attempt` counts within a session, `process` and `host` say who began it."""

    schema_version: int = SCHEMA_VERSION
    study_id: str
    unit: str
    event: Annotated[str, one_of((BEGAN, ENDED))]
    attempt: Whole = 1
    at: Moment
    process: Whole
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """A trial against the best complete one of its study, `rival`: over how many `images` with a difference, and the one-sided `p` of being
    so far behind."""

    rival: str
    images: Whole
    p: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord(_Proposed):
    """One configuration, trained once, or in a search on folds once for each of the first `folds_run` of them.

    `val_metrics` holds fractions 0-1 by name (`iou`, `dice`, `precision`, `recall`, `pixel_accuracy`, and `iou_<class>` where
    there are several classes), after the last epoch. `hyperparameters` has only the active ones. Times are wall seconds: `reset_s` is
    drawing initial weights, `train_s` the steps after the first, `first_step_s` the first call with tracing and compiling (of a reused graph: an ordinary step),
    `wall_s` the whole trial. `latency_s` is the forward pass, per image of a batch of two. `attempts` counts how often it was begun: a trial whose
    process died is tried again. `error` says why a trial is not COMPLETED.

    On folds `val_metrics` are the mean over those that were run, each after its last epoch; `curve` is the mean over those that were
    trained to their end, and `best_epoch` its last. Epochs and times are those of all folds, `first_step_s` of the first.
    `out_of_fold` holds counts as in `Evaluation`, of the images of the folds that were trained to their end, and `race` is the last look
    at the rival. None and empty for a trial on the hold-out part.
    """

    schema_version: int = SCHEMA_VERSION
    study_id: Identifier
    trial_id: Identifier
    status: Status
    hyperparameters: Hyperparameters
    seed: Whole
    val_metrics: Mapping[str, Fraction | None] = field(default_factory=dict)
    curve: tuple[EpochRecord, ...] = ()
    epochs_planned: Whole = 0
    epochs_run: Whole = 0
    best_epoch: Whole | None = None
    num_params: Whole | None = None
    graph_reused: Flag | None = None
    build_s: Seconds | None = None
    reset_s: Seconds | None = None
    first_step_s: Seconds | None = None
    train_s: Seconds | None = None
    evaluate_s: Seconds | None = None
    input_wait_s: Seconds | None = None
    wall_s: Seconds | None = None
    latency_s: Seconds | None = None
    peak_memory_bytes: Whole | None = None
    started_at: Moment
    attempts: Whole = 1
    error: str | None = None
    folds_run: Fold | None = None
    out_of_fold: Mapping[str, tuple[ClassCounts, ...]] = field(default_factory=dict)
    race: Race | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One trained model, or one reference that needs no training, scored on one split.

    A trial has `study_id` and `trial_id`; a reference has `reference` (its name) instead. `counts` maps an image id to one
    `ClassCounts` per class id: background first, then the foreground classes in the order of `DatasetRecord.classes`.
    """

    schema_version: int = SCHEMA_VERSION
    study_id: str | None = None
    trial_id: str | None = None
    reference: str | None = None
    split: str
    seed: Whole
    counts: Mapping[str, tuple[ClassCounts, ...]]


Confusion = tuple[tuple[Whole, ...], ...]
"""Pixels [truth][predicted] over several images, background first; () of one class, whose counts say the same, and in older records."""

OUT_OF_FOLD = "out_of_fold"
"""The part that an evaluation is of in which every image was scored by what the other folds made."""

FINALIST, DEFAULT, ORIGIN, PORTFOLIO, LEVEL = "finalist", "default recipe", "origin's recipe", "portfolio", "level"
"""Roles of contestants, as they are recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant(_Configured):
    """A configuration of the finals. `roles` says why it is there: "finalist", "default recipe", "origin's recipe", "portfolio",
    or "level": the default recipe with one other value. A finalist names the trial that it was in the search, with its validation IoU there."""

    name: str
    roles: tuple[str, ...]
    hyperparameters: Hyperparameters
    study_id: str | None = None
    trial_id: str | None = None
    search_iou: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalsRecord:
    """Which candidates are trained, on which folds and with which seeds. `rule` says in words how the plan follows from its time. A training
    has `epochs` of `steps_per_epoch` optimiser steps (None in older records, where an epoch was a pass over the images). All candidates
    are trained on the first fold; on the others all of them `everywhere`, else the leaders as far as there was time. Where it is `balanced`, a
    comparison of levels, all of them are trained with every further seed too, and none is preferred."""

    schema_version: int = SCHEMA_VERSION
    contestants: tuple[Contestant, ...]
    folds: Annotated[int, Field(strict=True, ge=1, le=MOST_FOLDS)]
    seeds: tuple[Whole, ...]
    epochs: Annotated[int, Field(strict=True, ge=1, le=10**7)]
    rule: str
    steps_per_epoch: Whole | None = None
    everywhere: Flag = True
    balanced: Flag = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord(_Configured):
    """One training of a contestant of the finals: on all folds but `fold` (from 0), with `seed`, to the last epoch.

    `out_of_fold` and `test` hold counts as in `Evaluation`, of the images of `fold` and of the locked test images; both are empty
    where the training did not complete, and `error` says why. `train_share` is 1 in the finals; a training of the learning curve saw a
    smaller share of the images, `train_images` of them (None where that is not on record). `evidence` names the arrays of a `bench.evaluation.evidence.PixelEvidence`
    of the same images; None where none were kept. `confusion` is of the images out of fold.
    """

    schema_version: int = SCHEMA_VERSION
    contestant: str
    hyperparameters: Hyperparameters
    fold: Fold
    seed: Whole
    train_share: Fraction = 1.0
    train_images: Whole | None = None
    status: Status
    out_of_fold: Mapping[str, tuple[ClassCounts, ...]] = field(default_factory=dict)
    test: Mapping[str, tuple[ClassCounts, ...]] = field(default_factory=dict)
    confusion: Confusion = ()
    evidence: Inside | None = None
    epochs_run: Whole = 0
    num_params: Whole | None = None
    latency_s: Seconds | None = None
    peak_memory_bytes: Whole | None = None
    train_s: Seconds | None = None
    wall_s: Seconds | None = None
    started_at: Moment
    attempts: Whole = 1
    error: str | None = None

    @property
    def unit(self) -> Unit:
        """Names it among the trainings of one share of the images."""
        return self.configuration, self.seed, self.fold


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One trained network of the delivered model: the training of a contestant on all folds but `fold`, with `seed`. `weights` is its file
    of weights, relative to the run's folder."""

    contestant: str
    hyperparameters: Hyperparameters
    fold: Fold
    seed: Whole
    weights: Inside


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """The model that a run delivers, in `model/`: the mean over `members`, which may name a network more than once, and over mirrored
    images where `flips`. `image_size` is the side of its square input in pixels, into which an image is shrunk, or by the `view` "patches" that of
    windows at the image's own resolution. A pixel whose probability is at least `threshold` is
    foreground (several classes: the most probable wins); regions below `smallest_object`, a share of the image's area, are dropped (0: none).

    `out_of_fold` and `test` hold counts as in `Evaluation`: of every development image by members that did not see it, with members,
    threshold and smallest object chosen on the other folds; of the locked test images by the model as delivered, once. `rule` says in
    words what was chosen and why. `confusion` is of the locked images. `latency_s` is seconds an image, `num_bytes` the size of the model's
    file.
    """

    schema_version: int = SCHEMA_VERSION
    members: tuple[Member, ...]
    image_size: Side
    flips: Flag
    threshold: Fraction
    smallest_object: Fraction
    rule: str
    out_of_fold: Mapping[str, tuple[ClassCounts, ...]] = field(default_factory=dict)
    test: Mapping[str, tuple[ClassCounts, ...]] = field(default_factory=dict)
    confusion: Confusion = ()
    view: Annotated[str, one_of(("whole", "patches"))] = "whole"
    latency_s: Seconds | None = None
    num_bytes: Whole | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalRecord:
    """A model of another tool, known by its masks alone, scored once at `evaluation_size` px on the parts that were given: `out_of_fold` and
    `test` hold counts as in `Evaluation`, and a part that was not given is empty. `folder` is where the masks lay, `masks_digest` a SHA-256 over
    image ids with the pixels of their masks. Of several records of one `name` the last counts."""

    schema_version: int = SCHEMA_VERSION
    name: Annotated[str, Field(min_length=1, max_length=200)]
    folder: str
    scored_at: Moment
    evaluation_size: Side
    masks_digest: str
    out_of_fold: Mapping[str, tuple[ClassCounts, ...]] = field(default_factory=dict)
    test: Mapping[str, tuple[ClassCounts, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the audit found. `kind` is a key of `bench.datasets.audit.KINDS`; `files` are image ids or file names."""

    kind: str
    message: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """Facts about one usable image, upright (after EXIF rotation). `foreground_share` has one fraction 0-1 per foreground class, of the
    pixels that are not void; `void_share` is the fraction that is. `survives_from` is for each class the smallest of the audit's sizes at
    which a pixel of it is left, None where none is; empty where it was not looked at."""

    id: str
    split: str | None
    width: Side
    height: Side
    foreground_share: tuple[Fraction, ...]
    void_share: Fraction = 0.0
    survives_from: tuple[Whole | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondAnnotation:
    """A picture that was annotated twice: two images of equal pixels whose masks differ. `counts` are those of the second mask as a
    prediction of the first, as in `Evaluation`, at one size for all pictures."""

    first: str
    second: str
    counts: tuple[ClassCounts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """The state of a data set before anything trains. `background_accuracy` is by predefined split ("all" where there is none):
    the pixel accuracy of predicting only background."""

    schema_version: int = SCHEMA_VERSION
    images: tuple[ImageFacts, ...]
    findings: tuple[Finding, ...]
    twin_groups: tuple[tuple[str, ...], ...] = ()
    background_accuracy: Mapping[str, Fraction]
    second_annotations: tuple[SecondAnnotation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRange:
    """What becomes 0 and 255 in the pictures of a data set that have more than 8 bit a channel: one range for all of them."""

    low: Number
    high: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRecord:
    """Which data. `classes` are the foreground classes in the order of their ids 1, 2, ...; id 0 is background, 255 void.
    `fingerprint` is a SHA-256 over the sorted ids with the decoded pixels of images and masks. `value_range` is that of pictures with more
    than 8 bit a channel, None where there are none: a prediction has to apply it, too. `mask_resize` is the rule by which masks were shrunk:
    whatever scores the model again has to shrink them by it."""

    schema_version: int = SCHEMA_VERSION
    name: str
    path: str
    format: str
    classes: tuple[str, ...]
    fingerprint: str
    num_images: Whole
    skipped: tuple[str, ...] = ()
    value_range: ValueRange | None = None
    mask_resize: str = "majority"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRecord:
    """Image ids by part. `excluded` are images that stay out of every part, with the reason (a twin across splits, for example).
    `folds` divide what is not locked, train and val, for the finals; `folds_rule` says how."""

    schema_version: int = SCHEMA_VERSION
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    excluded: Mapping[str, str] = field(default_factory=dict)
    rule: str
    folds: tuple[tuple[str, ...], ...] = ()
    folds_rule: str = ""
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where the run took place. `versions` is by distribution name; `device` is for people ("CPU: ..., 2 cores") and names every device
    that a resumed run had; `precision` is a Keras dtype policy."""

    schema_version: int = SCHEMA_VERSION
    versions: Mapping[str, str]
    python: str
    platform: str
    device: str
    precision: str = "float32"
    cores: Whole
    memory_bytes: Whole
    commit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecord:
    """One tuner with one seed on one split. `ended` says why the search stopped: "trials", "budget", "space exhausted",
    "interrupted"; None while it runs. `wall_s` is the time spent on its trials."""

    study_id: Identifier
    tuner: str
    seed: Whole
    ended: str | None = None
    wall_s: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The run as a whole. `status` is "running", "interrupted" or "finished"; `command` is what the user typed."""

    schema_version: int = SCHEMA_VERSION
    name: str
    command: str
    started_at: Moment
    status: Annotated[str, one_of(("running", "interrupted", "finished"))]
    wall_s: Seconds | None = None
    studies: tuple[StudyRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that `bench.records.store.load` reads back, small arrays excepted (`bench.records.store.load_arrays`).

    `experiment` is the resolved experiment as plain JSON; `directory` is where it was read from. `trainings` are those of the finals, on all
    images; `curve_trainings` those of the learning curve, on a share of them. `delivery` is the model that the run leaves, None without one. `attempts` say what
    was begun (none in older runs). `external` are models of other tools, in the order in which they were scored.
    """

    directory: str
    record: RunRecord
    experiment: Mapping[str, object]
    environment: Environment
    dataset: DatasetRecord
    audit: AuditRecord
    split: SplitRecord
    proposals: tuple[ProposalRecord, ...]
    trials: tuple[TrialRecord, ...]
    evaluations: tuple[Evaluation, ...]
    finals: FinalsRecord | None = None
    trainings: tuple[TrainingRecord, ...] = ()
    curve_trainings: tuple[TrainingRecord, ...] = ()
    delivery: DeliveryRecord | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    external: tuple[ExternalRecord, ...] = ()
