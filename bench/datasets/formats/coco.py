"""COCO instances: polygons, run lengths as lists and as text; one JSON, or one for each part (`instances_train.json` and so on).

The JSON stands in the data set's folder, in `annotations/` or in a train, val or test folder; images beside it, in `images/`, or in a
folder named like its part.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.datasets.dataset import SPLIT_FOLDERS, DataOptions, Dataset, Sample
from bench.datasets.formats.annotation_files import (
    find_image,
    image_id,
    json_files,
    load_json,
    part_folders,
    unannotated,
)
from bench.datasets.formats.regions import Region, RegionAnnotation, class_ids, has_no_area, polygon
from bench.errors import DataError
from bench.records import Finding


def recognises(root: Path) -> bool:
    """Whether a JSON file in one of the places is COCO's."""
    return any(_is_coco(load_json(path)) for _, path in _files(root))


def read(root: Path, options: DataOptions) -> Dataset:
    """Reads every COCO file. Classes are the categories in use, in the order of their ids, or as `options.classes` says
    (class name -> category name). Crowd regions (`iscrowd`) count as their category. An annotation with a box only is not drawn.

    Raises DataError, naming file and annotation, for a segmentation that is none.
    """
    contents = [(split, path, content) for split, path in _files(root) if _is_coco(content := load_json(path))]
    category_names = {
        item["id"]: str(item["name"]) for _, _, content in contents for item in content.get("categories", [])
    }
    used = {item["category_id"]: path for _, path, content in contents for item in content["annotations"]}
    unknown_ids = sorted(used.keys() - category_names.keys())
    if unknown_ids:
        raise DataError(f"{used[unknown_ids[0]]} uses the category {unknown_ids[0]}, which its categories do not name")
    label_files = {category_names[number]: str(used[number]) for number in sorted(used)}
    classes, id_of = class_ids(label_files, options, keep_order=True)
    findings: list[Finding] = []
    samples: list[Sample] = []
    for split, path, content in contents:
        class_of = {number: id_of[category_names[number]] for number in used}
        samples += _read_file(root, split, path, content, class_of, findings)
    if samples and not any(sample.annotation.regions for sample in samples):  # type: ignore[attr-defined]
        raise DataError(f"{contents[0][1]} has no segmentation, only boxes; masks need polygons or run lengths")
    findings += unannotated(root, samples)
    return Dataset(
        name=root.resolve().name,
        root=root,
        format="coco",
        classes=classes,
        samples=tuple(samples),
        findings=tuple(findings),
    )


def _files(root: Path) -> list[tuple[str | None, Path]]:
    """(part, JSON file): in the folders of the parts, or the root and `annotations/` with the part from the file's name."""
    in_parts = [(split, path) for split, folder in part_folders(root) if split for path in json_files(folder)]
    flat = [path for folder in (root, root / "annotations") if folder.is_dir() for path in json_files(folder)]
    return in_parts + [(_part_in_name(path), path) for path in flat]


def _part_in_name(path: Path) -> str | None:
    words = re.findall("[a-z]+", path.stem.lower())
    return next((SPLIT_FOLDERS[word] for word in words if word in SPLIT_FOLDERS), None)


def _is_coco(content: Any) -> bool:
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "annotations"))


def _read_file(
    root: Path,
    split: str | None,
    path: Path,
    content: Mapping[str, Any],
    class_of: Mapping[int, int],
    findings: list[Finding],
) -> Iterator[Sample]:
    by_image: dict[Any, list[Mapping[str, Any]]] = {}
    for item in content["annotations"]:
        by_image.setdefault(item["image_id"], []).append(item)
    for image in content["images"]:
        image_path = _find(root, split, path, str(image["file_name"]))
        if image_path is None:
            message = f"{image_id(root, path)} names {image['file_name']}, which does not exist"
            findings.append(Finding(kind="missing_image", message=message, files=(image["file_name"],)))
            continue
        name = image_id(root, image_path)
        regions = tuple(
            region
            for item in by_image.get(image["id"], [])
            if (region := _read_region(item, class_of[item["category_id"]], path, name, findings)) is not None
        )
        declared = (int(image["height"]), int(image["width"])) if "height" in image and "width" in image else None
        annotation = RegionAnnotation(source=str(path), image_path=image_path, regions=regions, declared=declared)
        yield Sample(id=name, image_path=image_path, annotation=annotation, split=split)


def _find(root: Path, split: str | None, path: Path, name: str) -> Path | None:
    """The image beside the JSON or in the root, also in a folder named like the part or like the JSON's last word."""
    folders = [path.parent, root]
    folders += [
        base / word
        for base in (root, root / "images")
        for word in (path.stem.split("_")[-1], *(key for key, part in SPLIT_FOLDERS.items() if part == split))
    ]
    return next((found for folder in folders if (found := find_image(folder, name)) is not None), None)


def _read_region(
    item: Mapping[str, Any], class_id: int, path: Path, name: str, findings: list[Finding]
) -> Region | None:
    where = f"annotation {item.get('id')} of {name} in {path}"
    shape = item.get("segmentation")
    if not shape:
        message = f"{where} has no segmentation and is not drawn"
        findings.append(Finding(kind="degenerate_region", message=message, files=(name,)))
        return None
    try:
        if isinstance(shape, dict):
            return Region(class_id=class_id, rle={"size": shape["size"], "counts": shape["counts"]})
        outlines = tuple(polygon(list(zip(flat[::2], flat[1::2], strict=True)), where) for flat in shape)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where} cannot be read: {type(error).__name__} {error}") from error
    if any(has_no_area(outline) for outline in outlines):
        findings.append(Finding(kind="degenerate_region", message=f"{where} has no area", files=(name,)))
    return Region(class_id=class_id, polygons=outlines)
