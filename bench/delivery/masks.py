"""Masks as files: class ids with a colour table, overlays, areas, and outlines for annotation tools."""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from pycocotools import mask as coco

from bench import __version__

COLOURS = np.array(
    [
        (0, 0, 0),
        (230, 159, 0),
        (86, 180, 233),
        (0, 158, 115),
        (240, 228, 66),
        (0, 114, 178),
        (213, 94, 0),
        (204, 121, 167),
    ],
    np.uint8,
)
"""By class id, background first, then repeated: Okabe and Ito's colours, distinct for any colour vision."""

_WHITE = (255, 255, 255)
_OVERLAY_SHARE = 0.4
_JPEG_QUALITY = 92
_PALETTE_SIZE = 256


def mask_png(mask: np.ndarray) -> bytes:
    """A PNG whose values are the class ids, uint8 [H, W], and whose colour table shows them."""
    image = Image.fromarray(mask)
    image.putpalette(_palette().tobytes())
    return _encoded(image, "PNG")


def overlay(image: np.ndarray, mask: np.ndarray, truth: np.ndarray | None = None) -> np.ndarray:
    """`image` with each class of `mask` tinted and outlined, and white outlines of `truth`; RGB uint8 [H, W, 3]."""
    shown = image.copy()
    palette = _palette()
    found = mask > 0
    tinted = (1 - _OVERLAY_SHARE) * image[found] + _OVERLAY_SHARE * palette[mask[found]]
    shown[found] = tinted.round().astype(np.uint8)
    thickness = max(1, round(max(mask.shape) / 400))
    for class_id in np.unique(mask[found]):
        cv2.drawContours(shown, _contours(mask == class_id), -1, palette[class_id].tolist(), thickness)
    if truth is not None:
        for class_id in np.unique(truth[truth > 0]):
            cv2.drawContours(shown, _contours(truth == class_id), -1, _WHITE, thickness)
    return shown


def overlay_jpeg(image: np.ndarray, mask: np.ndarray) -> bytes:
    return _encoded(Image.fromarray(overlay(image, mask)), "JPEG", quality=_JPEG_QUALITY)


AREA_COLUMNS = ("image", "width", "height", "class", "pixels", "share", "objects")


def areas(image: str, mask: np.ndarray, classes: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """A row of AREA_COLUMNS for each class.

    `share` is the fraction 0-1 of the image's pixels; `objects` are regions whose pixels touch, also at corners.
    """
    height, width = mask.shape
    for class_id, name in enumerate(classes, start=1):
        region = (mask == class_id).astype(np.uint8)
        pixels = int(region.sum())
        objects = cv2.connectedComponents(region, connectivity=8)[0] - 1 if pixels else 0
        yield image, width, height, name, pixels, f"{pixels / mask.size:.6f}", objects


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """Pixels of one class that touch at their sides: uint8 [h, w], cut from the mask at row `top`, column `left`."""

    class_id: int
    pixels: np.ndarray
    top: int
    left: int


def coco_json(images: Sequence[tuple[str, np.ndarray]], classes: Sequence[str]) -> dict[str, Any]:
    """COCO instances of (file name, class ids uint8 [H, W]): polygons, and run lengths for regions with holes."""
    annotations: list[dict[str, Any]] = []
    for image_id, (_, mask) in enumerate(images, start=1):
        for region in _regions(mask):
            height, width = region.pixels.shape
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": region.class_id,
                    "segmentation": _segmentation(region, mask.shape),
                    "area": int(region.pixels.sum()),
                    "bbox": [region.left, region.top, width, height],
                    "iscrowd": 0,
                }
            )
    return {
        "info": {"description": "predicted by SegBench", "version": __version__},
        "images": [
            {"id": number, "file_name": name, "height": mask.shape[0], "width": mask.shape[1]}
            for number, (name, mask) in enumerate(images, start=1)
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, start=1)],
        "annotations": annotations,
    }


def labelme_json(image_path: str, mask: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """A LabelMe file of one image, class ids uint8 [H, W].

    LabelMe's polygons have no holes, so a region with holes is cut open: its outline enters each hole and returns on
    the same line of pixels.
    """
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": [
            {
                "label": classes[class_id - 1],
                "points": outline.tolist(),
                "group_id": None,
                "shape_type": "polygon",
                "flags": {},
            }
            for class_id, outline in outlines(mask)
        ],
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": mask.shape[0],
        "imageWidth": mask.shape[1],
    }


