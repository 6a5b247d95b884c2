"""Where JSON annotations stand in a directory, and the images that they speak of."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.datasets.dataset import SPLIT_FOLDERS, Sample
from bench.datasets.images import list_images
from bench.errors import DataError
from bench.records import Finding


def part_folders(root: Path) -> list[tuple[str | None, Path]]:
    """The train, val and test folders of `root` with their parts; `root` itself, with None, where it has none."""
    parts = [(SPLIT_FOLDERS[path.name.lower()], path) for path in sorted(root.iterdir()) if _is_part(path)]
    return [*parts] if parts else [(None, root)]


def json_files(folder: Path) -> list[Path]:
    """The JSON files directly in `folder`, sorted by name."""
    return sorted(path for path in folder.glob("*.json") if path.is_file())


def documents(folder: Path) -> Iterator[tuple[Path, Any]]:
    """Each JSON file directly in `folder` with its content. Raises DataError for a broken one."""
    for path in json_files(folder):
        yield path, load_json(path)


def load_json(path: Path) -> Any:
    """The content of a JSON file. Raises DataError, naming it."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error


def find_image(folder: Path, name: str) -> Path | None:
    """The image that an annotation in `folder` calls `name`: there, in its `images` folder, or beside it by bare name."""
    plain = name.replace("\\", "/")
    for candidate in (folder / plain, folder / "images" / plain, folder / plain.rsplit("/", 1)[-1]):
        if candidate.is_file():
            return candidate.resolve() if ".." in candidate.parts else candidate
    return None


def image_id(root: Path, path: Path) -> str:
    """The path below `root` with `/`; of an image elsewhere, its whole path."""
    for base in (root, root.resolve()):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return path.as_posix()


def unannotated(root: Path, samples: Iterable[Sample]) -> Iterator[Finding]:
    """A finding for each image in the places where images stand that no annotation speaks of."""
    known = {sample.id for sample in samples}
    folders = [folder for _, folder in part_folders(root)]
    for place in [*folders, *(folder / "images" for folder in folders)]:
        for path in list_images(place) if place.is_dir() else ():
            name = image_id(root, path)
            if name not in known:
                yield Finding(kind="missing_annotation", message=f"{name} has no annotation; left out", files=(name,))


def _is_part(path: Path) -> bool:
    return path.is_dir() and path.name.lower() in SPLIT_FOLDERS
