"""All images of a data set by name, for annotations that say where an image was on another machine."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from bench.datasets.dataset import SPLIT_FOLDERS
from bench.datasets.formats.layouts import image_files_below
from bench.errors import DataError

_DRIVE = re.compile(r"^[A-Za-z]:$")
_LONGEST = 4096


def image_id(root: Path, path: Path) -> str:
    """The path below `root` with `/`; of an image elsewhere, its whole path."""
    for base in (root, root.resolve()):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return path.as_posix()


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """The images below `root`, found by the longest matching end of a path.

    Nothing outside of `root` is looked at, whatever an annotation names, unless `allow_outside` is set.
    """

    root: Path
    allow_outside: bool = False
    by_name: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, root: Path, *, allow_outside: bool = False) -> "ImageIndex":
        index = cls(root, allow_outside)
        for path in image_files_below(root):
            index.by_name[_plain(path.name)].append(path)
        return index

    @property
    def paths(self) -> list[Path]:
        return sorted(path for paths in self.by_name.values() for path in paths)

    def find(self, name: str, folder: Path, part: str | None = None, hints: Sequence[str] = ()) -> Path | None:
        """The image that an annotation in `folder` calls `name`; None if there is none.

        These are tried in turn: the name below `folder` and below the root as it is written, each also in `images/`, in
        the folder of the part and in folders that are called like `hints`; then the longest end of the path that an
        image has. Case, Unicode spelling, backslashes and %20 do not matter. Images in the folder of another part do
        not count. Raises DataError, with both paths, if two images match equally well.
        """
        if not name or len(name) > _LONGEST or "\0" in name:
            return None
        for spelled in dict.fromkeys((name, unquote(name), name.partition("?")[0])):  # the last of an address
            found = self._find(_parts_of(spelled), folder, part, name, hints)
            if found is not None:
                return found
        return self._outside(name, folder) if self.allow_outside else None

    def at(self, folder: Path, name: str) -> Path | None:
        """The image of that name directly in `folder`, whatever the spelling; of several, the one spelt exactly so."""
        found = [path for path in self.by_name.get(_plain(name), ()) if path.parent == folder]
        return next((path for path in found if path.name == name), found[0] if found else None)

    def fit(self, name: str, path: Path) -> int:
        """How many parts of the path `name`, from its end, match `path`; one less if the two paths differ in length."""
        parts = _parts_of(unquote(name))
        own = (
            _parts_of(path.relative_to(self.root).as_posix())
            if path.is_relative_to(self.root)
            else _parts_of(str(path))
        )
        return 2 * _common_end(own, parts) - (_common_end(own, parts) < len(parts))

    def is_elsewhere(self, name: str) -> bool:
        """Whether a name points out of the data set's folder."""
        plain = name.replace("\\", "/")
        return plain.startswith("/") or ".." in plain.split("/") or bool(re.match("[A-Za-z]:", plain))

    def _find(self, parts: list[str], folder: Path, part: str | None, name: str, hints: Sequence[str]) -> Path | None:
        if not parts:
            return None
        candidates = [path for path in self.by_name.get(parts[-1], ()) if not self._of_another_part(path, part)]
        if not candidates:
            return None
        below = {path: _parts_of(path.relative_to(self.root).as_posix()) for path in candidates}
        here = _parts_of(folder.relative_to(self.root).as_posix()) if folder.is_relative_to(self.root) else []
        words = [*(_plain(hint) for hint in hints), *(word for word, meant in SPLIT_FOLDERS.items() if meant == part)]
        for start in (here, [*here, "images"], [], ["images"], *([w] for w in words), *(["images", w] for w in words)):
            exact = [path for path, own in below.items() if own == start + parts]
            if exact:
                return _only(exact, name)
        fits = {path: _common_end(own, parts) for path, own in below.items()}
        best = max(fits.values())
        near = [path for path, length in fits.items() if length == best]
        inside = [path for path in near if path.is_relative_to(folder)]
        return _only(inside or near, name)

    def _of_another_part(self, path: Path, part: str | None) -> bool:
        if part is None:
            return False
        folders = [SPLIT_FOLDERS.get(word.lower()) for word in path.relative_to(self.root).parts[:-1]]
        return any(found is not None and found != part for found in folders)

    def _outside(self, name: str, folder: Path) -> Path | None:
        for base in (folder, self.root):
            try:
                path = base / name.replace("\\", "/")
                if path.is_file():
                    return path.resolve()
            except (OSError, ValueError):
                continue
        return None


def _only(paths: list[Path], name: str) -> Path:
    own = name.replace("\\", "/").rsplit("/", 1)[-1]
    paths = [path for path in paths if path.name == own] or paths  # two names may differ in case alone
    if len(paths) > 1:
        raise DataError(
            f"the picture {name!r} of an annotation may be {paths[0]} or {paths[1]}; "
            "give them different names, or write the folder into the annotation"
        )
    return paths[0]


def _parts_of(name: str) -> list[str]:
    parts = [_plain(part) for part in name.replace("\\", "/").split("/")]
    return [part for part in parts if part not in ("", ".", "..") and not _DRIVE.match(part)]


def _common_end(a: list[str], b: list[str]) -> int:
    length = 0
    while length < min(len(a), len(b)) and a[-1 - length] == b[-1 - length]:
        length += 1
    return length


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
