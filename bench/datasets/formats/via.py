"""VGG Image Annotator: version 1 (regions a dict), version 2 (a list) and its project files (`_via_img_metadata`).

One JSON beside the images, or one in each of the train, val and test folders; images beside it or in `images/`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.datasets.dataset import DataOptions, Dataset, Sample
from bench.datasets.formats.annotation_files import (
    documents,
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
from bench.errors import DataError, unknown
from bench.records import Finding

_CLASS_ATTRIBUTES = ("name", "class name", "class", "label", "category", "type")
"""Attributes that hold the class where regions have several, in this order, whatever their case."""

Outline = tuple[float, ...]
SHAPES: Mapping[str, Callable[[Mapping[str, Any], str], tuple[str, Outline]]] = {
    "polygon": lambda at, where: ("polygons", polygon(_corners(at, where), where)),
    "polyline": lambda at, where: ("lines", line(_corners(at, where), where)),
    "rect": lambda at, where: ("polygons", rectangle(at["x"], at["y"], at["width"], at["height"], where)),
    "circle": lambda at, where: ("polygons", ellipse(at["cx"], at["cy"], at["r"], at["r"], where)),
    "ellipse": lambda at, where: (
        "polygons",
        ellipse(at["cx"], at["cy"], at["rx"], at["ry"], where, float(at.get("theta", 0))),
    ),
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One image of a VIA file, before labels have ids."""

    file: Path
    split: str | None
    filename: str
    regions: tuple[tuple[str | None, str, Outline], ...]  # label, field of Region, outline


def recognises(root: Path) -> bool:
    """Whether a JSON file in `root` or in one of its parts is VIA's."""
    return any(
        _entries_of(load_json(path)) is not None for _, folder in part_folders(root) for path in json_files(folder)[:3]
    )


def read(root: Path, options: DataOptions) -> Dataset:
    """Reads every VIA file. A region's class is the value of its attribute, whatever the attribute is called; one value in all
    files is one class, several are several classes; regions without a value join the only class there is.

    Raises DataError, naming file, image and region, for an outline that is none.
    """
    entries: list[_Entry] = []
    findings: list[Finding] = []
    for split, folder in part_folders(root):
        for path, content in documents(folder):
            entries += _read_entries(path, split, _entries_of(content) or {}, options)
    label_files = {label: str(entry.file) for entry in entries for label, _, _ in entry.regions if label is not None}
    classes, id_of = class_ids(label_files, options)
    samples: list[Sample] = []
    for entry in entries:
        image_path = find_image(entry.file.parent, entry.filename)
        if image_path is None:
            message = f"{image_id(root, entry.file)} names {entry.filename}, which does not exist"
            findings.append(Finding(kind="missing_image", message=message, files=(entry.filename,)))
            continue
        regions = tuple(_region(entry, number, classes, id_of) for number in range(len(entry.regions)))
        findings += _flat_regions(entry, image_id(root, image_path), regions)
        annotation = RegionAnnotation(source=str(entry.file), image_path=image_path, regions=regions)
        samples.append(
            Sample(id=image_id(root, image_path), image_path=image_path, annotation=annotation, split=entry.split)
        )
    findings += unannotated(root, samples)
    return Dataset(
        name=root.resolve().name,
        root=root,
        format="via",
        classes=classes,
        samples=tuple(samples),
        findings=tuple(findings),
    )


def _entries_of(content: Any) -> Mapping[str, Any] | None:
    """The images of a VIA file by key, None for another kind of JSON."""
    if isinstance(content, dict) and isinstance(content.get("_via_img_metadata"), dict):
        return content["_via_img_metadata"]
    if isinstance(content, dict) and content and all(_is_entry(value) for value in content.values()):
        return content
    return None


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and "filename" in value and isinstance(value.get("regions"), (dict, list))


def _read_entries(path: Path, split: str | None, content: Mapping[str, Any], options: DataOptions) -> Iterator[_Entry]:
    for value in content.values():
        regions = value["regions"]
        numbered: Iterable[tuple[Any, Any]] = regions.items() if isinstance(regions, dict) else enumerate(regions)
        read = tuple(
            _read_region(region, f"region {number} of {value['filename']} in {path}", options)
            for number, region in numbered
        )
        yield _Entry(path, split, value["filename"], read)


def _read_region(region: Mapping[str, Any], where: str, options: DataOptions) -> tuple[str | None, str, Outline]:
    try:
        at = region["shape_attributes"]
        name = at["name"]
        label = _label(region.get("region_attributes") or {}, where, options)
        if name not in SHAPES:
            raise DataError(unknown("shape", name, SHAPES, where))
        return label, *SHAPES[name](at, where)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{where} cannot be read: {type(error).__name__} {error}") from error


def _corners(at: Mapping[str, Any], where: str) -> list[tuple[float, float]]:
    x, y = at["all_points_x"], at["all_points_y"]
    if len(x) != len(y):
        raise DataError(f"{where} has {len(x)} x and {len(y)} y coordinates")
    return list(zip(x, y, strict=True))


def _label(attributes: Mapping[str, Any], where: str, options: DataOptions) -> str | None:
    """The one value that names the class; None where the region has none."""
    given = {key.strip().casefold(): label for key, value in attributes.items() if (label := _plain(value))}
    if len(given) <= 1:
        return next(iter(given.values()), None)
    wanted = {str(label) for label in options.classes.values()}
    known = [label for label in given.values() if label in wanted] or [
        given[key] for key in _CLASS_ATTRIBUTES if key in given
    ]
    if not known:
        raise DataError(
            f"{where} has the attributes {', '.join(given)}; one must be called {' or '.join(_CLASS_ATTRIBUTES)}"
        )
    return known[0]


def _plain(value: Any) -> str:
    """A text field as it is; of a checkbox ({"dent": true}) the ticked names."""
    if isinstance(value, dict):
        return "+".join(sorted(str(key) for key, ticked in value.items() if ticked))
    return str(value).strip()


def _region(entry: _Entry, number: int, classes: tuple[str, ...], id_of: Mapping[str, int]) -> Region:
    label, kind, outline = entry.regions[number]
    if label is None and len(classes) > 1:
        raise DataError(
            f"region {number} of {entry.filename} in {entry.file} has no class; choose from {', '.join(classes)}"
        )
    class_id = 1 if label is None else id_of[label]
    return (
        Region(class_id=class_id, polygons=(outline,))
        if kind == "polygons"
        else Region(class_id=class_id, lines=(outline,))
    )


def _flat_regions(entry: _Entry, name: str, regions: tuple[Region, ...]) -> Iterator[Finding]:
    for number, region in enumerate(regions):
        if any(has_no_area(outline) for outline in region.polygons):
            yield Finding(kind="degenerate_region", message=f"region {number} of {name} has no area", files=(name,))
