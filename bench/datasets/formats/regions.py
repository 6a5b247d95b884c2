"""Outlines and run lengths from JSON annotations, and the pixels that they cover."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco

from bench.datasets.dataset import DataOptions
from bench.datasets.images import upright
from bench.errors import DataError, unknown

_ELLIPSE_POINTS = 128
"""Corners of the polygon that stands for an ellipse; its area is 0.04% too small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One annotated region: `polygons` (filled), `lines` (one pixel wide) as flat x, y, x, y, ... in pixels from the top left
    corner, or `rle` as COCO writes it (`size` and `counts`)."""

    class_id: int
    polygons: tuple[tuple[float, ...], ...] = ()
    lines: tuple[tuple[float, ...], ...] = ()
    rle: Mapping[str, Any] | None = None

    def points(self) -> np.ndarray:
        """All corners, float64 [n, 2] as x, y."""
        return np.array([value for line in (*self.polygons, *self.lines) for value in line], float).reshape(-1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionAnnotation:
    """The regions of one image, drawn in their order, later ones on top. `declared` is the (height, width) that the file states."""

    source: str
    image_path: Path
    regions: tuple[Region, ...]
    declared: tuple[int, int] | None = None

    def rasterise(self, height: int, width: int, orientation: int = 1) -> np.ndarray:
        """Class ids uint8 [height, width]. A region covers the pixels whose centres lie in it (COCO's rule).

        A declared size that is the stored, unrotated one means that the outlines were drawn on the unrotated picture; they are
        turned with it. Without a declared size the same follows where outlines fit the stored size only. Raises DataError.
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
                f"but the image is {width}x{height}"
            )
        return (width, height) if stored else (height, width)

    def _stored(self, height: int, width: int, orientation: int) -> bool:
        """Whether the outlines belong to the picture as it is stored, which EXIF shows with height and width swapped."""
        if orientation not in (5, 6, 7, 8) or height == width:
            return False
        if self.declared is not None:
            return self.declared == (width, height)
        fit_shown = all(_fits(region, height, width) for region in self.regions)
        return not fit_shown and all(_fits(region, width, height) for region in self.regions)

    def _covered(self, region: Region, number: int, height: int, width: int) -> np.ndarray:
        covered = np.zeros((height, width), np.uint8)
        if region.rle is not None:
            return self._decode_rle(region.rle, number, height, width)
        if region.polygons:
            runs = coco.frPyObjects([list(polygon) for polygon in region.polygons], height, width)
            covered = np.ascontiguousarray(coco.decode(coco.merge(runs)))
        for line in region.lines:
            points = np.floor(np.array(line).reshape(-1, 2)).astype(np.int32)
            cv2.polylines(covered, [points], isClosed=False, color=1)
        return covered.astype(bool)

    def _decode_rle(self, rle: Mapping[str, Any], number: int, height: int, width: int) -> np.ndarray:
        if list(rle["size"]) != [height, width]:
            raise DataError(
                f"region {number} of {self.image_path} in {self.source} is run lengths for "
                f"{rle['size'][1]}x{rle['size'][0]} pixels, but the image is {width}x{height}"
            )
        compressed = isinstance(rle["counts"], (str, bytes))
        if not compressed and sum(rle["counts"]) != height * width:
            raise DataError(
                f"region {number} of {self.image_path} in {self.source}: its run lengths do not fill the image"
            )
        return coco.decode(dict(rle) if compressed else coco.frPyObjects(dict(rle), height, width)).astype(bool)


def polygon(points: Sequence[Sequence[float]], where: str) -> tuple[float, ...]:
    """Corners (x, y) as the flat tuple that `Region` holds. Raises DataError for fewer than 3 different ones; `where` names
    the file and the region."""
    corners = _finite(points, where)
    if len(set(corners)) < 3:
        raise DataError(f"{where}: a polygon needs at least 3 points, this one has {len(set(corners))}")
    return tuple(value for corner in corners for value in corner)


def line(points: Sequence[Sequence[float]], where: str) -> tuple[float, ...]:
    """Like `polygon`, for an open line of at least 2 points."""
    corners = _finite(points, where)
    if len(corners) < 2:
        raise DataError(f"{where}: a line needs at least 2 points, this one has {len(corners)}")
    return tuple(value for corner in corners for value in corner)


def rectangle(x: float, y: float, width: float, height: float, where: str) -> tuple[float, ...]:
    """The rectangle with its top left corner at x, y; pixels."""
    return polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], where)


def ellipse(cx: float, cy: float, rx: float, ry: float, where: str, theta: float = 0.0) -> tuple[float, ...]:
    """The ellipse around cx, cy with half axes rx, ry, turned by `theta` radians (clockwise as seen); pixels."""
    angle = np.linspace(0, 2 * math.pi, _ELLIPSE_POINTS, endpoint=False)
    x, y = rx * np.cos(angle), ry * np.sin(angle)
    cos, sin = math.cos(theta), math.sin(theta)
    return polygon(np.stack([cx + x * cos - y * sin, cy + x * sin + y * cos], axis=1).tolist(), where)


def has_no_area(outline: Sequence[float]) -> bool:
    """Whether all corners of a flat outline lie on one line."""
    corners = np.array(outline, float).reshape(-1, 2)
    return int(np.linalg.matrix_rank(corners - corners[0], tol=1e-6)) < 2


def class_ids(
    label_files: Mapping[str, str], options: DataOptions, *, keep_order: bool = False
) -> tuple[tuple[str, ...], dict[str, int]]:
    """The foreground classes and the id of each label, from the labels in use (label -> a file that uses it).

    Configured classes keep their order; else the labels are the classes, sorted unless `keep_order`; without any label there is one class,
    "foreground". Raises DataError for a label that the configured classes do not know.
    """
    if options.classes:
        id_of = {str(label): number for number, label in enumerate(options.classes.values(), start=1)}
        for label, file in sorted(label_files.items()):
            if label not in id_of:
                raise DataError(unknown("label", label, id_of, file))
        return tuple(options.classes), id_of
    labels = list(label_files) if keep_order else sorted(label_files)
    return tuple(labels) or ("foreground",), {label: number for number, label in enumerate(labels, start=1)}


def _finite(points: Sequence[Sequence[float]], where: str) -> list[tuple[float, float]]:
    corners = [(float(x), float(y)) for x, y in points]
    if not all(math.isfinite(value) for corner in corners for value in corner):
        raise DataError(f"{where}: a coordinate is not a finite number")
    return corners


def _fits(region: Region, height: int, width: int) -> bool:
    points = region.points()
    return len(points) == 0 or bool((points >= -1).all() and (points <= (width + 1, height + 1)).all())
