"""VGG Image Annotator (VIA), versions 1 to 3.

Version 1 has regions as a dict, version 2 as a list; project files (`_via_img_metadata`) and CSV are read too.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bench.datasets.dataset import ANY, DataOptions, Dataset
from bench.datasets.formats.annotation_files import Document
from bench.datasets.formats.assembly import Entry, Labelled, Reading, assemble
from bench.datasets.formats.regions import Outline, Region, ShapeError, ellipse, line, polygon, rectangle
from bench.datasets.formats.schemas import Name, ViaEntry, ViaRegion, checked
from bench.datasets.formats.via_3 import as_version_2
from bench.errors import DataError, unknown

CLASS_ATTRIBUTES = ("name", "class name", "class", "label", "category", "type")
"""Attributes that hold the class where regions have several: the first of these that a file uses, whatever its case."""

_NAME: TypeAdapter[str] = TypeAdapter(Name)

SHAPES: Mapping[str, Callable[[Mapping[str, Any]], Region]] = {
    "polygon": lambda at: Region(polygons=(polygon(_corners(at)),)),
    "polyline": lambda at: Region(lines=(line(_corners(at)),)),
    "rect": lambda at: Region(polygons=(rectangle(*_get(at, "x", "y", "width", "height")),)),
    "circle": lambda at: Region(polygons=(_circle(*_get(at, "cx", "cy", "r")),)),
    "ellipse": lambda at: Region(polygons=(_ellipse(at),)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _ViaImage:
    """One image of a VIA file with the regions that can be drawn: attributes, region, its name in messages."""

    filename: str
    path: Path
    regions: tuple[tuple[Mapping[str, str | None], Region, str], ...]


def read(documents: Sequence[Document], reading: Reading) -> Dataset:
    """Reads every VIA file. A region's class is the value of one attribute, the same for all regions of a file. That
    attribute is the one whose values the configured classes name, else the first of CLASS_ATTRIBUTES that the file
    uses, else the only one that has values. One value in all files is one class, several are several classes. Regions
    without a value join the class if there is only one; if there are several, they are void.

    A region that cannot be drawn is a finding with its file, image and number. Raises DataError if several attributes
    may be the class.
    """
    for document in documents:
        images = _images(document, reading)
        attribute = _class_attribute(document.path, images, reading.options)
        for image in images:
            regions = tuple(_labelled(*region, attribute) for region in image.regions)
            reading.entries.append(
                Entry(
                    source=document.path,
                    part=document.part,
                    named=image.filename,
                    image_path=image.path,
                    id=reading.name_of(image.path),
                    regions=regions,
                )
            )
    return assemble(reading)


def _images(document: Document, reading: Reading) -> list[_ViaImage]:
    content = document.content
    if document.kind == "via 3":
        content = as_version_2(content, document.path, reading)
    content = content.get("_via_img_metadata", content)
    found = []
    for key, value in content.items():
        entry = checked(ViaEntry, value)
        if isinstance(entry, str):
            said = f"entry {str(key)[:100]!r} in {reading.name_of(document.path)}: {entry}; left out"
            reading.say("bad_entry", said)
            continue
        image_path = reading.find(entry.filename, document.path, document.part)
        if image_path is None:
            continue
        name = reading.name_of(image_path)
        regions = entry.regions or []
        numbered: Iterable[tuple[Any, Any]] = regions.items() if isinstance(regions, dict) else enumerate(regions)
        where = f"of {entry.filename[:200]} in {document.path}"
        read = [
            region
            for number, item in numbered
            if (region := _region(item, f"region {str(number)[:40]} {where}", name, reading))
        ]
        found.append(_ViaImage(filename=entry.filename, path=image_path, regions=tuple(read)))
    return found


def _region(item: Any, where: str, image: str, reading: Reading) -> tuple[Mapping[str, str | None], Region, str] | None:
    region = checked(ViaRegion, item)
    try:
        if isinstance(region, str):
            raise ShapeError(region)
        at = region.shape_attributes
        name = at.get("name")
        if not isinstance(name, str) or name not in SHAPES:
            raise ShapeError(unknown("shape", str(name)[:40], SHAPES))
        values = {
            key.strip().casefold(): text
            for key, value in (region.region_attributes or {}).items()
            if (text := _plain(value)) != ""
        }
        return values, SHAPES[name](at), where
    except ShapeError as error:
        reading.bad_shape(where, error, image)
        return None


def _class_attribute(path: Path, images: Sequence[_ViaImage], options: DataOptions) -> str | None:
    """The attribute that holds the class in this file; None where no region has any."""
    used = {key for image in images for values, _, _ in image.regions for key in values}
    if len(used) <= 1:
        return next(iter(used), None)
    wanted = {str(label) for label in options.classes.values() if str(label).casefold() != ANY}
    named = [
        key for key in sorted(used) if wanted & {values.get(key) for image in images for values, _, _ in image.regions}
    ]
    known = named if len(named) == 1 else [key for key in CLASS_ATTRIBUTES if key in used]
    if not known:
        values = sorted({value for image in images for own, _, _ in image.regions for value in own.values() if value})
        raise DataError(
            f"regions in {path} have the attributes {', '.join(sorted(used))}; "
            f"say which values are classes with classes: {{name: value}} (values: {', '.join(values[:8])}), "
            f"or call one attribute {' or '.join(CLASS_ATTRIBUTES)}"
        )
    return known[0]


def _labelled(values: Mapping[str, str | None], region: Region, where: str, attribute: str | None) -> Labelled:
    label = doubt = None
    if attribute is not None and attribute in values:
        label = values[attribute]
        doubt = None if label else f"has several ticked values of {attribute}, or one that is no name"
    return Labelled(label=label, region=region, where=where, doubt=doubt)


def _plain(value: Any) -> str | None:
    """The one value of an attribute: a text in one line, or the ticked name of a checkbox ({"dent": true}).

    "" for an empty value, None for several ticked names or for what is no name.
    """
    if isinstance(value, dict):
        ticked = [str(key) for key, is_ticked in value.items() if is_ticked is True or is_ticked == "true"]
        if len(ticked) > 1:
            return None
        value = ticked[0] if ticked else ""
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    try:
        return _NAME.validate_python(value)
    except ValidationError:
        return None


def _corners(at: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    x, y = _get(at, "all_points_x", "all_points_y")
    if not isinstance(x, list) or not isinstance(y, list):
        raise ShapeError("its coordinates are no lists")
    if len(x) != len(y):
        raise ShapeError(f"it has {len(x)} x and {len(y)} y coordinates")
    return list(zip(x, y, strict=True))


def _circle(cx: Any, cy: Any, r: Any) -> Outline:
    return ellipse(cx, cy, r, r)


def _ellipse(at: Mapping[str, Any]) -> Outline:
    cx, cy, rx, ry = _get(at, "cx", "cy", "rx", "ry")
    return ellipse(cx, cy, rx, ry, at.get("theta", 0))


def _get(at: Mapping[str, Any], *names: str) -> list[Any]:
    missing = [name for name in names if name not in at]
    if missing:
        raise ShapeError(f"it has no {missing[0]!r}")
    return [at[name] for name in names]
