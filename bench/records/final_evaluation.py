"""Facts of a final evaluation: its candidates, their trainings, the model that is delivered, and models of other
tools."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from bench.records.configurations import Configured, Hyperparameters
from bench.records.counts import ClassCounts, Confusion
from bench.records.limits import MOST_FOLDS, Flag, Fold, Fraction, Inside, Moment, Seconds, Side, Whole, one_of
from bench.records.search import Status
from bench.records.versions import SCHEMA_VERSION

Unit = tuple[str, int, int]
"""Names a training of the final evaluation within its run: configuration, seed and fold."""

FINALIST, DEFAULT, ORIGINAL, PORTFOLIO, LEVEL = (
    "finalist",
    "default configuration",
    "original baseline",
    "portfolio",
    "level",
)
"""Roles of candidates, as they are recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate(Configured):
    """A configuration of the finals. `roles` says why it is there: "finalist", "default configuration", "original
    baseline", "portfolio", or "level": the default configuration with one other value. A finalist names the trial that
    it was in the search, with its validation IoU there."""

    name: str
    roles: tuple[str, ...]
    hyperparameters: Hyperparameters
    study_id: str | None = None
    trial_id: str | None = None
    search_iou: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalsRecord:
    """Which candidates are trained, on which folds and with which seeds. `rule` says in words how the plan follows from
    its time. A training has `epochs` of `steps_per_epoch` optimiser steps (None in older records, where an epoch was a
    pass over the images). All candidates are trained on the first fold; on the others all of them `everywhere`, else
    the leaders as far as there was time. Where it is `balanced`, a comparison of levels, all of them are trained with
    every further seed too, and none is preferred. Where it is `fitted` to its time, `epochs` is about how long a
    training was to be, and each says how long it was."""

    schema_version: int = SCHEMA_VERSION
    candidates: tuple[Candidate, ...]
    folds: Annotated[int, Field(strict=True, ge=1, le=MOST_FOLDS)]
    seeds: tuple[Whole, ...]
    epochs: Annotated[int, Field(strict=True, ge=1, le=10**7)]
    rule: str
    steps_per_epoch: Whole | None = None
    everywhere: Flag = True
    balanced: Flag = False
    fitted: Flag = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord(Configured):
    """One training of a candidate of the finals: on all folds but `fold` (from 0), with `seed`, to the last epoch.

    `out_of_fold` and `test` hold counts as in `Evaluation`, of the images of `fold` and of the held-out images; both
    are empty where the training did not complete, and `error` says why. `train_share` is 1 in the final evaluation; a
    training of the learning curve saw a smaller share of the images, `train_images` of them (None where that is not on
    record). `evidence` names the arrays of a `bench.evaluation.pixel_statistics.PixelStatistics` of the same images;
    None where none were kept. `confusion` is of the images out of fold. `encoder_sha256` is as in `TrialRecord`.
    """

    schema_version: int = SCHEMA_VERSION
    candidate: str
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
    encoder_sha256: str | None = None
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
    """One trained network of the delivered model: the training of a candidate on all folds but `fold` (None: on all of
    them), with `seed`. `weights` is its file of weights, relative to the run's folder."""

    candidate: str
    hyperparameters: Hyperparameters
    fold: Fold | None
    seed: Whole
    weights: Inside


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """The model that a run delivers, in `model/`: the mean over `members`, which may name a network more than once, and
    over mirrored images where `flips`. `image_size` is the side of its square input in pixels, into which an image is
    shrunk, or by the `view` "patches" that of windows at the image's own resolution. A pixel whose probability is at
    least `threshold` is foreground (several classes: the most probable wins); regions below `smallest_object`, a share
    of the image's area, are dropped (0: none).

    `out_of_fold` and `test` hold counts as in `Evaluation`: of every development image by members that did not see it,
    with members, threshold and smallest object chosen on the other folds; of the held-out test images by the model as
    delivered, once. `rule` says in words what was chosen and why. `confusion` is of the held-out images. `latency_s` is
    seconds an image, `num_bytes` the size of the model's file.

    A `refit` is one network that was trained on all development images: `out_of_fold` is then what trainings of its
    recipe on folds found.
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
    refit: Flag = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalRecord:
    """A model of another tool, known by its masks alone, scored once at `evaluation_size` px on the parts that were
    given: `out_of_fold` and `test` hold counts as in `Evaluation`, and a part that was not given is empty. `folder` is
    where the masks lay, `masks_digest` a SHA-256 over image ids with the pixels of their masks. Of several records of
    one `name` the last counts."""

    schema_version: int = SCHEMA_VERSION
    name: Annotated[str, Field(min_length=1, max_length=200)]
    folder: str
    scored_at: Moment
    evaluation_size: Side
    masks_digest: str
    out_of_fold: Mapping[str, tuple[ClassCounts, ...]] = field(default_factory=dict)
    test: Mapping[str, tuple[ClassCounts, ...]] = field(default_factory=dict)
