"""`report`: a page again from its records, or whether it says what they say."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import UserError

if TYPE_CHECKING:
    from bench.records import Run
from bench.cli.arguments import Json, Reports, Results
from bench.cli.output import require_one_of, say_ending, write_json
from bench.cli.places import run_folder

LONGEST_FOLDER_NAME = 200
"""Bytes; file systems take 255, and a report is written beside its place under a longer name."""


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN", help="Names or folders; several share one leaderboard. Left out: the newest run."
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing: compare the report with its records, and fail on a difference."),
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of the leaderboard of several runs, its folder in --reports. Left out: RUN+RUN."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say where the page is, and nothing else.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print the whole summary, as leaderboard.md has it.")
    ] = False,
    as_json: Json = False,
    results: Results = Path("results"),
    reports: Reports = Path("reports"),
) -> None:
    """Write a run's report again from its records, without training and without TensorFlow; of several runs, one
    leaderboard.

    [bold]Examples[/]

    \b
    python -m bench report
    python -m bench report default
    python -m bench report cars panels --name both
    python -m bench report --check default
    """
    from bench.records.store import load
    from bench.report import BROWSER_PAGE, write_across, write_index, write_report

    require_one_of(quiet, verbose)
    directories = [_run_directory(run, results) for run in runs] if runs else [_run_directory(None, results)]
    loaded = [load(directory) for directory in directories]
    target = reports / _report_name(directories, name, results)
    if check:
        _check(loaded, directories, target, as_json)
        return
    page = write_report(loaded[0], target) if len(loaded) == 1 else write_across(loaded, target)
    write_index(reports)
    if quiet and not as_json:
        typer.echo(page.parent / BROWSER_PAGE)
        return
    if verbose and not as_json:
        typer.echo(page.read_text(encoding="utf-8"))
    say_ending(page.parent, directories, as_json)


def _report_name(directories: Sequence[Path], name: str | None, results: Path) -> str:
    """The report's folder: the run's name, or for several runs `name`, which must not be that of a run, or the names
    joined."""
    joined = "+".join(
        directory.resolve().name for directory in directories
    )  # of `.` and `..` the name that they stand for
    if len(joined.encode()) > LONGEST_FOLDER_NAME:
        joined = f"{joined[:40]}+{len(directories)} runs"
    if name is None:
        return joined
    if len(directories) == 1:
        raise UserError(f"--name {name!r} names the leaderboard of several runs; a report of one is called {joined!r}")
    if not re.fullmatch(r"\w[\w.+-]*", name) or (results / name / "run.json").is_file():
        raise UserError(
            f"--name {name!r} is a run's name or no folder name; choose letters, digits, '.', '-', '_', '+'"
        )
    return name


def _check(runs: Sequence["Run"], directories: Sequence[Path], report: Path, as_json: bool) -> None:
    from bench.report.check import differences

    found = list(differences(runs, report))
    if as_json:
        write_json({"report": str(report), "runs": list(map(str, directories)), "differences": found})
    for line in found:
        typer.echo(line, err=True)
    records = " and ".join(map(str, directories))
    if found:
        raise UserError(f"{report} differs from the records in {records} ({len(found)} differences)")
    if not as_json:
        typer.echo(f"every number of {report} is what the records in {records} say")


def _run_directory(run: str | None, results: Path) -> Path:
    """The folder of the run of that name, at that path, or of the one that was written to last."""
    if run is not None:
        return run_folder(run, results)
    newest = max(results.glob("*/run.json"), key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        raise UserError(f"no run in {results}; start one with: python -m bench run")
    return newest.parent
