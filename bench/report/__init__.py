"""From a run's records to a page: records -> rows -> series -> figures, and rows -> markdown.

Nothing here trains, and nothing imports TensorFlow or Keras: a report takes seconds, on any machine. What draws is imported when
a report is written, so that importing this package costs nothing.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.errors import StoreError
from bench.records import Run

PAGE = "leaderboard.md"
BROWSER_PAGE = "leaderboard.html"
"""The same with its figures inside, for a browser."""


def write_report(run: Run, directory: Path) -> Path:
    """Writes `directory`/leaderboard.md with figures/ and tables/, and leaderboard.html, and returns the markdown page's path.

    Everything is written into a folder beside it, which takes the place of an earlier report only when it is whole. Raises
    StoreError when `directory` holds something that is no report, or cannot be written.
    """
    from bench.report.page import compose

    return _replace(directory, run.record.name, [run], lambda folder: compose(run, folder))


def write_across(runs: Sequence[Run], directory: Path) -> Path:
    """The same for several runs on one page, named as its folder is. Raises StoreError also where runs do not compare."""
    from bench.report.across_page import compose_across

    return _replace(directory, directory.name, runs, lambda folder: compose_across(runs, folder, directory.name))


def _replace(directory: Path, name: str, runs: Sequence[Run], compose: Callable[[Path], tuple[str, str]]) -> Path:
    if directory.exists() and not (directory / PAGE).is_file() and (not directory.is_dir() or any(directory.iterdir())):
        raise StoreError(f"{directory} exists and holds no report (no {PAGE}): choose another folder")
    unfinished = directory.with_name(f".{directory.name}.{os.getpid()}.new")
    try:
        unfinished.mkdir(parents=True)
        _write(unfinished, name, runs, *compose(unfinished))
        _take_place(unfinished, directory)
    except OSError as error:
        raise StoreError(f"cannot write {directory}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return directory / PAGE


def write_index(directory: Path) -> Path:
    """Writes `directory`/README.md, the list of the reports under it, and returns its path. Raises StoreError."""
    from bench.report.index import index

    path = directory / "README.md"
    unfinished = path.with_name(f".README.md.{os.getpid()}.new")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(index(directory), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def _write(directory: Path, name: str, runs: Sequence[Run], page: str, verdict: str) -> None:
    from bench.report.html import to_html
    from bench.report.index import SUMMARY

    summary: dict[str, object] = {
        "name": name,
        "started_at": max(run.record.started_at for run in runs),
        "verdict": verdict,
    }
    if len(runs) > 1:
        summary["runs"] = [run.record.name for run in runs]
    (directory / SUMMARY).write_text(json.dumps(summary, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (directory / PAGE).write_text(page, encoding="utf-8")
    (directory / BROWSER_PAGE).write_text(to_html(page, directory, name), encoding="utf-8")


def _take_place(finished: Path, directory: Path) -> None:
    """Swaps folders: the earlier report is moved aside first and removed last, so that at no moment a half one is seen."""
    earlier = directory.with_name(f".{directory.name}.{os.getpid()}.old")
    if directory.exists():
        directory.rename(earlier)
    try:
        finished.rename(directory)
    except OSError:
        if earlier.exists():
            earlier.rename(directory)
        raise
    shutil.rmtree(earlier, ignore_errors=True)
