"""Counted pixels, and the evaluations that they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.records.limits import Whole
from bench.records.versions import SCHEMA_VERSION


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
class Evaluation:
    """One trained model, or one reference that needs no training, scored on one split.

    A trial has `study_id` and `trial_id`; a reference has `reference` (its name) instead. `counts` maps an image id to
    one `ClassCounts` per class id: background first, then the foreground classes in the order of
    `DatasetRecord.classes`.
    """

    schema_version: int = SCHEMA_VERSION
    study_id: str | None = None
    trial_id: str | None = None
    reference: str | None = None
    split: str
    seed: Whole
    counts: Mapping[str, tuple[ClassCounts, ...]]


Confusion = tuple[tuple[Whole, ...], ...]
"""Pixels [truth][predicted] over several images, background first; () of one class, whose counts say the same, and in
older records."""

OUT_OF_FOLD = "out_of_fold"
"""The part that an evaluation is of in which every image was scored by what the other folds made."""
