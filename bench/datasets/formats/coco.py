"""COCO instances: polygons, run lengths as lists and as text.

There is one JSON file, or one for each part (`instances_train.json` and so on), anywhere in the data set's folder;
`image_index` says how its images are found.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.datasets.dataset import SPLIT_FOLDERS, Dataset
from bench.datasets.formats.annotation_files import Document
from bench.datasets.formats.assembly import Entry, Labelled, Reading, assemble
from bench.datasets.formats.regions import Region, ShapeError, polygon, rectangle
from bench.datasets.formats.run_lengths import run_lengths
from bench.datasets.formats.schemas import CocoAnnotation, CocoCategory, CocoImage, checked
from bench.errors import DataError

_SHOWN = 5


def read(documents: Sequence[Document], reading: Reading) -> Dataset:
    """Reads every COCO file.

    Classes are the names of the categories in use, in the order of their ids, or those of `options.classes` (class name
    -> category name). Crowd regions (`iscrowd`) count as their category. An annotation without an outline makes its box
    void.

    An entry that is none is a finding with its file and number. Raises DataError where no annotation can be drawn.
    """
    instances = _instances(documents, reading)
    parts = _parts(instances)
    order: list[str] = []
    boxes = 0
    for document, part in zip(instances, parts, strict=True):
        boxes += _read_file(document, part, order, reading)
    drawn = any(item.doubt is None for entry in reading.entries for item in entry.regions)
    if reading.entries and boxes and not drawn:
        raise DataError(f"{instances[0].path} has no segmentation, only boxes; masks need polygons or run lengths")
    return assemble(reading, order=order)


def _instances(documents: Sequence[Document], reading: Reading) -> list[Document]:
    """Files of regions; captions and key points beside them are passed over."""
    panoptic = [document for document in documents if _share(document, "segments_info")]
    regions = [document for document in documents if document not in panoptic and not _is_captions(document)]
    without_points = [document for document in regions if not _share(document, "keypoints")]
    chosen = without_points or regions
    for document in documents:
        if document not in chosen:
            name = reading.name_of(document.path)
            reading.say("passed_over", f"{name} holds no regions (captions, key points or panoptic ids); passed over")
    if not chosen:
        what = "panoptic ids" if panoptic else "captions"
        raise DataError(
            f"{documents[0].path} holds {what}; regions are read from a COCO instances file, export that one"
        )
    return chosen


def _share(document: Document, key: str) -> bool:
    items = [item for item in document.content["annotations"] if isinstance(item, dict)]
    return bool(items) and all(key in item for item in items)


def _is_captions(document: Document) -> bool:
    items = [item for item in document.content["annotations"] if isinstance(item, dict)]
    return bool(items) and not any("category_id" in item or "segmentation" in item for item in items)


def _parts(documents: Sequence[Document]) -> list[str | None]:
    """From a folder above the file; else from the files' names, where there are several and all of them tell a part."""
    named = [_part_in_name(document.path.stem) for document in documents]
    tell = None not in named and len(set(named)) > 1
    return [document.part or (name if tell else None) for document, name in zip(documents, named, strict=True)]


def _part_in_name(stem: str) -> str | None:
    words = re.findall("[a-z]+", stem.lower())
    return next((SPLIT_FOLDERS[word] for word in words if word in SPLIT_FOLDERS), None)


def _read_file(document: Document, part: str | None, order: list[str], reading: Reading) -> int:
    """Adds one file's entries to `reading` and its category names to `order`; returns how many are only a box."""
    content, path = document.content, document.path
    name_of = _categories(document, reading)
    images = _images(document, reading)
    by_image: dict[str, list[Labelled]] = {image.id: [] for image in images}
    hints = (path.stem.split("_")[-1],)
    path_of = {image.id: reading.find(image.file_name, path, part, hints) for image in images}
    names = {key: reading.name_of(found) for key, found in path_of.items() if found is not None}
    names = {image.id: names.get(image.id, image.file_name[:200]) for image in images}
    orphans: list[str] = []
    unknown_category = used = boxes = 0
    for number, item in enumerate(content["annotations"]):
        shown = item.get("id", number) if isinstance(item, dict) else number
        where = f"annotation {str(shown)[:40]}"
        annotation = checked(CocoAnnotation, item)
        if isinstance(annotation, str):
            reading.bad_shape(f"{where} in {path}", annotation)
            continue
        if annotation.image_id not in by_image:
            orphans.append(annotation.image_id)
            continue
        name = names[annotation.image_id]
        where = f"{where} of {name} in {path}"
        label = name_of.get(annotation.category_id)
        if label is None:
            unknown_category += 1
            reading.bad_shape(
                where, f"it uses the category {annotation.category_id}, which its categories do not name", name
            )
            continue
        used += 1
        region = None
        if annotation.segmentation:
            region = _region(annotation.segmentation, where, name, reading)
        else:
            boxes += 1
        if region is not None:
            by_image[annotation.image_id].append(Labelled(label=label, region=region, where=where))
            continue
        # Without an outline a box is better than nothing, and the audit says so.
        box = _box(annotation.bbox)
        if box is not None:
            doubt = "has a box and no outline that can be drawn"
            by_image[annotation.image_id].append(Labelled(label=label, region=box, where=where, doubt=doubt))
        elif not annotation.segmentation:
            reading.say("degenerate_region", f"{where} has no segmentation and is not drawn", name)
    if unknown_category and not used:
        raise DataError(f"{reading.first_bad}; no annotation of the file has a category that it names")
    if orphans:
        ids = ", ".join(dict.fromkeys(orphans[:_SHOWN]))
        said = (
            f"{len(orphans)} annotations in {reading.name_of(path)} belong to no image that it lists (image_id {ids})"
        )
        reading.say("orphan_annotation", said)
    # Categories that no annotation uses are no classes: a network would be scored on what it never saw.
    drawn = {item.label for items in by_image.values() for item in items}
    order += [name for name in name_of.values() if name in drawn and name not in order]
    _add_entries(document, part, images, path_of, by_image, reading)
    return boxes


