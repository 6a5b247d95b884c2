"""LabelMe: one JSON beside each image, also in train, val and test folders."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets.dataset import DataOptions, Dataset, Sample
from bench.datasets.formats.annotation_files import (
    find_image,
    image_id,
    json_files,
    load_json,
    part_folders,
    unannotated,
)
from bench.datasets.formats.regions import (
    Region,
    RegionAnnotation,
    class_ids,
    ellipse,
    has_no_area,
    line,
    polygon,
    rectangle,
)
from bench.datasets.images import SUFFIXES
from bench.errors import DataError, unknown
from bench.records import Finding

Points = Sequence[Sequence[float]]


def _rectangle(points: Points, where: str) -> tuple[float, ...]:
    (x0, y0), (x1, y1) = points
    return rectangle(min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0), where)


def _circle(points: Points, where: str) -> tuple[float, ...]:
    centre, rim = points
    radius = float(np.hypot(rim[0] - centre[0], rim[1] - centre[1]))
    return ellipse(centre[0], centre[1], radius, radius, where)


FILLED: Mapping[str, Callable[[Points, str], tuple[float, ...]]] = {
    "polygon": polygon,
    "rectangle": _rectangle,
    "circle": _circle,
}
OPEN = ("line", "linestrip")
"""Shapes with an area, and those drawn one pixel wide."""


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    split: str | None
    content: Mapping[str, Any]


def recognises(root: Path) -> bool:
    """Whether the first JSON files in `root`, its parts or their `images` are LabelMe's."""
    return any(_is_labelme(load_json(path)) for _, path in _files(root)[:3])


def read(root: Path, options: DataOptions) -> Dataset:
    """Reads every LabelMe file. `imagePath` names the image, relative to the JSON; where it is not there, an image with the
    JSON's stem stands in. Raises DataError, naming file and shape, for a shape that is none."""
    loaded = [_Entry(path, split, load_json(path)) for split, path in _files(root)]
    entries = [entry for entry in loaded if _is_labelme(entry.content)]
    label_files = {str(shape["label"]): str(entry.path) for entry in entries for shape in entry.content["shapes"]}
    classes, id_of = class_ids(label_files, options)
    findings: list[Finding] = []
    samples: list[Sample] = []
    for entry in entries:
        image_path = _find(entry)
        if image_path is None:
            named = str(entry.content.get("imagePath"))
            message = f"{image_id(root, entry.path)} names {named}, which does not exist"
            findings.append(Finding(kind="missing_image", message=message, files=(named,)))
            continue
        name = image_id(root, image_path)
        shapes = entry.content["shapes"]
        regions = tuple(_read_shape(shape, f"shape {n} in {entry.path}", id_of) for n, shape in enumerate(shapes))
        findings += [
            Finding(kind="degenerate_region", message=f"shape {n} of {name} has no area", files=(name,))
            for n, region in enumerate(regions)
            if any(has_no_area(outline) for outline in region.polygons)
        ]
        annotation = RegionAnnotation(
            source=str(entry.path), image_path=image_path, regions=regions, declared=_declared(entry.content)
        )
        samples.append(Sample(id=name, image_path=image_path, annotation=annotation, split=entry.split))
    findings += unannotated(root, samples)
    return Dataset(
        name=root.resolve().name,
        root=root,
        format="labelme",
        classes=classes,
        samples=tuple(samples),
        findings=tuple(findings),
    )


def _files(root: Path) -> list[tuple[str | None, Path]]:
    places = ((split, place) for split, folder in part_folders(root) for place in (folder, folder / "images"))
    return [(split, path) for split, place in places if place.is_dir() for path in json_files(place)]


def _is_labelme(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content


def _find(entry: _Entry) -> Path | None:
    named = str(entry.content["imagePath"] or "")
    found = find_image(entry.path.parent, named) if named else None
    same_stem = (entry.path.with_suffix(suffix) for suffix in SUFFIXES)
    return found or next((path for path in same_stem if path.is_file()), None)


def _declared(content: Mapping[str, Any]) -> tuple[int, int] | None:
    height, width = content.get("imageHeight"), content.get("imageWidth")
    return (int(height), int(width)) if height and width else None


def _read_shape(shape: Mapping[str, Any], where: str, id_of: Mapping[str, int]) -> Region:
    class_id = id_of[str(shape["label"])]
    kind = shape.get("shape_type") or "polygon"
    try:
        if kind in OPEN:
            return Region(class_id=class_id, lines=(line(shape["points"], where),))
        if kind in FILLED:
            return Region(class_id=class_id, polygons=(FILLED[kind](shape["points"], where),))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where} cannot be read: {type(error).__name__} {error}") from error
    raise DataError(unknown("shape", kind, (*FILLED, *OPEN), where))
