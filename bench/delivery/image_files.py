"""The image files that a command names, and names for their masks."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.datasets.images import SUFFIXES, list_images
from bench.errors import DataError

_WILDCARDS = "*?["


def find_images(given: Iterable[str]) -> list[Path]:
    """The image files that folders, glob patterns (** for folders in folders) and paths stand for.

    Each file comes once, in the order in which they were given. Of a folder, its direct content is taken.

    A file that is named itself is taken whatever its suffix. Raises DataError for a path that does not exist, and for a
    folder or pattern without any image.
    """
    found: dict[Path, Path] = {}
    for each in given:
        for path in _of(each):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _of(given: str) -> Sequence[Path]:
    path = Path(given)
    if path.is_dir():
        images: Sequence[Path] = list_images(path)
    elif os.path.lexists(path):
        return [path]
    elif any(character in given for character in _WILDCARDS):
        matches = map(Path, sorted(glob.glob(given, recursive=True)))  # noqa: PTH207  a pattern may be absolute
        images = [match for match in matches if match.is_file() and match.suffix.lower() in SUFFIXES]
    else:
        raise DataError(f"no image {given}: there is no such file or folder")
    if not images:
        raise DataError(f"no image in {given}; known suffixes are {', '.join(SUFFIXES)}")
    return images


def output_names(images: Sequence[Path]) -> Mapping[Path, str]:
    """A name without suffix for the outputs of each image; all differ, even where upper and lower case are the same.

    It is the stem if no other image has the same; else the file name (`a.jpg` and `a.png` beside each other); else the
    folder is put before it, and at last a number behind it.
    """
    names: dict[Path, str] = {}
    taken: set[str] = set()
    candidates = {path: list(_candidates(path)) for path in images}
    shared = [Counter(each[level].casefold() for each in candidates.values()) for level in range(3)]
    for path, each in candidates.items():
        alone = [name for level, name in enumerate(each) if shared[level][name.casefold()] == 1]
        numbered = (f"{each[-1]}-{number}" for number in range(2, len(images) + 2))
        names[path] = next(name for name in (*alone, *numbered) if name.casefold() not in taken)
        taken.add(names[path].casefold())
    return names


def _candidates(path: Path) -> Iterator[str]:
    yield path.stem
    yield path.name
    yield f"{path.resolve().parent.name}-{path.name}"
