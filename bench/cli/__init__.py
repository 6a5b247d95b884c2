"""The commands. The only place that prints errors and sets exit codes: 0 done, 2 a mistake that the user can mend, 3 a run that ended
without a model, 130 Ctrl-C.

`--help` answers at once because whatever is slow to import is imported inside the commands.
"""

import contextlib
import functools
import json
import os
import re
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench import __version__
from bench.cli import delivery, doctor, other_tools
from bench.cli.output import make_output_unfailing
from bench.cli.places import require_empty
from bench.errors import UserError
from bench.formats import printable
from bench.options import OPTIONS

if TYPE_CHECKING:
    from bench.datasets import DataOptions
    from bench.experiments import Experiment
    from bench.progress import Progress
    from bench.records import Run

MENDABLE, NO_MODEL, INTERRUPTED = 2, 3, 130
_USAGE_ERROR: Any = typer.BadParameter.__bases__[0]
"""Click's error for a command line that makes no sense; Typer brings its own Click, under a private name."""


LONGEST_FOLDER_NAME = 200
"""Bytes; file systems take 255, and a report is written beside its place under a longer name."""

LONGEST_LINE = 1500
"""Characters of an error; names of files and values of a stranger may be longer."""


def _in_a_line(text: str) -> str:
    """What a terminal may be shown: one line, without control characters, of bounded length."""
    said = printable(" ".join(text.split()))
    return said if len(said) <= LONGEST_LINE else f"{said[:LONGEST_LINE]}..."


class _Commands(typer.core.TyperGroup):
    """Says a user's mistake in one line on stderr, whichever command it was made in."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            said = _in_a_line(str(error))
        except OSError as error:
            if error.errno is None:  # none of the system's
                raise
            said = _in_a_line(f"cannot use {error.filename or 'a file'}: {error.strerror}")
        typer.echo(f"error: {said}", err=True)
        raise typer.Exit(MENDABLE)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Which segmentation model suits a small, imbalanced data set?

    [bold]Examples[/]

    \b
    python -m bench run                             the sample set, 8 minutes
    python -m bench run --data photos --budget 15m  your own images
    python -m bench run --resume --name default     go on with an interrupted run
    python -m bench report                          write the newest run's report
    python -m bench predict RUN photos -o masks     use the model of a run
    python -m bench list                            all that can be named""",
)
data_app = typer.Typer(no_args_is_help=True, help="Look at a data set, or write the sample set.")
app.add_typer(data_app, name="data")


def _option(field: str, *names: str, **more: Any) -> Any:
    """The option for a field of an experiment, in the words of `OPTIONS`."""
    known = OPTIONS[field]
    return typer.Option(*names, metavar=known.metavar, help=known.help, **more)


Results = Annotated[Path, typer.Option("--results", metavar="DIR", help="Where runs are kept.")]
Reports = Annotated[Path, typer.Option("--reports", metavar="DIR", help="Where reports are written.")]
Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON document on stdout, all else on stderr.")]


@app.command()
def run(
    experiment: Annotated[
        str | None,
        typer.Argument(
            metavar="EXPERIMENT",
            help="A preset (see list) or a YAML file. Left out: [bold]default[/], or with --data [bold]transfer[/] "
            "(MobileNets pretrained on ImageNet).",
        ),
    ] = None,
    data: Annotated[str | None, _option("path")] = None,
    tuner: Annotated[list[str] | None, _option("tuners")] = None,
    trials: Annotated[int | None, _option("trials")] = None,
    budget: Annotated[str | None, _option("budget")] = None,
    seed: Annotated[int | None, _option("seeds", min=0)] = None,
    name: Annotated[str | None, _option("name")] = None,
    workers: Annotated[int | None, _option("workers")] = None,
    cluster: Annotated[str | None, _option("cluster")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run of that name.")] = False,
    learning_curve: Annotated[bool, _option("learning_curve", "--learning-curve")] = False,
    skip_unreadable: Annotated[bool, _option("skip_unreadable", "--skip-unreadable")] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what would be tried, for how long and with how much memory; train nothing."
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say warnings and the result alone.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say each epoch too, and all hyperparameters of a trial.")
    ] = False,
    as_json: Json = False,
    results: Results = Path("results"),
    reports: Reports = Path("reports"),
) -> None:
    """Search for the best model, and write the leaderboard.

    [bold]Examples[/]

    \b
    python -m bench run --trials 4 --name quick
    python -m bench run --data photos --budget 15m --skip-unreadable
    python -m bench run --data photos --budget 1h --dry-run
    python -m bench run my.yaml --tuner random --tuner bayesian --budget 1h
    python -m bench run --resume --name quick
    """
    from bench.experiments import load_experiment, load_stored, override

    if quiet and verbose:
        raise UserError("--quiet and --verbose are opposites; choose one of them")
    if dry_run and resume:
        raise UserError("--dry-run says what a new run would do; leave --resume out")
    stored = results / name / "experiment.json" if resume and name and experiment is None and data is None else None
    if stored and stored.is_file():
        chosen = load_stored(stored)
    else:
        chosen = load_experiment(experiment or ("transfer" if data else "default"))
    chosen = override(
        chosen,
        data=data,
        tuners=tuner or (),
        trials=trials,
        budget=budget,
        seed=seed,
        name=name,
        workers=workers,
        cluster=cluster,
        skip_unreadable=skip_unreadable,
        learning_curve=learning_curve,
    )
    if dry_run:
        _say_what_it_would_do(chosen, results, as_json)
        return
    _require_tensorflow()
    command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
    told = functools.partial(_progress, quiet=quiet, verbose=verbose, on_stderr=as_json)
    page = _search(chosen, results, reports, command, resume, told)
    _say_ending(page.parent, [results / chosen.name], as_json)
    _require_model(chosen, results)


