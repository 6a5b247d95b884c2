"""Links that lead out of a data set's folder: a page would show the images behind them."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from bench.errors import DataError


def require_inside(root: Path, files: Iterable[Path]) -> None:
    """Raises DataError for the first of the `files` that a link, its own or a folder's, puts outside of `root`."""
    home = root.resolve()
    resolved = cache(Path.resolve)  # of a folder, once for all that is in it
    for path in files:
        there = path.resolve() if path.is_symlink() else resolved(path.parent) / path.name
        if not there.is_relative_to(home):
            raise DataError(
                f"{path} is, by a link, {there}, which is outside of the data set's folder; it is not read: "
                "copy it, or write data: {allow_outside: true} in an experiment"
            )
