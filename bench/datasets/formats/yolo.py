"""YOLO segmentation (Ultralytics, Roboflow): a text file for each image.

Each line is an object: class x y x y ..., in fractions of the image's size. Texts are in `labels/` if images are in
`images/`, or beside the images; `data.yaml` names the classes.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from bench.datasets.dataset import SPLIT_FOLDERS, DataOptions, Dataset
from bench.datasets.formats.assembly import Entry, Labelled, Reading, assemble
from bench.datasets.formats.regions import Region, ShapeError, polygon
from bench.datasets.formats.schemas import Name
from bench.errors import DataError
from bench.records.bounded_yaml import parse_yaml

_LINE = re.compile(r"^\d+( +[\d.eE+-]+){4,}$")
_NO_LABELS = ("classes.txt", "obj.names", "train.txt", "val.txt", "test.txt", "labelmap.txt", "readme.txt")
_NAME: TypeAdapter[str] = TypeAdapter(Name)
_LARGEST, _LARGEST_YAML = 50_000_000, 1_000_000
"""Bytes of a file of outlines, and of one that names classes."""


def recognises(root: Path) -> bool:
    """Whether text files whose first line is YOLO's stand in `labels/`, or a data.yaml names classes and parts."""
    texts = _texts(root)
    return bool(texts) and any(_LINE.match(line) for path in texts[:20] for line in _lines(path)[:1])


def read(root: Path, options: DataOptions, reading: Reading) -> Dataset:
    """Reads every text file with its image.

    Raises DataError for names that cannot be read, and where no line can be drawn.
    """
    names = _names(root)
    texts = {path.with_suffix(""): path for path in _texts(root)}
    boxes = 0
    for image_path in reading.index.paths:
        text = next((texts[stem] for stem in _text_stems(image_path) if stem in texts), None)
        if text is None:
            continue
        regions, more = _read_text(text, image_path, names, reading)
        boxes += more
        reading.entries.append(
            Entry(
                source=text,
                part=_part(root, image_path),
                named=image_path.name,
                image_path=image_path,
                id=reading.name_of(image_path),
                regions=tuple(regions),
            )
        )
    if boxes and not any(item.doubt is None for entry in reading.entries for item in entry.regions):
        raise DataError(
            f"{reading.entries[0].source} and others hold boxes, not outlines; "
            "export YOLO segmentation, or COCO with polygons"
        )
    return assemble(reading, order=_order(names, reading))


def _read_text(path: Path, image_path: Path, names: Mapping[int, str], reading: Reading) -> tuple[list[Labelled], int]:
    regions, boxes = [], 0
    for number, line in enumerate(_lines(path), start=1):
        where = f"line {number} of {path}"
        fields = line.split()
        try:
            label = _label(fields[0], names)
            if len(fields) == 5:
                boxes += 1
                doubt = "is a box, not an outline"
                regions.append(Labelled(label=label, region=_region(_corners(fields[1:])), where=where, doubt=doubt))
            else:
                regions.append(Labelled(label=label, region=_region(fields[1:]), where=where))
        except ShapeError as error:
            reading.bad_shape(where, error, reading.name_of(image_path))
    return regions, boxes


def _label(text: str, names: Mapping[int, str]) -> str:
    if not text.isdecimal() or len(text) > 9:
        raise ShapeError(f"{text[:20]!r} is no number of a class")
    if names and int(text) not in names:
        raise ShapeError(f"it has the class {text}, which data.yaml does not name")
    return names.get(int(text), f"class_{int(text)}")


def _corners(box: Sequence[str]) -> list[str]:
    """The corners of a box that is given by its centre and size."""
    try:
        x, y, width, height = (float(text) for text in box)
    except ValueError as error:
        raise ShapeError("its coordinates are not numbers") from error
    left, right, top, bottom = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    return [str(number) for number in (left, top, right, top, right, bottom, left, bottom)]