def _say_ending(report: Path, runs: Sequence[Path], as_json: bool) -> None:
    from bench.cli.ending import Ending

    ending = Ending.of(report, runs)
    if as_json:
        _write_json(ending.as_json())
        return
    for line in ending.lines():
        typer.echo(line)


def _write_json(content: object) -> None:
    typer.echo(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False))


def _require_model(experiment: "Experiment", results: Path) -> None:
    """A run that was to deliver a model and did not ends with exit code 3."""
    if not experiment.protocol.finalists or (results / experiment.name / "delivery.json").is_file():
        return
    larger = f"; a larger --budget than {experiment.budget} goes on with --resume" if experiment.budget else ""
    typer.echo(f"no model was delivered: no training of the final evaluation came to its end{larger}", err=True)
    raise typer.Exit(NO_MODEL)


def _say_what_it_would_do(experiment: "Experiment", results: Path, as_json: bool) -> None:
    """Reads and audits the data, and asks earlier runs what a training costs here."""
    from bench.cli.dry_run import dry_run_lines
    from bench.engine.devices import placements
    from bench.progress import QuietProgress
    from bench.records.store import require_new
    from bench.run.outlook import measured_before, outlook
    from bench.run.setup import examine

    require_new(results / experiment.name)
    places = (experiment.workers or 1) if experiment.cluster else len(placements(experiment.workers))
    warned = QuietProgress(functools.partial(typer.echo, err=True))
    with tempfile.TemporaryDirectory(prefix="segbench-") as scratch:
        found = examine(experiment.data, experiment.protocol, experiment.space.image_size, Path(scratch), warned)
    told = outlook(experiment, found, measured_before(results, experiment), places=places)
    if as_json:
        _write_json(asdict(told))
        return
    for line in dry_run_lines(told):
        typer.echo(line)


def _search(
    experiment: "Experiment",
    results: Path,
    reports: Path,
    command: str,
    resume: bool,
    told: "Callable[[], AbstractContextManager[Progress]]",
) -> Path:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's remarks on the CPU would break the display
    from bench.run import run_experiment

    _heed_signals()
    try:
        with told() as progress:
            return run_experiment(
                experiment, results=results, reports=reports, command=command, resume=resume, progress=progress
            )
    except KeyboardInterrupt:
        typer.echo(_what_was_kept(results / experiment.name, results, reports), err=True)
        raise typer.Exit(INTERRUPTED) from None


def _heed_signals() -> None:
    """What job schedulers, containers and closed terminals send is like Ctrl-C. What `nohup` had ignored stays ignored."""
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None)):
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


@app.command()
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
    as_json: Json = False,
    results: Results = Path("results"),
    reports: Reports = Path("reports"),
) -> None:
    """Write a run's report again from its records, without training and without TensorFlow; of several runs, one leaderboard.

    [bold]Examples[/]

    \b
    python -m bench report
    python -m bench report default
    python -m bench report cars panels --name both
    python -m bench report --check default
    """
    from bench.records.store import load
    from bench.report import BROWSER_PAGE, write_across, write_index, write_report

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
    _say_ending(page.parent, directories, as_json)


