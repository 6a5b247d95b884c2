"""Outlines are cut at a box around the image before they reach foreign code.

The memory that pycocotools takes for a polygon grows with its length, and a coordinate of 1e9 kills the process. Inside
the image nothing changes.
"""

from itertools import pairwise

import numpy as np

REACH = 4
"""Outlines are cut at this distance from the image, in multiples of its longest side."""


def clip_polygon(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """The polygon float64 [n, 2] cut at the box (Sutherland and Hodgman, Communications of the ACM 17, 1974).

    A polygon inside the box is returned unchanged. The new edges along the box are far from the image.
    """
    low, high = _box(height, width)
    if len(points) == 0 or ((points >= low) & (points <= high)).all():
        return points
    for axis in (0, 1):
        for limit, sign in ((low[axis], 1.0), (high[axis], -1.0)):
            points = _half_plane(points, axis, limit, sign)
            if len(points) == 0:
                return points
    return points


def clip_line(points: np.ndarray, height: int, width: int) -> list[np.ndarray]:
    """The pieces of an open line float64 [n, 2] within the box, each [m, 2]; the line itself where it lies within."""
    low, high = _box(height, width)
    if ((points >= low) & (points <= high)).all():
        return [points]
    pieces = []
    for start, end in pairwise(points):
        piece = _segment(start, end, low, high)
        if piece is not None:
            pieces.append(piece)
    return pieces


def _box(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    reach = REACH * max(height, width)
    return np.array([-reach, -reach], float), np.array([width + reach, height + reach], float)


def _half_plane(points: np.ndarray, axis: int, limit: float, sign: float) -> np.ndarray:
    distance = sign * (points[:, axis] / 2 - limit / 2)  # halved, so that 1e308 - -1e308 is still a number
    kept = []
    for index in range(len(points)):
        before, here = distance[index - 1], distance[index]
        if (before < 0) != (here < 0):
            share = before / (before - here) if np.isfinite(before - here) else 0.5
            crossing = points[index - 1] * (1 - share) + points[index] * share
            crossing[axis] = limit
            kept.append(crossing)
        if here >= 0:
            kept.append(points[index])
    return np.array(kept).reshape(-1, 2)


def _segment(start: np.ndarray, end: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
    """The part of a segment in the box (Liang and Barsky); None where there is none."""
    first, last = 0.0, 1.0
    for axis in (0, 1):
        step = end[axis] / 2 - start[axis] / 2
        for room in ((low[axis] / 2 - start[axis] / 2, 1.0), (high[axis] / 2 - start[axis] / 2, -1.0)):
            distance, sign = room
            if step == 0:
                if sign * distance > 0:
                    return None
                continue
            position = distance / step
            if (step > 0) == (sign > 0):
                first = max(first, position)
            else:
                last = min(last, position)
    if first > last:
        return None
    return np.stack([start * (1 - first) + end * first, start * (1 - last) + end * last])
