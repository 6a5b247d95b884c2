"""The one shape that every annotation format is read into."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from bench.errors import DataError
from bench.records import Finding, ValueRange

SPLIT_FOLDERS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Folder (and COCO file) names that predefine a part."""

VOID = 255
"""The id of undecided pixels in masks: they are left out of the loss and of every metric."""

MOST_CLASSES = VOID - 1
"""Foreground classes that a mask of 8 bit can tell apart beside background and void."""

MASK_RESIZE: Mapping[str, str] = {
    "majority": "a pixel takes the class that covers most of it",
    "thin_lines": (
        "a pixel is foreground where a line of one pixel would run through it: "
        "thin lines stay, areas grow at their edges"
    ),
}
"""How a mask is shrunk to the size of a model."""

ANY = "any"
"""In `DataOptions.classes`: whatever is not background (masks of object numbers, or every label) is this one class."""


def at_home(path: Path) -> Path:
    """With `~` and `~NAME` resolved. Raises DataError for a home folder that is not known."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise DataError(f"{str(path)[:200]!r} names a home folder that is not known") from error


class Annotation(Protocol):
    """What is known about one image's pixels, whatever file it came from."""

    def rasterise(self, height: int, width: int, orientation: int = 1) -> np.ndarray:
        """Class ids uint8 [height, width] of the image as it is shown (after EXIF rotation); 0 is background.

        Undecided pixels are VOID. `orientation` is the image's EXIF orientation 1-8, for an annotation that was drawn
        on the pixels as they are stored. Raises DataError, naming the file, if the annotation does not fit an image of
        that size.
        """
        ...

    def outside(self, height: int, width: int) -> tuple[int, ...]:
        """Numbers of the regions that reach beyond an image of that size (upright); always empty for mask files."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One image with its annotation.

    `id` is unique and readable: the image's path below the data set's folder, with `/`. `split` is the predefined part
    ("train", "val" or "test"), None if the data set has none. `value_range` is that of the data set, for an image of
    more than 8 bit a channel.
    """

    id: str
    image_path: Path
    annotation: Annotation
    split: str | None = None
    value_range: ValueRange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A directory as its format's reader saw it: nothing decoded yet.

    `classes` are the foreground classes in the order of their ids 1, 2, ... `findings` are what the reader noticed, for
    the audit: an annotated file that does not exist, an image without annotation, a polygon with no area.
    `mask_resize`, one of MASK_RESIZE, is how masks are shrunk everywhere.
    """

    name: str
    root: Path
    format: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    findings: tuple[Finding, ...] = ()
    value_range: ValueRange | None = None
    mask_resize: str = "majority"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """What a configuration may say about reading a data set.

    - `classes` maps a class name to its id, its colour "#rrggbb" (folders) or its label (JSON formats), or to ANY. If
      it is empty, the reader finds the classes.
    - `ignore` are values, colours or labels that are void.
    - `images` and `masks` are patterns below the data set's folder, for folders that no table knows.
    - `split_prefixes` maps a file-name prefix to a part, {"training_": "train", "test_": "test"}.
    - `skip_unreadable` leaves out an image that cannot be decoded (a finding) instead of stopping.
    - `allow_outside` reads images outside of the data set's folder if an annotation names them.
    - `mask_resize` is one of MASK_RESIZE.
    """

    classes: Mapping[str, int | str] = field(default_factory=dict)
    ignore: tuple[int | str, ...] = ()
    images: str | None = None
    masks: str | None = None
    split_prefixes: Mapping[str, str] = field(default_factory=dict)
    skip_unreadable: bool = False
    allow_outside: bool = False
    mask_resize: str = "majority"
