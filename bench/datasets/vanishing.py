"""Foreground that is too thin or too small for a size: the smaller mask has no pixel of it, and nothing is learned."""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np

from bench.datasets.letterbox import THIN_LINES, letterbox_mask
from bench.errors import DataError
from bench.records import Finding, ImageFacts

SIZES = (32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 1024, 1536, 2048)
"""Sides in pixels of the square at which an audit looks."""

_HALF = 127
"""Of 255: a pixel is foreground where at least half of it is covered, see `letterbox_mask`."""
_WORTH_SAYING = 0.05
_MOST = 0.5


def survives_from(
    mask: np.ndarray, num_classes: int, pixels: np.ndarray, mask_resize: str = "majority"
) -> tuple[int | None, ...]:
    """For each class the smallest of SIZES at which a pixel of it is left of a mask uint8 [H, W].

    None if there is no such size, or if the class is not in the mask. `pixels` are the mask's pixels of each value.
    """
    found: list[int | None] = [None] * num_classes
    longest = max(mask.shape)
    for number in np.flatnonzero(pixels[1 : num_classes + 1]).tolist():
        region = cv2.compare(mask, number + 1, cv2.CMP_EQ)
        found[number] = next((size for size in SIZES if size >= longest or _is_left(region, size, mask_resize)), None)
    return tuple(found)


def vanishing(facts: Sequence[ImageFacts], classes: Sequence[str], mask_resize: str = "majority") -> Iterator[Finding]:
    """A finding for each class that is gone in more than one of twenty of its images at some size."""
    for number, name in enumerate(classes):
        present = [image for image in facts if image.survives_from and image.foreground_share[number] > 0]
        lost = {size: gone(present, number, size) for size in SIZES}
        reported = {size: count for size, count in lost.items() if present and count > _WORTH_SAYING * len(present)}
        if reported:
            at = ", ".join(f"{count} at size {size}" for size, count in reported.items())
            way_out = _way_out(present, number, mask_resize)
            what = f"the foreground of class {name}" if len(classes) > 1 else "the foreground"
            message = f"{what} is too thin or too small and vanishes in {at}, of {len(present)} images; {way_out}"
            yield Finding(kind="vanishing", message=message)


def sizes_said(
    facts: Sequence[ImageFacts],
    classes: Sequence[str],
    sizes: Iterable[int],
    evaluation_size: int,
    mask_resize: str = "majority",
) -> Iterator[str]:
    """A line for each class that is gone in more than one of twenty images at a size of the search.

    Raises DataError if the class is gone in most images at the size at which all trials are compared. A score there
    means nothing.
    """
    for number, name in enumerate(classes):
        present = [image for image in facts if image.survives_from and image.foreground_share[number] > 0]
        lost = {size: gone(present, number, size) for size in sorted({*sizes, evaluation_size})}
        reported = {size: count for size, count in lost.items() if present and count > _WORTH_SAYING * len(present)}
        if not reported:
            continue
        way_out = _way_out(present, number, mask_resize)
        at = ", ".join(f"{count} at size {size}" for size, count in reported.items())
        said = f"the foreground of class {name} vanishes in {at}, of {len(present)} images; {way_out}"
        if lost[evaluation_size] > _MOST * len(present):
            raise DataError(
                f"{said}: at the evaluation size {evaluation_size} it is gone in most; "
                "set image_size in the search space, or evaluation_size in the protocol"
            )
        yield said


def _way_out(present: Sequence[ImageFacts], number: int, mask_resize: str) -> str:
    enough = next((size for size in SIZES if gone(present, number, size) <= _WORTH_SAYING * len(present)), None)
    larger = (
        f"it is left from size {enough} on"
        if enough
        else "view: [patches] in the search space sees images at their own resolution"
    )
    return larger if mask_resize == THIN_LINES else f"{larger}; data: {{mask_resize: {THIN_LINES}}} keeps thin lines"


def gone(present: Sequence[ImageFacts], number: int, size: int) -> int:
    """In how many of the images that show a class nothing of it is left at a size."""
    return sum((smallest := image.survives_from[number]) is None or smallest > size for image in present)


def _is_left(region: np.ndarray, size: int, mask_resize: str) -> bool:
    """Whether a pixel is left of a region uint8 [H, W] of 0 and 255 at that size of its longest side.

    A much larger region is first shrunk by a whole number, which OpenCV does several times as fast.
    """
    if mask_resize == THIN_LINES:
        return bool(letterbox_mask(region, size, mask_resize).any())
    height, width = region.shape
    scale = size / max(height, width)
    factor = int(1 / (2 * scale))
    if factor > 1:
        rows, columns = max(1, height // factor), max(1, width // factor)
        region = cv2.resize(region[: rows * factor, : columns * factor], (columns, rows), interpolation=cv2.INTER_AREA)
    small = cv2.resize(
        region, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
    )
    return bool(small.max() >= _HALF)
