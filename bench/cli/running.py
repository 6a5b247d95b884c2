"""`run`: a search, a final evaluation, the model and the page; or what that would take."""

import contextlib
import functools
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import UserError
from bench.formats import printable

if TYPE_CHECKING:
    from bench.experiments import Experiment
    from bench.progress import Progress
from bench.cli.arguments import Json, Reports, Results, with_options
from bench.cli.encoder_weights import with_weights_of_runs
from bench.cli.exit_codes import INTERRUPTED, NO_MODEL
from bench.cli.output import require_one_of, say_ending, write_json


@with_options()
def run(
    experiment: Annotated[
        str | None,
        typer.Argument(
            metavar="EXPERIMENT",
            help="A preset (see list) or a YAML file. Left out: [bold]default[/], or with --data [bold]transfer[/] "
            "(light encoders pretrained on ImageNet).",
        ),
    ] = None,
    *,
    said: Mapping[str, Any],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run of that name.")] = False,
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
    from bench.experiments import override

    require_one_of(quiet, verbose)
    if dry_run and resume:
        raise UserError("--dry-run says what a new run would do; leave --resume out")
    chosen = override(_experiment_of(experiment, said, results if resume else None), **said)
    _require_said(chosen.cluster, said)
    chosen = with_weights_of_runs(chosen, results)
    if dry_run:
        _say_what_it_would_do(chosen, results, as_json)
        return
    _require_tensorflow()
    command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
    told = functools.partial(_progress, quiet=quiet, verbose=verbose, on_stderr=as_json)
    page = _search(chosen, results, reports, command, resume, told)
    say_ending(page.parent, [results / chosen.name], as_json)
    _require_model(chosen, results)


def _experiment_of(named: str | None, said: Mapping[str, Any], resumed: Path | None) -> "Experiment":
    """The one that is named, or that of the run in `resumed` that is, else what a run without words takes."""
    from bench.experiments import load_experiment, load_stored

    stored = resumed / said["name"] / "experiment.json" if resumed and said["name"] else None
    if stored and named is None and said["data"] is None and stored.is_file():
        return load_stored(stored)
    return load_experiment(named or ("transfer" if said["data"] else "default"))


def _require_said(cluster: str | None, said: Mapping[str, Any]) -> None:
    """Raises UserError where a file, and not the command line, names a cluster by its address. Whoever runs that
    cluster runs code here: Ray unpickles what it sends; and a file may be anybody's."""
    if cluster and ":" in cluster and not said["cluster"]:
        raise UserError(
            f"the experiment names the Ray cluster {cluster}, whose owner could run code here; say --cluster "
            f"{shlex.quote(cluster)} to join it, or "
            "--cluster none"
        )


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
    from bench.run.earlier_costs import measured_before
    from bench.run.outlook import outlook
    from bench.run.scratch import scratch_folder
    from bench.run.setup import examine

    require_new(results / experiment.name)
    slots = (experiment.workers or 1) if experiment.cluster else len(placements(experiment.workers))
    warned = QuietProgress(functools.partial(typer.echo, err=True))
    with scratch_folder() as scratch:
        space = experiment.space
        found = examine(experiment.data, experiment.protocol, space.image_size, scratch, warned, views=space.view)
    experiment = found.resolved(experiment)
    told = outlook(experiment, found, measured_before(results, experiment), slots=slots)
    if as_json:
        write_json(asdict(told))
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
    """What job schedulers, containers and closed terminals send is like Ctrl-C. What `nohup` had ignored stays
    ignored."""
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None)):
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


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


def _require_tensorflow() -> None:
    if find_spec("tensorflow") is None:
        raise UserError("TensorFlow is not installed; choose a build: pip install 'segbench[cpu]' or 'segbench[gpu]'")


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
