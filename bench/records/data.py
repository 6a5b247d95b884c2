"""Facts of a data set: its images, what the audit found in them, and how they are split."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.records.counts import ClassCounts
from bench.records.limits import Fraction, Number, Side, Whole
from bench.records.versions import SCHEMA_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the audit found. `kind` is a key of `bench.datasets.audit.KINDS`; `files` are image ids or file
    names."""

    kind: str
    message: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """Facts about one usable image, upright (after EXIF rotation). `foreground_share` has one fraction 0-1 per
    foreground class, of the pixels that are not void; `void_share` is the fraction that is. `survives_from` is for each
    class the smallest of the audit's sizes at which a pixel of it is left, None where none is; empty where it was not
    looked at."""

    id: str
    split: str | None
    width: Side
    height: Side
    foreground_share: tuple[Fraction, ...]
    void_share: Fraction = 0.0
    survives_from: tuple[Whole | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondAnnotation:
    """A picture that was annotated twice: two images of equal pixels whose masks differ. `counts` are those of the
    second mask as a prediction of the first, as in `Evaluation`, at one size for all pictures."""

    first: str
    second: str
    counts: tuple[ClassCounts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """The state of a data set before anything trains. `background_accuracy` is by predefined split ("all" where there
    is none): the pixel accuracy of predicting only background."""

    schema_version: int = SCHEMA_VERSION
    images: tuple[ImageFacts, ...]
    findings: tuple[Finding, ...]
    twin_groups: tuple[tuple[str, ...], ...] = ()
    background_accuracy: Mapping[str, Fraction]
    second_annotations: tuple[SecondAnnotation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRange:
    """What becomes 0 and 255 in the pictures of a data set that have more than 8 bit a channel: one range for all of
    them."""

    low: Number
    high: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRecord:
    """Which data. `classes` are the foreground classes in the order of their ids 1, 2, ...; id 0 is background, 255
    void. `fingerprint` is a SHA-256 over the sorted ids with the decoded pixels of images and masks. `value_range` is
    that of pictures with more than 8 bit a channel, None where there are none: a prediction has to apply it, too.
    `mask_resize` is the rule by which masks were shrunk: whatever scores the model again has to shrink them by it."""

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
    """Image ids by part. `excluded` are images that stay out of every part, with the reason (a twin across splits, for
    example). `folds` divide the development images, train and val, for the final evaluation; `folds_rule` says how."""

    schema_version: int = SCHEMA_VERSION
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    excluded: Mapping[str, str] = field(default_factory=dict)
    rule: str
    folds: tuple[tuple[str, ...], ...] = ()
    folds_rule: str = ""
    fingerprint: str