def _add_entries(
    document: Document,
    part: str | None,
    images: Sequence[CocoImage],
    path_of: Mapping[str, Path | None],
    by_image: Mapping[str, list[Labelled]],
    reading: Reading,
) -> None:
    for image in images:
        image_path = path_of[image.id]
        if image_path is None:
            continue
        declared = (image.height, image.width) if image.height and image.width else None
        if declared is None:
            reading.say("no_size", f"{document.path.name} states no width and height of {image.file_name[:200]}")
        reading.entries.append(
            Entry(
                source=document.path,
                part=part,
                named=image.file_name,
                image_path=image_path,
                id=reading.name_of(image_path),
                regions=tuple(by_image[image.id]),
                declared=declared,
            )
        )


def _categories(document: Document, reading: Reading) -> dict[str, str]:
    """Id -> name, in the order of the ids; each file speaks for itself."""
    categories = document.content.get("categories")
    found: dict[str, str] = {}
    for number, item in enumerate(categories if isinstance(categories, list) else ()):
        category = checked(CocoCategory, item)
        if isinstance(category, str):
            reading.say("bad_entry", f"category {number} in {reading.name_of(document.path)}: {category}; passed over")
        elif found.setdefault(category.id, category.name) != category.name:
            raise DataError(
                f"{document.path} gives the category {category.id} two names, {found[category.id]} and {category.name}"
            )
    return dict(
        sorted(found.items(), key=lambda pair: (0, int(pair[0]), "") if pair[0].isdecimal() else (1, 0, pair[0]))
    )


def _images(document: Document, reading: Reading) -> list[CocoImage]:
    found: dict[str, CocoImage] = {}
    for number, item in enumerate(document.content["images"]):
        image = checked(CocoImage, item)
        if isinstance(image, str):
            reading.say("bad_entry", f"image {number} in {reading.name_of(document.path)}: {image}; left out")
        elif found.setdefault(image.id, image).file_name != image.file_name:
            raise DataError(
                f"{document.path} gives the image id {image.id} to {found[image.id].file_name[:200]} and "
                f"{image.file_name[:200]}"
            )
    return list(found.values())


def _region(shape: Any, where: str, name: str, reading: Reading) -> Region | None:
    try:
        if isinstance(shape, dict):
            return Region(rle=run_lengths(shape))
        if not isinstance(shape, list):
            raise ShapeError("its segmentation is neither a list of polygons nor run lengths")
        flat = all(isinstance(value, int | float) and not isinstance(value, bool) for value in shape)
    except ShapeError as error:
        reading.bad_shape(where, error, name)
        return None
    outlines = []
    for number, part in enumerate([shape] if flat else shape):
        try:
            outlines.append(polygon(_pairs(part)))
        except ShapeError as error:
            reading.bad_shape(where if len(shape) == 1 or flat else f"{where}, part {number}", error, name)
    return Region(polygons=tuple(outlines)) if outlines else None


def _box(box: Any) -> Region | None:
    """The rectangle of x, y, width and height; None for what is none."""
    try:
        return Region(polygons=(rectangle(*box),)) if isinstance(box, list) and len(box) == 4 else None
    except ShapeError:
        return None


def _pairs(part: Any) -> list[tuple[Any, Any]]:
    if not isinstance(part, list):
        raise ShapeError("its segmentation is no list of polygons")
    if part and all(isinstance(point, list) and len(point) == 2 for point in part):
        return [(x, y) for x, y in part]
    if len(part) % 2:
        raise ShapeError(f"a polygon has {len(part)} numbers, and x and y are pairs")
    return list(zip(part[::2], part[1::2], strict=True))
