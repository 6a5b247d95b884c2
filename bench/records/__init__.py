"""What a run leaves behind: frozen facts at full precision, with a schema version.

Missing values are None, never 0 or NaN. Counts are stored, ratios are computed from them (`bench.evaluation.metrics`).
Nothing here imports TensorFlow: a report is made from these records alone.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

SCHEMA_VERSION = 1

HyperparameterValue = str | int | float | bool

COMPLETED, FAILED, STOPPED = "COMPLETED", "FAILED", "STOPPED"
"""Keras Tuner's words for how a trial ends; STOPPED is a trial that its tuner pruned, or the budget."""

COLLAPSED = "COLLAPSED"
"""Our own: a trial that was ended early because it predicted one answer everywhere (`bench.evaluation.collapse`)."""

PRUNED = "PRUNED"
"""Our own: a trial that got no more folds because it was clearly behind the best one (`bench.evaluation.racing`)."""


def configuration_of(hyperparameters: Mapping[str, HyperparameterValue]) -> dict[str, HyperparameterValue]:
    """Without what a tuner has noted beside it ("tuner/epochs", "tuner/bracket", ...), which is bookkeeping."""
    return {name: value for name, value in hyperparameters.items() if not name.startswith("tuner/")}


def configuration_key(hyperparameters: Mapping[str, HyperparameterValue]) -> str:
    """Equal for equal configurations: a configuration is known by it, not by its name."""
    return json.dumps(configuration_of(hyperparameters), sort_keys=True)