app.command()(delivery.predict)
app.command()(delivery.export)
app.command()(delivery.verify)
app.command()(doctor.doctor)
app.command()(other_tools.score)
data_app.command()(other_tools.split)


def _report_name(directories: Sequence[Path], name: str | None, results: Path) -> str:
    """The report's folder: the run's name, or for several runs `name`, which must not be that of a run, or the names joined."""
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
        _write_json({"report": str(report), "runs": list(map(str, directories)), "differences": found})
    for line in found:
        typer.echo(line, err=True)
    records = " and ".join(map(str, directories))
    if found:
        raise UserError(f"{report} differs from the records in {records} ({len(found)} differences)")
    if not as_json:
        typer.echo(f"every number of {report} is what the records in {records} say")


@data_app.command()
def audit(
    path: Annotated[Path, typer.Argument(help="A folder of images with annotations, or an experiment's YAML file.")],
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            "--verbose",
            "-v",
            help="Print every finding; else what repeats is grouped, and of a kind 20 are shown.",
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the findings alone.")] = False,
    as_json: Json = False,
) -> None:
    """Say what a data set holds and what is wrong with it: duplicates, missing and unreadable files, broken outlines, balance."""
    from bench.cli.audit import audit_lines, finding_lines
    from bench.datasets import open_dataset
    from bench.datasets.audit import audit

    root, options = _data_of(path)
    found, dataset = audit(open_dataset(root, options), options)
    if as_json:
        _write_json({"dataset": asdict(dataset), "audit": asdict(found)})
        return
    most = None if every else 20
    for line in finding_lines(found, most) if quiet else audit_lines(found, dataset, most=most):
        typer.echo(printable(line))


