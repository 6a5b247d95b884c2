"""Outlines, run lengths and bitmaps from annotation files, and the pixels that they cover."""

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from pycocotools import mask as coco

from bench.datasets.formats.clipping import clip_line, clip_polygon
from bench.datasets.images import PIXEL_LIMIT, upright
from bench.errors import DataError

Outline = tuple[float, ...]
"""Corners as x, y, x, y, ... in pixels from the top left corner."""

_ELLIPSE_POINTS = 128
"""Corners of the polygon that stands for an ellipse; its area is 0.04% too small."""
_MOST_POINTS = 1_000_000


class ShapeError(ValueError):
    """One shape of an annotation file cannot be drawn; the others can. The message says why, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLengths:
    """COCO's run lengths, checked: pixels column by column, background first; they fill `height` times `width`."""

    height: int
    width: int
    counts: tuple[int, ...]

    def covered(self) -> np.ndarray:
        """bool [height, width]"""
        values = np.arange(len(self.counts)) % 2 == 1
        return np.repeat(values, self.counts).reshape(self.width, self.height).T


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitmap:
    """A small mask with its top left corner at `x`, `y`: `rows` are `height` times `width` bytes, 0 or 1."""

    x: int
    y: int
    height: int
    width: int
    rows: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One annotated region: `polygons` (filled), `lines` (one pixel wide), `rle` or `bitmap`.

    With `relative`, coordinates are fractions of the image's width and height.
    """

    class_id: int = 1
    polygons: tuple[Outline, ...] = ()
    lines: tuple[Outline, ...] = ()
    rle: RunLengths | None = None
    bitmap: Bitmap | None = None
    relative: bool = False

    def points(self, height: int, width: int) -> np.ndarray:
        """All corners in pixels, float64 [n, 2] as x, y."""
        points = np.array([value for line in (*self.polygons, *self.lines) for value in line], float).reshape(-1, 2)
        return points * (width, height) if self.relative else points


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionAnnotation:
    """The regions of one image, drawn in their order, later ones on top.

    `declared` is (height, width) as stated in the file.
    """

    source: str
    image_path: Path
    regions: tuple[Region, ...]
    declared: tuple[int, int] | None = None

    def rasterise(self, height: int, width: int, orientation: int = 1) -> np.ndarray:
        """Class ids uint8 [height, width]. A region covers the pixels whose centres lie in it (COCO's rule).

        If the declared size is the stored, unrotated one, the outlines were drawn on the unrotated image and are turned
        with it. Without a declared size, the same holds if the outlines fit the stored size only. Raises DataError.
        """
        shape = self._drawn_shape(height, width, orientation)
        mask = np.zeros(shape, np.uint8)
        for number, region in enumerate(self.regions):
            mask[self._covered(region, number, *shape)] = region.class_id
        return (
            mask
            if shape == (height, width) and not self._stored(height, width, orientation)
            else upright(mask, orientation)
        )

    def outside(self, height: int, width: int) -> tuple[int, ...]:
        """Numbers of the regions with a corner more than one pixel outside; with a declared size that one counts."""
        if self.declared is not None:
            height, width = self.declared
        return tuple(n for n, region in enumerate(self.regions) if not _fits(region, height, width))

    def _drawn_shape(self, height: int, width: int, orientation: int) -> tuple[int, int]:
        stored = self._stored(height, width, orientation)
        if self.declared not in (None, (height, width)) and not stored:
            assert self.declared is not None
            raise DataError(
                f"{self.source} describes {self.image_path} as {self.declared[1]}x{self.declared[0]} pixels, "
                f"but the image is {width}x{height}; export the annotations again, or put back "
                "the picture that was annotated"
            )
        return (width, height) if stored else (height, width)

    def _stored(self, height: int, width: int, orientation: int) -> bool:
        """Whether the outlines belong to the image as it is stored, with height and width swapped by EXIF."""
        if orientation not in (5, 6, 7, 8) or height == width:
            return False
        if self.declared is not None:
            return self.declared == (width, height)
        if any(region.relative for region in self.regions):
            return False
        fit_shown = all(_fits(region, height, width) for region in self.regions)
        return not fit_shown and all(_fits(region, width, height) for region in self.regions)

    def _covered(self, region: Region, number: int, height: int, width: int) -> np.ndarray:
        if region.rle is not None:
            if (region.rle.height, region.rle.width) != (height, width):
                raise DataError(
                    f"region {number} of {self.image_path} in {self.source} is run lengths for "
                    f"{region.rle.width}x{region.rle.height} pixels, but the image is {width}x{height}"
                )
            return region.rle.covered()
        covered = np.zeros((height, width), np.uint8)
        scale = (width, height) if region.relative else (1, 1)
        polygons = [clip_polygon(_points(outline) * scale, height, width) for outline in region.polygons]
        polygons = [polygon for polygon in polygons if len(polygon) >= 3]
        if polygons:
            runs = coco.frPyObjects([polygon.ravel().tolist() for polygon in polygons], height, width)
            covered = np.ascontiguousarray(coco.decode(coco.merge(runs)))
        for line in region.lines:
            for piece in clip_line(_points(line) * scale, height, width):
                cv2.polylines(covered, [np.floor(piece).astype(np.int32)], isClosed=False, color=1)
        if region.bitmap is not None:
            _paste(region.bitmap, covered)
        return covered.astype(bool)


def polygon(points: Iterable[Any]) -> Outline:
    """Corners (x, y) as an outline. Raises ShapeError for fewer than 3 different ones, or for what is no number."""
    corners = _corners(points)
    different = len(set(map(tuple, corners.tolist())))
    if different < 3:
        raise ShapeError(f"a polygon needs at least 3 points, this one has {different}")
    return _flat(corners)


def line(points: Iterable[Any]) -> Outline:
    """Like `polygon`, for an open line of at least 2 points."""
    corners = _corners(points)
    if len(corners) < 2:
        raise ShapeError(f"a line needs at least 2 points, this one has {len(corners)}")
    return _flat(corners)


def rectangle(x: Any, y: Any, width: Any, height: Any) -> Outline:
    """The rectangle with its top left corner at x, y; pixels."""
    x, y, width, height = _numbers(x, y, width, height)
    return polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])


def ellipse(cx: Any, cy: Any, rx: Any, ry: Any, theta: Any = 0.0) -> Outline:
    """The ellipse around cx, cy with half axes rx, ry, turned by `theta` radians (clockwise as seen); pixels."""
    cx, cy, rx, ry, theta = _numbers(cx, cy, rx, ry, theta)
    angle = np.linspace(0, 2 * math.pi, _ELLIPSE_POINTS, endpoint=False)
    x, y = rx * np.cos(angle), ry * np.sin(angle)
    cos, sin = math.cos(theta), math.sin(theta)
    with np.errstate(over="ignore", invalid="ignore"):
        return polygon(np.stack([cx + x * cos - y * sin, cy + x * sin + y * cos], axis=1).tolist())


def bitmap(content: bytes, points: Any) -> Bitmap:
    """A PNG of 0 and 255 (or 1) whose top left corner is at the first of two `points`. Raises ShapeError."""
    corners = _corners(points)
    if len(corners) != 2:
        raise ShapeError(f"a mask needs the two corners of its box, this one has {len(corners)} points")
    if np.abs(corners).max() > PIXEL_LIMIT:
        raise ShapeError("a coordinate is far beyond every picture")
    try:
        with Image.open(io.BytesIO(content)) as file:
            if file.width * file.height > PIXEL_LIMIT:
                raise ShapeError(f"its mask has {file.width}x{file.height} pixels")
            rows = np.asarray(file.convert("L")) > 0
    except ShapeError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever they like
        raise ShapeError("its mask is no picture") from error
    x, y = np.floor(corners.min(axis=0)).astype(int).tolist()
    return Bitmap(x=x, y=y, height=rows.shape[0], width=rows.shape[1], rows=rows.astype(np.uint8).tobytes())


def has_no_area(outline: Sequence[float]) -> bool:
    """Whether all corners of a flat outline lie on one line."""
    corners = np.array(outline, float).reshape(-1, 2)
    scale = max(1.0, float(np.abs(corners).max()))
    shares = corners / scale  # of 1e308 and -1e308 the difference is no number
    return int(np.linalg.matrix_rank(shares - shares[0], tol=1e-6 / scale)) < 2


def _corners(points: Any) -> np.ndarray:
    """float64 [n, 2]"""
    try:
        listed = list(points)
        if len(listed) > _MOST_POINTS:
            raise ShapeError(f"it has {len(listed)} points, more than {_MOST_POINTS}")
        corners = np.array(listed, dtype=float) if listed else np.zeros((0, 2))
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, ShapeError):
            raise
        raise ShapeError("its points are not pairs of numbers") from error
    if corners.ndim != 2 or corners.shape[1] != 2:
        raise ShapeError("its points are not pairs of numbers")
    if not np.isfinite(corners).all():
        raise ShapeError("a coordinate is not a finite number")
    return corners


def _numbers(*values: Any) -> list[float]:
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError, OverflowError) as error:
        raise ShapeError("a coordinate is not a number") from error
    if not all(math.isfinite(number) for number in numbers):
        raise ShapeError("a coordinate is not a finite number")
    return numbers


def _flat(corners: np.ndarray) -> Outline:
    return tuple(corners.ravel().tolist())


def _points(outline: Outline) -> np.ndarray:
    return np.array(outline, float).reshape(-1, 2)


def _paste(small: Bitmap, covered: np.ndarray) -> None:
    rows = np.frombuffer(small.rows, np.uint8).reshape(small.height, small.width)
    top, left = max(0, small.y), max(0, small.x)
    bottom, right = min(covered.shape[0], small.y + small.height), min(covered.shape[1], small.x + small.width)
    if top < bottom and left < right:
        covered[top:bottom, left:right] |= rows[top - small.y : bottom - small.y, left - small.x : right - small.x]


def _fits(region: Region, height: int, width: int) -> bool:
    points = region.points(height, width)
    return len(points) == 0 or bool((points >= -1).all() and (points <= (width + 1, height + 1)).all())
