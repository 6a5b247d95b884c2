"""COCO's run lengths, as a list and as text, checked in Python: pycocotools reads uninitialised memory where their sum is wrong."""

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
    """COCO's text: groups of five bits from 48 on, the sixth says that more follow, the lowest of the last group is the sign; from the
    third count on each is the difference to the last but one."""
    counts: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            if place == len(text) or shift > 35:
                raise ShapeError("its run lengths end within a number")
            group = ord(text[place]) - 48
            if not 0 <= group < 64:
                raise ShapeError(f"its run lengths hold {text[place]!r}")
            value |= (group & 31) << shift
            more, shift, place = bool(group & 32), shift + 5, place + 1
            if not more and group & 16:
                value -= 1 << shift
        if len(counts) > 2:
            value += counts[-2]
        if not 0 <= value <= most:
            raise ShapeError("its run lengths do not fill its size")
        counts.append(value)
    return counts