@data_app.command()
def convert(
    path: Annotated[Path, typer.Argument(help="A folder of images with annotations, or an experiment's YAML file.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="A folder that does not exist yet, or is empty.")],
) -> None:
    """Write a data set as ordinary folders: images, masks of class ids, classes.json, and its parts. It is what training would see."""
    from bench.datasets import open_dataset
    from bench.datasets.convert import convert

    require_empty(output)
    root, options = _data_of(path)
    dataset = open_dataset(root, options)
    output.mkdir(parents=True, exist_ok=True)
    left_out = convert(dataset, output, options)
    for finding in left_out:
        typer.echo(printable(finding.message))
    typer.echo(f"{output}: {len(dataset.samples) - len(left_out)} images, classes {', '.join(dataset.classes)}")


@data_app.command()
def show(
    path: Annotated[Path, typer.Argument(help="A folder of images with annotations, or an experiment's YAML file.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where the pictures are written.")],
    most: Annotated[int, typer.Option(metavar="N", min=1, help="How many images are drawn.")] = 48,
) -> None:
    """Draw annotations on their images, worst findings first, and one contact sheet of them."""
    from bench.datasets import open_dataset
    from bench.datasets.audit import audit
    from bench.datasets.overlays import SHEET, write_overlays

    require_empty(output)
    root, options = _data_of(path)
    dataset = open_dataset(root, options)
    record, _ = audit(dataset, options)
    drawn = write_overlays(dataset, record.findings, output, most=most)
    typer.echo(f"{drawn} of {len(dataset.samples)} images drawn; all of them on {output / SHEET}")


@data_app.command()
def sample(
    directory: Annotated[Path, typer.Argument(help="A folder that does not exist yet, or is empty.")],
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another seed draws other pictures.")] = 0,
) -> None:
    """Write the sample set, 140 drawn pictures of damaged panels, as folders images/ and masks/."""
    from bench.datasets.sample import write_sample_set

    require_empty(directory)
    write_sample_set(directory, seed=seed)
    typer.echo(f"sample set: {directory}")


@app.command()
def init(
    path: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The experiment file to write.")],
    data: Annotated[str | None, typer.Option(metavar="DIR", help="Your images, from where the file is.")] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Write a JSON schema beside it, for editors that complete YAML.")
    ] = False,
) -> None:
    """Write a commented experiment file with every field and its default.

    [bold]Examples[/]

    \b
    python -m bench init cars.yaml --data photos
    python -m bench run cars.yaml
    """
    from bench.cli.init import schema_text, write_experiment

    write_experiment(path, data)
    typer.echo(f"experiment: {path}; run it with: python -m bench run {path}")
    if schema:
        beside = path.with_suffix(".schema.json")
        beside.write_text(schema_text(), encoding="utf-8")
        typer.echo(f"schema:     {beside}")


@app.command(name="list")
def list_names(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the names alone.")] = False, as_json: Json = False
) -> None:
    """Print everything that an experiment can name, one line each."""
    from bench.cli.catalogue import catalogue

    if as_json:
        _write_json(catalogue())
        return
    for kind, names in catalogue().items():
        typer.secho(kind, bold=True)
        width = max(map(len, names), default=0)
        for name, description in names.items():
            typer.echo(f"  {name}" if quiet else f"  {name:{width}}  {description}")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"segbench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Its help is the app's own."""


@contextlib.contextmanager
def _progress(*, quiet: bool, verbose: bool, on_stderr: bool) -> Iterator["Progress"]:
    """A live display where someone watches, else a line for each event."""
    from rich.console import Console

    from bench.progress import PlainProgress, QuietProgress
    from bench.progress.live import LiveProgress

    stream = sys.stderr if on_stderr else sys.stdout
    if quiet:
        yield QuietProgress(write=lambda line: print(printable(line), file=sys.stderr, flush=True))  # noqa: T201
        return
    console = Console(stderr=on_stderr)
    if not console.is_terminal:

        def plain(line: str) -> None:
            print(printable(line), file=stream, flush=True)

        yield PlainProgress(write=plain, verbose=verbose)
        return
    with LiveProgress(console, verbose=verbose) as live:
        yield live


def _data_of(path: Path) -> "tuple[Path, DataOptions]":
    """The folder and how it is read: as an experiment's file says it, or as `run --data` does. What cannot be read is left out."""
    from bench.experiments import load_experiment

    is_file = path.suffix in (".yaml", ".yml")
    data = load_experiment(str(path) if is_file else "transfer").data
    return Path(data.path) if is_file else path, replace(data.options, skip_unreadable=True)


def _require_tensorflow() -> None:
    if find_spec("tensorflow") is None:
        raise UserError("TensorFlow is not installed; choose a build: pip install 'segbench[cpu]' or 'segbench[gpu]'")


def _run_directory(run: str | None, results: Path) -> Path:
    """The folder of the run of that name, at that path, or of the one that was written to last."""
    if run is not None:
        return Path(run) if (Path(run) / "run.json").is_file() else results / run
    newest = max(results.glob("*/run.json"), key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        raise UserError(f"no run in {results}; start one with: python -m bench run")
    return newest.parent


def _what_was_kept(directory: Path, results: Path, reports: Path) -> str:
    """For someone who pressed Ctrl-C: what is on disk, and the commands that go on from it."""
    from bench.records import TrainingRecord, TrialRecord
    from bench.records.store import load_lines

    if not (directory / "run.json").is_file():
        return "interrupted before any trial; no result was recorded"
    trials = sum(1 for _ in load_lines(directory / "trials.jsonl", TrialRecord))
    trainings = sum(1 for _ in load_lines(directory / "trainings.jsonl", TrainingRecord))
    kept = f"{trials} finished trial{' is' if trials == 1 else 's are'} kept"
    if trainings:
        kept = f"{kept}, and {trainings} training{'' if trainings == 1 else 's'} of the final evaluation"
    elsewhere = "".join(
        f" {option} {shlex.quote(str(path))}"
        for option, path, usual in (("--results", results, "results"), ("--reports", reports, "reports"))
        if path != Path(usual)
    )
    name = shlex.quote(directory.name)
    return (
        f"interrupted; {kept} in {directory}\n"
        f"go on with:  python -m bench run --resume --name {name}{elsewhere}\n"
        f"report now:  python -m bench report {name}{elsewhere}"
    )


COMMAND = "segbench"


def main() -> None:
    """The entry point of `python -m bench` and of `segbench`."""
    make_output_unfailing()
    is_command = Path(sys.argv[0]).stem == COMMAND
    if not is_command and {"--install-completion", "--show-completion"} & set(sys.argv[1:2]):
        said = f"a shell completes the command {COMMAND}, not python -m bench; try {COMMAND} {sys.argv[1]}"
        typer.echo(f"error: {said}", err=True)
        sys.exit(MENDABLE)
    try:
        code = app(prog_name=COMMAND if is_command else "python -m bench", standalone_mode=False)
    except _USAGE_ERROR as error:  # a misspelt option: in one line, like every other mistake
        said = _in_a_line(error.format_message())
        if said:  # without a command the help was shown, which says it all
            typer.echo(f"error: {said} (see --help)", err=True)
        code = MENDABLE
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    sys.exit(code)
