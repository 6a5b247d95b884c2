"""From a run's records to a page: records -> `bench.analysis` -> sections of blocks -> HTML, markdown and CSV.

Nothing here trains, and nothing imports TensorFlow or Keras: a report takes seconds, on any machine. What draws is
imported when a report is written, so that importing this package costs nothing.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import StoreError, UserError
from bench.records import Run

if TYPE_CHECKING:
    from bench.report.blocks import Page

PAGE = "leaderboard.md"
BROWSER_PAGE = "leaderboard.html"
"""The whole report in one file, for a browser; the other page is a short one."""


def write_report(run: Run, directory: Path) -> Path:
    """Writes `directory`/leaderboard.html, a short leaderboard.md with its figures/, and tables/, and returns the
    markdown page's path.

    Everything is written into a folder beside it, which takes the place of an earlier report only when it is whole.
    Raises StoreError when `directory` holds something that is no report, or cannot be written.
    """
    from bench.analysis.run_analysis import Analysis
    from bench.report.page import compose

    return _replace(directory, [run], lambda: compose(Analysis(run)))


def write_across(runs: Sequence[Run], directory: Path) -> Path:
    """The same for several runs on one page, named as its folder is. Raises StoreError also where runs do not
    compare."""
    from bench.report.across_page import compose_across

    return _replace(directory, runs, lambda: compose_across(runs, directory.name))


def _replace(directory: Path, runs: Sequence[Run], compose: "Callable[[], Page]") -> Path:
    if directory.exists() and not (directory / PAGE).is_file() and (not directory.is_dir() or any(directory.iterdir())):
        raise StoreError(f"{directory} exists and holds no report (no {PAGE}): choose another folder")
    unfinished = directory.with_name(f".{directory.name}.{os.getpid()}.new")
    try:
        unfinished.mkdir(parents=True)
        _write(unfinished, runs, compose())
        _take_place(unfinished, directory)
    except OSError as error:
        raise StoreError(f"cannot write {directory}: {error.strerror or error}") from error
    except UserError:
        raise
    except Exception as error:  # records that are right one by one, and that no run leaves together
        raise _cannot_be_told(error, runs, directory) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return directory / PAGE


def _cannot_be_told(error: Exception, runs: Sequence[Run], directory: Path) -> StoreError:
    """One line about records that make no page; where it happened is in a file, for whoever reports it."""
    import traceback

    where = directory.with_name(f"{directory.name}.traceback.txt")
    _text(where, "".join(traceback.format_exception(error)))
    of = ", ".join(run.directory for run in runs)
    reason = " ".join(str(error).split())[:200]
    return StoreError(f"no report can be made of {of}: {type(error).__name__}: {reason}; {where} says where")


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


def _write(directory: Path, runs: Sequence[Run], page: "Page") -> None:
    """The only place that puts a report on disk."""
    from bench.report.blocks import Data, Figure, walk
    from bench.report.figures.style import drawn, to_jpg, to_png
    from bench.report.index import SUMMARY
    from bench.report.render.csv import to_csv
    from bench.report.render.html import to_html
    from bench.report.render.markdown import figure_path, to_markdown

    for folder in ("figures", "tables"):
        (directory / folder).mkdir()
    summary: dict[str, object] = {
        "name": page.title,
        "started_at": max(run.record.started_at for run in runs),
        "verdict": page.answer,
        **page.summary,
    }
    if len(runs) > 1:
        summary["runs"] = [run.record.name for run in runs]
    _text(directory / SUMMARY, json.dumps(summary, ensure_ascii=False, indent=1) + "\n")
    for figure in (block for block in walk(page.brief) if isinstance(block, Figure)):
        encode = to_jpg if figure.photo else to_png
        (directory / figure_path(figure)).write_bytes(encode(drawn(figure.draw)))
    for data in (block for block in walk(page.blocks) if isinstance(block, Data)):
        _text(directory / "tables" / data.file, to_csv(data))
    _text(directory / PAGE, to_markdown(page))
    _text(directory / BROWSER_PAGE, to_html(page))


def _text(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8", errors="replace")


def _take_place(finished: Path, directory: Path) -> None:
    """Swaps folders: the earlier report is moved aside first and removed last, so that at no moment a half one is
    seen."""
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