def _region(fields: Sequence[str]) -> Region:
    try:
        numbers = [float(text) for text in fields]
    except ValueError as error:
        raise ShapeError("its coordinates are not numbers") from error
    if len(numbers) % 2:
        raise ShapeError(f"it has {len(numbers)} numbers, and x and y are pairs")
    if any(not -1 <= number <= 2 for number in numbers):
        raise ShapeError("its coordinates are no fractions of the image's size")
    return Region(polygons=(polygon(list(zip(numbers[::2], numbers[1::2], strict=True))),), relative=True)


def _order(names: Mapping[int, str], reading: Reading) -> list[str]:
    used = {item.label for entry in reading.entries for item in entry.regions if item.label}
    plain = sorted(used - set(names.values()), key=lambda name: int(name.removeprefix("class_")))
    return [*dict.fromkeys(names[number] for number in sorted(names)), *plain]


def _names(root: Path) -> dict[int, str]:
    """Class names by number from data.yaml, or from classes.txt with one a line; empty without either."""
    files = [path for path in (*sorted(root.glob("*.yaml")), *sorted(root.glob("*.yml"))) if path.is_file()]
    for path in files:
        try:
            if path.stat().st_size > _LARGEST_YAML:
                raise DataError(
                    f"{path} has {path.stat().st_size} bytes; a list of classes has {_LARGEST_YAML} at the most"
                )
            content = parse_yaml(path.read_bytes())[1]
        except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
            raise DataError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
        if isinstance(content, dict) and "kpt_shape" in content:
            raise DataError(
                f"{path} describes key points (kpt_shape), not outlines; export YOLO segmentation, "
                "or COCO with polygons"
            )
        names = content.get("names") if isinstance(content, dict) else None
        if names is not None:
            numbered = (
                list(enumerate(names))
                if isinstance(names, list)
                else list(names.items())
                if isinstance(names, dict)
                else []
            )
            return {_number(key, path): _name(value, path) for key, value in numbered}
    lists = [path for path in (root / "classes.txt", root / "labels" / "classes.txt") if path.is_file()]
    return {number: _name(line, lists[0]) for number, line in enumerate(_lines(lists[0]))} if lists else {}


def _number(key: object, path: Path) -> int:
    if isinstance(key, bool) or not isinstance(key, int):
        raise DataError(f"{path}: the key {key!r} of names is no number")
    return key


def _name(value: object, path: Path) -> str:
    if isinstance(value, bool):
        raise DataError(
            f"{path}: a class is called {value}; write it in quotes, since YAML reads yes, no, on and off as booleans"
        )
    try:
        return _NAME.validate_python(value)
    except ValidationError as error:
        raise DataError(f"{path}: {str(value)[:40]!r} is no class name") from error


def _texts(root: Path) -> list[Path]:
    found = []
    for parent, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        found += [
            Path(parent, name)
            for name in files
            if name.lower().endswith(".txt")
            and name[0] != "."
            and name.lower() not in _NO_LABELS
            and Path(parent, name).is_file()
        ]
    return sorted(found)


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path} has more than {_LARGEST} bytes; it is no list of outlines")
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def _text_stems(image_path: Path) -> list[Path]:
    """Where the text file of an image may be, without suffix.

    It is beside the image, or with the last images/ of the path as labels/.
    """
    parts = list(image_path.with_suffix("").parts)
    rows = [row for row, name in enumerate(parts[:-1]) if name.lower() in ("images", "image", "imgs")]
    stems = [Path(*parts)]
    if rows:
        for word in ("labels", "label", "Labels"):
            stems.insert(0, Path(*parts[: rows[-1]], word, *parts[rows[-1] + 1 :]))
    return stems


def _part(root: Path, image_path: Path) -> str | None:
    names = image_path.relative_to(root).parts[:-1]
    return next((SPLIT_FOLDERS[name.lower()] for name in names if name.lower() in SPLIT_FOLDERS), None)
