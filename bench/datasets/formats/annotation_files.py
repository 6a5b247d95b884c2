"""The JSON (and CSV) files of a data set, each read once and told apart by what is in it."""

import csv
import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.datasets.dataset import SPLIT_FOLDERS
from bench.errors import DataError

_DEEPEST = 4
_VIA_COLUMNS = {"filename", "region_shape_attributes", "region_attributes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file of annotations. `part` is predefined by a folder above it. Images inside it are dropped from `content`;
    `holds_image` says that there was one."""

    path: Path
    part: str | None
    kind: str
    content: Any
    holds_image: bool = False


def is_coco(content: Any) -> bool:
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "annotations"))


def is_labelme(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content


def is_via(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    if isinstance(content.get("_via_img_metadata"), dict):
        return True
    return bool(content) and all(_is_via_entry(value) for value in content.values())


def is_via_3(content: Any) -> bool:
    return isinstance(content, dict) and all(
        isinstance(content.get(key), dict) for key in ("project", "attribute", "file", "metadata", "view")
    )


KINDS: Mapping[str, Callable[[Any], bool]] = {
    "coco": is_coco,
    "labelme": is_labelme,
    "via": is_via,
    "via 3": is_via_3,
}
"""Kind of file -> whether content is of it, in the order in which they are tried."""

OTHER = "other"


def documents(root: Path) -> tuple[list[Document], list[DataError]]:
    """Every JSON file in `root` and up to four folders below, and VIA's CSV files; an error for each unreadable one."""
    found, errors = [], []
    for path in _files(root):
        try:
            content = _via_table(path) if path.suffix.lower() == ".csv" else load_json(path)
        except DataError as error:
            errors.append(error)
            continue
        if content is not None:
            found.append(_document(root, path, content))
    return found, errors


def _document(root: Path, path: Path, content: Any) -> Document:
    words = [name.lower() for name in path.relative_to(root).parts[:-1]]
    kind = next((name for name, fits in KINDS.items() if fits(content)), OTHER)
    holds_image = False
    if kind == "labelme":
        holds_image = isinstance(content.get("imageData"), str) and bool(content["imageData"])
        content = {key: value for key, value in content.items() if key != "imageData"}
    part = next((SPLIT_FOLDERS[word] for word in words if word in SPLIT_FOLDERS), None)
    return Document(path=path, part=part, kind=kind, content=content, holds_image=holds_image)


def load_json(path: Path) -> Any:
    """The content of a JSON file. Raises DataError, naming it."""
    try:
        return json.loads(path.read_bytes())
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}); save it again in that encoding") from error
    except RecursionError as error:
        raise DataError(f"{path} is not valid JSON for annotations: it is nested too deeply") from error
    except MemoryError as error:
        raise DataError(f"{path} is too large to be read into memory; split it into several files") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error


def _files(root: Path) -> list[Path]:
    found = []
    for parent, folders, files in os.walk(root):
        deep = len(Path(parent).relative_to(root).parts)
        folders[:] = [] if deep >= _DEEPEST else [name for name in folders if not name.startswith((".", "__MACOSX"))]
        found += [
            path
            for name in files
            if not name.startswith(".") and (path := Path(parent, name)).suffix.lower() in (".json", ".csv")
        ]
    return sorted(path for path in found if path.is_file())


def _is_via_entry(value: Any) -> bool:
    return isinstance(value, dict) and "filename" in value and isinstance(value.get("regions"), (dict, list))


def _via_table(path: Path) -> dict[str, Any] | None:
    """VIA's CSV as its JSON; None for another table."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        head = text.partition("\n")[0]
        between = max(",;\t", key=head.count)  # spreadsheets of some countries save semicolons
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=between)
        if not set(rows.fieldnames or ()) >= _VIA_COLUMNS:
            return None
        entries: dict[str, Any] = {}
        for row in rows:
            name = row["filename"] or ""
            entry = entries.setdefault(name, {"filename": name, "regions": []})
            shape, attributes = (
                json.loads(row[key] or "{}") for key in ("region_shape_attributes", "region_attributes")
            )
            if shape:
                entry["regions"].append({"shape_attributes": shape, "region_attributes": attributes})
    except (UnicodeDecodeError, csv.Error):
        return None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not a table that VIA wrote: {error}") from error
    return {"_via_img_metadata": entries}
