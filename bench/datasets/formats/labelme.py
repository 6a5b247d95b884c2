"""LabelMe (and X-AnyLabeling): one JSON for each image, beside it or in a folder of its own."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from bench.datasets.dataset import Dataset
from bench.datasets.formats.annotation_files import Document
from bench.datasets.formats.assembly import Entry, Labelled, Reading, assemble
from bench.datasets.formats.regions import Outline, Region, ShapeError, bitmap, ellipse, line, polygon, rectangle
from bench.datasets.formats.schemas import LabelMeFile, LabelMeShape, checked
from bench.datasets.images import SUFFIXES
from bench.errors import DataError, unknown

Points = Sequence[Any]


def _rectangle(points: Points) -> Outline:
    """Two opposite corners, or all four of them in turn (X-AnyLabeling)."""
    if len(points) == 4:
        return polygon(points)
    x0, y0, x1, y1 = line(points) if len(points) == 2 else (0.0, 0.0, 0.0, 0.0)
    if len(points) != 2:
        raise ShapeError(f"a rectangle has 2 or 4 points, this one has {len(points)}")
    return rectangle(min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0))


def _circle(points: Points) -> Outline:
    if len(points) != 2:
        raise ShapeError(f"a circle has its centre and a point of its rim, this one has {len(points)} points")
    cx, cy, x, y = line(points)
    radius = ((x - cx) ** 2 + (y - cy) ** 2) ** 0.5 if max(abs(x - cx), abs(y - cy)) < 1e150 else float("inf")
    return ellipse(cx, cy, radius, radius)


FILLED: Mapping[str, Callable[[Points], Outline]] = {
    "polygon": polygon,
    "rectangle": _rectangle,
    "rotation": polygon,
    "quadrilateral": polygon,
    "circle": _circle,
}
OPEN = ("line", "linestrip")
MASK = "mask"
"""Shapes with an area, those drawn one pixel wide, and small masks."""


def read(documents: Sequence[Document], reading: Reading) -> Dataset:
    """Reads every LabelMe file.

    An image with the JSON's own stem, beside the JSON or beside its folder, is the annotated one, even if `imagePath`
    names another; without one, `imagePath` decides. An image that is nowhere is taken from `imageData`.

    A shape that cannot be drawn is a finding with its file and number.
    """
    files: dict[Path, LabelMeFile] = {}
    for document in documents:
        file = checked(LabelMeFile, document.content)
        if isinstance(file, str):
            reading.say(
                "bad_entry", f"{reading.name_of(document.path)}: {file}; left out", reading.name_of(document.path)
            )
            continue
        files[document.path] = file
        _add_entry(document, file, reading)
    if not files:
        raise DataError(f"{documents[0].path} cannot be read as LabelMe's: {reading.findings[0].message}")
    return assemble(reading)


def _add_entry(document: Document, file: LabelMeFile, reading: Reading) -> None:
    path, name = _find(document, file, reading)
    if path is None:
        return
    declared = (file.imageHeight, file.imageWidth) if file.imageHeight and file.imageWidth else None
    reading.entries.append(
        Entry(
            source=document.path,
            part=document.part,
            named=name,
            image_path=path,
            id=name if path == document.path else reading.name_of(path),
            regions=tuple(_shapes(document, file, name if path == document.path else reading.name_of(path), reading)),
            declared=declared,
        )
    )


def _find(document: Document, file: LabelMeFile, reading: Reading) -> tuple[Path | None, str]:
    """The image and its name: the JSON itself if the image is inside it."""
    own = _of_own_stem(document, reading)
    named = file.imagePath
    found = reading.index.find(named, document.path.parent, document.part) if named else None
    if found is not None and found.stem == document.path.stem:
        own = found  # of a.jpg and a.png beside a.json the one that it names
    if own is not None and found is not None and own != found:
        reading.say(
            "renamed",
            f"{reading.name_of(document.path)} says imagePath {named}, another picture than {own.name} of its own "
            f"name; its outlines are read as those of {own.name}",
            reading.name_of(own),
        )
    if own is not None or found is not None:
        return own or found, str(own or found)
    if document.holds_image:
        suffix = PureWindowsPath(named or "").suffix.lower()
        suffix = suffix if suffix in SUFFIXES else ".png"
        return document.path, reading.name_of(document.path.with_suffix(suffix))
    reading.find(named or document.path.with_suffix("").name, document.path, document.part)
    return None, ""


def _of_own_stem(document: Document, reading: Reading) -> Path | None:
    """The one image with the JSON's stem in its folder, in `images` there or beside it."""
    folder = document.path.parent
    for parent in (folder, folder / "images", folder.parent / "images", folder.parent):
        for suffix in SUFFIXES if parent.is_relative_to(reading.root) else ():
            found = reading.index.at(parent, document.path.stem + suffix)
            if found is not None:
                return found
    return None


def _shapes(document: Document, file: LabelMeFile, name: str, reading: Reading) -> list[Labelled]:
    regions = []
    for number, item in enumerate(file.shapes):
        where = f"shape {number} in {document.path}"
        shape = checked(LabelMeShape, item)
        try:
            if isinstance(shape, str):
                raise ShapeError(shape)
            regions.append(Labelled(label=shape.label, region=_region(shape), where=where))
        except ShapeError as error:
            reading.bad_shape(where, error, name)
    return regions


def _region(shape: LabelMeShape) -> Region:
    kind = shape.shape_type or "polygon"
    if kind in OPEN:
        return Region(lines=(line(shape.points),))
    if kind == MASK:
        try:
            content = base64.b64decode(shape.mask or "", validate=True)
        except (binascii.Error, ValueError) as error:
            raise ShapeError("its mask is no base64") from error
        return Region(bitmap=bitmap(content, shape.points))
    if kind in FILLED:
        return Region(polygons=(FILLED[kind](shape.points),))
    if kind in ("point", "points"):
        raise ShapeError("a point has no area")
    raise ShapeError(unknown("shape", kind[:40], (*FILLED, *OPEN, MASK)))
