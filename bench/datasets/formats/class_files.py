"""Files beside masks that say what their values or colours mean, and lists of images that predefine parts."""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bench.datasets.dataset import VOID
from bench.datasets.formats.verdict import BACKGROUND_NAMES, Names
from bench.datasets.images import SUFFIXES
from bench.errors import DataError

CLASS_FILES = ("labelmap.txt", "_classes.csv", "class_dict.csv", "class_names.txt", "classes.json", "dataset.json")


def names_in(folders: Iterable[Path]) -> Names | None:
    """The classes of the first of CLASS_FILES in `folders`, whatever its case; None without such a file.

    Raises DataError if two files of one name disagree.
    """
    found: Names | None = None
    for folder in folders:
        there = _files_by_name(folder)
        for name in CLASS_FILES:
            path = there.get(name)
            if path is None:
                continue
            values = _READERS[name](path)
            if values is None:
                continue
            if found is not None and dict(values) != dict(found.values):
                raise DataError(
                    f"{path} and {found.said_by} name different classes; the parts of a data set need one list"
                )
            found = found or Names(values=values, said_by=str(path))
    return found


def _files_by_name(folder: Path) -> dict[str, Path]:
    return {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_file()} if folder.is_dir() else {}


def listed_parts(root: Path) -> dict[str, str | None] | None:
    """Stem -> part, from the lists of Pascal VOC or PaddleSeg; None without lists.

    Pascal VOC has ImageSets/Segmentation/train.txt, PaddleSeg train.txt beside the folders. A list of Pascal VOC that
    is no part (default.txt) only names images.
    """
    folder = root / "ImageSets" / "Segmentation"
    if not folder.is_dir():
        return _lists_beside_folders(root)
    lists = {
        path.stem.lower(): _lines(path)
        for path in sorted(folder.glob("*.txt"))
        if path.is_file() and path.name[0] != "."
    }
    parts = {name: lists[name] for name in ("train", "val", "test") if lists.get(name)}
    if "train" in parts and len(parts) > 1:
        return _part_of(parts, folder)
    stems = [stem for names in lists.values() for stem in names]
    return dict.fromkeys(stems) if stems else None


def _lists_beside_folders(root: Path) -> dict[str, str | None] | None:
    """train.txt (train_list.txt) with at least one of val and test."""
    there = _files_by_name(root)
    parts = {
        part: _lines(path)
        for part in ("train", "val", "test")
        if (path := there.get(f"{part}.txt") or there.get(f"{part}_list.txt")) is not None
    }
    if "train" not in parts or len(parts) < 2:
        return None
    return _part_of(parts, root)


def _part_of(parts: Mapping[str, Sequence[str]], folder: Path) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for part, stems in parts.items():
        for stem in stems:
            if found.setdefault(stem, part) != part:
                raise DataError(
                    f"the lists in {folder} name {stem} for {found[stem]} and for {part}; an image has one part: "
                    "take it out of one of the lists"
                )
    return found


def _lines(path: Path) -> list[str]:
    """The stem that each line starts with: a stem, a file's name, or the path of an image before that of its mask."""
    firsts = [re.split(r"[\s,]", line.strip(), maxsplit=1)[0] for line in _text(path).splitlines() if line.strip()]
    names = [first.replace("\\", "/").rsplit("/", 1)[-1] for first in firsts]
    return [name.removesuffix(Path(name).suffix) if Path(name).suffix.lower() in SUFFIXES else name for name in names]


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8; save it in that encoding") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _rows(path: Path) -> list[list[str]]:
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(_text(path).splitlines()) if row]
    except csv.Error as error:
        raise DataError(f"{path} is no table: {error}") from error


def _is_byte(text: str) -> bool:
    """Whether it is a whole number up to 255, in decimal digits and so few of them that Python reads them."""
    return text.isdecimal() and len(text) <= 9 and int(text) <= VOID


def _labelmap(path: Path) -> Mapping[str, int | str] | None:
    """CVAT's lines name:red,green,blue:parts:actions."""
    values: dict[str, int | str] = {}
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        channels = rest.split(":")[0].split(",")
        if len(channels) != 3 or not all(_is_byte(text.strip()) for text in channels):
            raise DataError(f"{path} line {number}: {line.strip()!r} is not name:red,green,blue::")
        values[name.strip()] = "#{:02x}{:02x}{:02x}".format(*(int(text) for text in channels))
    return values or None


def _roboflow(path: Path) -> Mapping[str, int | str] | None:
    """Roboflow's table Pixel Value, Class; None for its table of image classes, which has another head."""
    rows = _rows(path)
    if not rows or [cell.lower() for cell in rows[0][:2]] != ["pixel value", "class"]:
        return None
    values: dict[str, int | str] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) < 2 or not _is_byte(row[0]):
            raise DataError(f"{path} line {number}: {', '.join(row)} is not a pixel value and a class")
        values[row[1]] = int(row[0])
    return values


def _class_dict(path: Path) -> Mapping[str, int | str] | None:
    """CamVid's and DeepGlobe's table name, r, g, b; None for another head."""
    rows = _rows(path)
    if not rows or [cell.lower()[:1] for cell in rows[0]] != ["n", "r", "g", "b"]:
        return None
    values: dict[str, int | str] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != 4 or not all(map(_is_byte, row[1:])):
            raise DataError(f"{path} line {number}: {', '.join(row)} is not a name, red, green and blue")
        values[row[0]] = "#{:02x}{:02x}{:02x}".format(*(int(cell) for cell in row[1:]))
    return values or None


def _class_names(path: Path) -> Mapping[str, int | str] | None:
    """The list that labelme2voc writes; None for a list that starts otherwise.

    Its first line is the background, the others count from 1.
    """
    names = [line.strip() for line in _text(path).splitlines() if line.strip()]
    if not names or names[0].casefold() not in BACKGROUND_NAMES:
        return None
    return {name: number for number, name in enumerate(names)}


def _json(path: Path) -> Mapping[str, object] | None:
    try:
        content = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error
    return content if isinstance(content, dict) else None


def _classes_json(path: Path) -> Mapping[str, int | str] | None:
    """name -> value or "#rrggbb", as `data convert` writes it; None for another kind of JSON."""
    content = _json(path)
    if not content or not all(
        isinstance(value, int | str) and not isinstance(value, bool) for value in content.values()
    ):
        return None
    return {str(name): value for name, value in content.items() if isinstance(value, int | str)}


def _dataset_json(path: Path) -> Mapping[str, int | str] | None:
    """nnU-Net's labels: name -> value, in its first version value -> name."""
    labels = (_json(path) or {}).get("labels")
    if not isinstance(labels, dict):
        return None
    values: dict[str, int | str] = {}
    for key, value in labels.items():
        name, number = (str(value), key) if str(key).isdecimal() else (str(key), value)
        if isinstance(number, bool) or not isinstance(number, int | str) or not _is_byte(str(number)):
            raise DataError(
                f"{path}: label {name!r} stands for {number!r}; only single values from 0 to 255 are read; write "
                "classes: {NAME: VALUE} in an experiment"
            )
        values[name] = int(number)
    return values


_READERS = {
    "labelmap.txt": _labelmap,
    "_classes.csv": _roboflow,
    "class_dict.csv": _class_dict,
    "class_names.txt": _class_names,
    "classes.json": _classes_json,
    "dataset.json": _dataset_json,
}
