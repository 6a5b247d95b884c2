"""Masks that number objects, as Cellpose and StarDist write them, told apart from masks of classes."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.datasets.dataset import ANY
from bench.datasets.formats.mask_looks import channel_of
from bench.datasets.images import mask_pixels
from bench.errors import DataError
from bench.records import Finding

_FILES, _VALUES = 24, 12
"""Masks that are looked at, and values in each: enough to tell, whatever the size of the data set."""
_MANY, _VERY_MANY, _FEW = 10, 30, 3


def object_numbers(paths: Sequence[Path], values: Sequence[int]) -> list[Finding]:
    """A finding if values may be numbers of objects: in each mask they count up from 1, and each is one connected area.

    Raises DataError where there are many of them and no doubt is left.
    """
    if len(values) < _FEW:
        return []
    step = max(1, len(paths) // _FILES)
    counted = [found for path in paths[::step][:_FILES] if (found := _counts_up(path)) is not None]
    if not counted or sum(up for up, _, _, _ in counted) < 0.9 * len(counted):
        return []
    if sum(single for _, single, _, _ in counted) < 0.9 * sum(looked for _, _, looked, _ in counted):
        return []
    tops = {top for _, _, _, top in counted}
    if len(values) >= (_MANY if len(tops) > 1 else _VERY_MANY):
        raise DataError(
            f"mask {paths[0]} and others hold the values 1 to {max(values)}, each of them one connected area: "
            "these look like object (instance) numbers, not classes; "
            f"classes: {{NAME: {ANY}}} makes one class of all objects, "
            "classes: {name: value, ...} says that they are classes"
        )
    if len(tops) > 1 or len(values) >= _MANY:
        message = (
            f"the values 1 to {max(values)} of the masks may be object (instance) numbers: "
            f"each is one connected area, and they count up in each mask; they are read as {len(values)} classes. "
            f"classes: {{NAME: {ANY}}} makes one class of all objects"
        )
        return [Finding(kind="object_numbers", message=message)]
    return []


def _counts_up(path: Path) -> tuple[bool, int, int, int] | None:
    """(values are 1 to their number, how many examined values are one area, how many were examined, the largest)."""
    channel, _, _ = channel_of(mask_pixels(path), path)
    values = np.unique(channel)
    values = values[(values > 0) & (values != 255)]
    if not len(values):
        return None
    looked = values[:: max(1, len(values) // _VALUES)][:_VALUES]
    single = sum(_pieces(channel == value) == 1 for value in looked)
    return len(values) >= 0.9 * int(values[-1]), single, len(looked), int(values[-1])


def _pieces(region: np.ndarray) -> int:
    return cv2.connectedComponents(region.astype(np.uint8), connectivity=8)[0] - 1
