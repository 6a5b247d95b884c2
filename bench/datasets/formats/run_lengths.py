"""COCO's run lengths, as a list and as text, checked in Python.

With a wrong sum of lengths, pycocotools reads uninitialised memory.
"""

from typing import Any

from bench.datasets.formats.regions import RunLengths, ShapeError
from bench.datasets.images import PIXEL_LIMIT


def run_lengths(shape: Any) -> RunLengths:
    """{"size": [height, width], "counts": list or text}, whose counts fill the size. Raises ShapeError."""
    size = shape.get("size")
    if not isinstance(size, list) or len(size) != 2 or not all(_is_count(side) for side in size):
        raise ShapeError("its run lengths have no size [height, width]")
    height, width = size
    if height * width > PIXEL_LIMIT or height * width == 0:
        raise ShapeError(f"its run lengths are for {width}x{height} pixels")
    counts = shape.get("counts")
    if isinstance(counts, str):
        counts = _unpacked(counts, height * width)
    if not isinstance(counts, list) or not all(_is_count(count) for count in counts):
        raise ShapeError("its run lengths are no list of counts")
    if sum(counts) != height * width:
        raise ShapeError(f"its run lengths fill {sum(counts)} of {width}x{height} pixels")
    return RunLengths(height=height, width=width, counts=tuple(counts))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= PIXEL_LIMIT


def _unpacked(text: str, most: int) -> list[int]:
    """Counts from COCO's text.

    Characters from 48 on hold groups of five bits. The sixth bit says that more follow, the lowest bit of the last
    group is the sign. From the third count on, each is the difference to the last but one.
    """
    counts: list[int] = []
    position = 0
    while position < len(text):
        value, shift, more = 0, 0, True
        while more:
            if position == len(text) or shift > 35:
                raise ShapeError("its run lengths end within a number")
            group = ord(text[position]) - 48
            if not 0 <= group < 64:
                raise ShapeError(f"its run lengths hold {text[position]!r}")
            value |= (group & 31) << shift
            more, shift, position = bool(group & 32), shift + 5, position + 1
            if not more and group & 16:
                value -= 1 << shift
        if len(counts) > 2:
            value += counts[-2]
        if not 0 <= value <= most:
            raise ShapeError("its run lengths do not fill its size")
        counts.append(value)
    return counts