def configuration_name(hyperparameters: Mapping[str, HyperparameterValue]) -> str:
    """What the files of a configuration are called: sixteen hexadecimal digits."""
    return hashlib.sha256(configuration_key(hyperparameters).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCounts:
    """Pixels of one class against all others; the four add up to the pixels that count (padding does not)."""

    tp: int
    fp: int
    fn: int
    tn: int

    def __add__(self, other: "ClassCounts") -> "ClassCounts":
        return ClassCounts(tp=self.tp + other.tp, fp=self.fp + other.fp, fn=self.fn + other.fn, tn=self.tn + other.tn)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One point of a learning curve. `elapsed_s` counts from the trial's start and includes validation. `val_recall`, `val_precision` and
    `val_predicted_share` (of the pixels) are of any foreground against background, 0-1; older records lack them."""

    epoch: int
    train_loss: float | None
    val_loss: float | None
    val_iou: float | None
    elapsed_s: float
    val_recall: float | None = None
    val_precision: float | None = None
    val_predicted_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalRecord:
    """A configuration that a tuner has proposed, on record before its trial begins. `after` is how many trials of the study
    were on record by then: with several trials under way, that is what the tuner knew."""

    schema_version: int = SCHEMA_VERSION
    study_id: str
    trial_id: str
    hyperparameters: Mapping[str, HyperparameterValue]
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """A trial against the best complete one of its study, `rival`: over how many `images` with a difference, and the one-sided `p` of being
    so far behind."""

    rival: str
    images: int
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
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
    study_id: str
    trial_id: str
    status: str
    hyperparameters: Mapping[str, HyperparameterValue]
    seed: int
    val_metrics: Mapping[str, float | None] = field(default_factory=dict)
    curve: tuple[EpochRecord, ...] = ()
    epochs_planned: int = 0
    epochs_run: int = 0
    best_epoch: int | None = None
    num_params: int | None = None
    graph_reused: bool | None = None
    build_s: float | None = None
    reset_s: float | None = None
    first_step_s: float | None = None
    train_s: float | None = None
    evaluate_s: float | None = None
    input_wait_s: float | None = None
    wall_s: float | None = None
    latency_s: float | None = None
    peak_memory_bytes: int | None = None
    started_at: str
    attempts: int = 1
    error: str | None = None
    folds_run: int | None = None
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
    seed: int
    counts: Mapping[str, tuple[ClassCounts, ...]]


OUT_OF_FOLD = "out_of_fold"
"""The part that an evaluation is of in which every image was scored by what the other folds made."""

FINALIST, DEFAULT, ORIGIN, PORTFOLIO = "finalist", "default recipe", "origin's recipe", "portfolio"
"""Roles of contestants, as they are recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A configuration of the finals. `roles` says why it is there: "finalist", "default recipe", "origin's recipe". A finalist names the
    trial that it was in the search, with its validation IoU there."""

    name: str
    roles: tuple[str, ...]
    hyperparameters: Mapping[str, HyperparameterValue]
    study_id: str | None = None
    trial_id: str | None = None
    search_iou: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalsRecord:
    """Which candidates are trained, on which folds and with which seeds. `rule` says in words how the plan follows from its time. A training
    has `epochs` of `steps_per_epoch` optimiser steps (None in older records, where an epoch was a pass over the images). All candidates
    are trained on the first fold; on the others all of them `everywhere`, else the leaders as far as there was time."""

    schema_version: int = SCHEMA_VERSION
    contestants: tuple[Contestant, ...]
    folds: int
    seeds: tuple[int, ...]
    epochs: int
    rule: str
    steps_per_epoch: int | None = None
    everywhere: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """One training of a contestant of the finals: on all folds but `fold` (from 0), with `seed`, to the last epoch.

    `out_of_fold` and `test` hold counts as in `Evaluation`, of the images of `fold` and of the locked test images; both are empty
    where the training did not complete, and `error` says why. `train_share` is 1 in the finals; a training of the learning curve saw a
    smaller share of the images, `train_images` of them (None where that is not on record). `evidence` names the arrays of a `bench.evaluation.evidence.PixelEvidence`
    of the same images; None where none were kept.
    """

    schema_version: int = SCHEMA_VERSION
    contestant: str
    hyperparameters: Mapping[str, HyperparameterValue]
    fold: int
    seed: int
    train_share: float = 1.0
    train_images: int | None = None
    status: str
    out_of_fold: Mapping[str, tuple[ClassCounts, ...]] = field(default_factory=dict)
    test: Mapping[str, tuple[ClassCounts, ...]] = field(default_factory=dict)
    evidence: str | None = None
    epochs_run: int = 0
    num_params: int | None = None
    latency_s: float | None = None
    peak_memory_bytes: int | None = None
    train_s: float | None = None
    wall_s: float | None = None
    started_at: str
    attempts: int = 1
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One trained network of the delivered model: the training of a contestant on all folds but `fold`, with `seed`. `weights` is its file
    of weights, relative to the run's folder."""

    contestant: str
    hyperparameters: Mapping[str, HyperparameterValue]
    fold: int
    seed: int
    weights: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """The model that a run delivers, in `model/`: the mean over `members`, which may name a network more than once, and over mirrored
    images where `flips`. `image_size` is the side of its square input in pixels. A pixel whose probability is at least `threshold` is
    foreground (several classes: the most probable wins); regions below `smallest_object`, a share of the image's area, are dropped (0: none).

    `out_of_fold` and `test` hold counts as in `Evaluation`: of every development image by members that did not see it, with members,
    threshold and smallest object chosen on the other folds; of the locked test images by the model as delivered, once. `rule` says in
    words what was chosen and why. `latency_s` is seconds an image, `num_bytes` the size of the model's file.
    """

    schema_version: int = SCHEMA_VERSION
    members: tuple[Member, ...]
    image_size: int
    flips: bool
    threshold: float
    smallest_object: float
    rule: str
    out_of_fold: Mapping[str, tuple[ClassCounts, ...]] = field(default_factory=dict)
    test: Mapping[str, tuple[ClassCounts, ...]] = field(default_factory=dict)
    latency_s: float | None = None
    num_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalRecord:
    """A model of another tool, known by its masks alone, scored once at `evaluation_size` px on the parts that were given: `out_of_fold` and
    `test` hold counts as in `Evaluation`, and a part that was not given is empty. `folder` is where the masks lay, `masks_digest` a SHA-256 over
    image ids with the pixels of their masks. Of several records of one `name` the last counts."""

    schema_version: int = SCHEMA_VERSION
    name: str
    folder: str
    scored_at: str
    evaluation_size: int
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
    width: int
    height: int
    foreground_share: tuple[float, ...]
    void_share: float = 0.0
    survives_from: tuple[int | None, ...] = ()


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
    background_accuracy: Mapping[str, float]
    second_annotations: tuple[SecondAnnotation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRange:
    """What becomes 0 and 255 in the pictures of a data set that have more than 8 bit a channel: one range for all of them."""

    low: float
    high: float


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
    num_images: int
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
    cores: int
    memory_bytes: int
    commit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecord:
    """One tuner with one seed on one split. `ended` says why the search stopped: "trials", "budget", "space exhausted",
    "interrupted"; None while it runs. `wall_s` is the time spent on its trials."""

    study_id: str
    tuner: str
    seed: int
    ended: str | None = None
    wall_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The run as a whole. `status` is "running", "interrupted" or "finished"; `command` is what the user typed."""

    schema_version: int = SCHEMA_VERSION
    name: str
    command: str
    started_at: str
    status: str
    wall_s: float | None = None
    studies: tuple[StudyRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that `bench.records.store.load` reads back, small arrays excepted (`bench.records.store.load_arrays`).

    `experiment` is the resolved experiment as plain JSON; `directory` is where it was read from. `trainings` are those of the finals, on all
    images; `curve_trainings` those of the learning curve, on a share of them. `delivery` is the model that the run leaves, None without one.
    `external` are models of other tools, in the order in which they were scored.
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
    external: tuple[ExternalRecord, ...] = ()