def outlines(mask: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """For class ids uint8 [H, W], each region's class id and its outline along the edges of pixels, int [n, 2] as x, y.

    A region has one closed outline; one with holes is cut open.
    """
    for region in _regions(mask):
        yield region.class_id, _cut_open(_rings(region))


POLYGONS: Mapping[str, str] = {
    "coco": "one polygons.json with all images, COCO instances",
    "labelme": "one LabelMe JSON an image",
}
"""Formats of `predict --polygons`."""


def _regions(mask: np.ndarray) -> Iterator[Region]:
    """Pixels of a region touch at sides only: an outline that met itself at a corner would be no polygon."""
    for class_id in np.unique(mask[mask > 0]):
        of_class = (mask == class_id).astype(np.uint8)
        _, labels, facts, _ = cv2.connectedComponentsWithStats(of_class, connectivity=4)
        for label, (left, top, width, height, _) in enumerate(facts.tolist()):
            if label:
                cutting = labels[top : top + height, left : left + width] == label
                yield Region(class_id=int(class_id), pixels=cutting.astype(np.uint8), top=top, left=left)


def _segmentation(region: Region, shape: tuple[int, ...]) -> Any:
    rings = _rings(region)
    if len(rings) == 1:
        return [rings[0].astype(float).ravel().tolist()]
    whole = np.zeros(shape, np.uint8, order="F")
    height, width = region.pixels.shape
    whole[region.top : region.top + height, region.left : region.left + width] = region.pixels
    runs = coco.encode(whole)
    return {"size": [int(side) for side in runs["size"]], "counts": runs["counts"].decode("ascii")}


def _cut_open(rings: Sequence[np.ndarray]) -> np.ndarray:
    """One closed outline, int [n, 2] as x, y, of an outer ring and its holes.

    From each hole's leftmost corner it goes left to the next edge, between two rows of pixels, and returns on the same
    line.
    """
    outer, *holes = rings
    for hole in sorted(holes, key=lambda ring: int(ring[:, 0].min())):
        inner = np.roll(hole, -int(hole[:, 0].argmin()), axis=0)
        x, y = inner[0]
        ends = np.roll(outer, -1, axis=0)
        low, high = np.minimum(outer[:, 1], ends[:, 1]), np.maximum(outer[:, 1], ends[:, 1])
        meets = (outer[:, 0] == ends[:, 0]) & (low <= y) & (y <= high) & (outer[:, 0] < x)
        edge = int(np.where(meets, outer[:, 0], -1).argmax())
        bridge = np.array([[outer[edge, 0], y]])
        outer = np.concatenate([outer[: edge + 1], bridge, inner, inner[:1], bridge, outer[edge + 1 :]])
    return outer


_SIDES = (
    ((-1, 0), (0, 0), (0, 1)),
    ((0, 1), (0, 1), (1, 1)),
    ((1, 0), (1, 1), (1, 0)),
    ((0, -1), (1, 0), (0, 0)),
)
"""For each side of a pixel the neighbour (dy, dx), and the side's corners with the pixel on the right."""


def _rings(region: Region) -> list[np.ndarray]:
    """Outlines along the edges of pixels, int [n, 2] each as x, y: the outer one, then those of holes.

    They enclose exactly the pixels whose centres are inside them.
    """
    crop = np.pad(region.pixels, 1)
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for (dy, dx), start, end in _SIDES:
        open_side = (crop == 1) & (np.roll(crop, (-dy, -dx), (0, 1)) == 0)
        for y, x in np.argwhere(open_side).tolist():
            steps.setdefault((y + start[0], x + start[1]), []).append((y + end[0], x + end[1]))
    rings = []
    while steps:
        rings.append(_walk(steps)[:, ::-1] + (region.left - 1, region.top - 1))
    return sorted(rings, key=_area, reverse=True)


def _walk(steps: dict[tuple[int, int], list[tuple[int, int]]]) -> np.ndarray:
    """Takes one closed way out of `steps`, turning right where two meet at a corner, and keeps its corners."""
    first = next(iter(steps))
    ring, here, direction = [first], first, (0, 0)
    while True:
        choices = steps[here]
        right = (here[0] + direction[1], here[1] - direction[0])
        there = right if right in choices else choices[0]
        choices.remove(there)
        if not choices:
            del steps[here]
        turned = (there[0] - here[0], there[1] - here[1])
        if turned == direction:
            ring[-1] = there
        else:
            ring.append(there)
        here, direction = there, turned
        if here == first:
            break
    return np.array(ring[:-1])


def _area(ring: np.ndarray) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _contours(region: np.ndarray) -> Sequence[np.ndarray]:
    return cv2.findContours(region.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)[0]


def _palette() -> np.ndarray:
    """RGB of every class id, uint8 [256, 3]."""
    foreground = np.arange(_PALETTE_SIZE - 1) % (len(COLOURS) - 1) + 1
    return np.concatenate([COLOURS[:1], COLOURS[foreground]])


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def labelme_path(folder: Path, image: Path) -> str:
    """The image's path as a LabelMe file in `folder` names it."""
    return Path(os.path.relpath(image.absolute(), folder.absolute())).as_posix()
