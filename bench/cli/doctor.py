"""`doctor`: what is here, what is wrong, the line that mends it, and how long an experiment takes."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.arguments import Results, with_options
from bench.cli.encoder_weights import with_weights_of_runs
from bench.errors import UserError

if TYPE_CHECKING:
    from bench.doctor import Finding
    from bench.doctor.experiment import Measured
    from bench.experiments import Experiment

WRONG = 1
"""Exit code where something is wrong."""


@with_options("path", "budget")
def doctor(
    experiment: Annotated[
        str | None,
        typer.Argument(
            metavar="EXPERIMENT",
            help="A preset (see list) or a YAML file. Left out: what [bold]run[/] takes, default, or transfer with "
            "--data.",
        ),
    ] = None,
    *,
    said: Mapping[str, Any],
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Whether a few steps are trained, to say how long it takes.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object in place of lines.")] = False,
    results: Results = Path("results"),
) -> None:
    """Say what is here, what is wrong, the line that mends it, and how long an experiment takes on this machine.

    Processor, memory, disks, packages, devices; the experiment's data, weights and workers; and the steps with which a
    run measures itself, which take up to a minute. Nothing is written to --results. Exit code 1 if something is wrong.

    [bold]Examples[/]

    \b
    python -m bench doctor
    python -m bench doctor --data photos --budget 30m
    python -m bench doctor my.yaml --no-measure --json
    """
    from bench.experiments import load_experiment, override

    chosen = load_experiment(experiment or ("transfer" if said["data"] else "default"))
    chosen = with_weights_of_runs(override(chosen, **said), results)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    typer.echo("looking at the machine, packages, data and weights: some seconds, until TensorFlow answers", err=True)
    findings = list(_looked_at(chosen, results))
    width = max(len(each.subject) for each in findings)
    if not as_json:
        typer.echo(f"experiment {chosen.name}")
        for each in findings:
            _say(each, width)
    measured, timed = _timed(chosen, measure=measure, ill=any(each.problem for each in findings))
    findings.append(timed)
    if as_json:
        typer.echo(json.dumps(_content(chosen, findings, measured), indent=2))
    else:
        _say(timed, width)
        wrong = sum(each.problem is not None for each in findings)
        typer.echo(f"{wrong} of {len(findings)} wrong" if wrong else "nothing is wrong")
    if any(each.problem for each in findings):
        raise typer.Exit(WRONG)


def _looked_at(experiment: "Experiment", results: Path) -> Iterator["Finding"]:
    """Everything that needs no training."""
    from bench.doctor import experiment as planned
    from bench.doctor import machine, software

    yield machine.processor()
    yield machine.memory()
    about_data, images = planned.data(experiment)
    yield from machine.disks(
        results, planned.pixel_bytes(experiment, images), on_ray=experiment.cluster in ("local", "auto")
    )
    yield from software.packages(software.requirements_of(), software.installed_version)
    yield from software.devices(software.ask_tensorflow())
    yield about_data
    yield from planned.weights(experiment)
    yield planned.workers(experiment)


def _timed(experiment: "Experiment", *, measure: bool, ill: bool) -> "tuple[Measured | None, Finding]":
    """How long it takes: measured where that is wanted and can be done."""
    from bench.doctor import Finding
    from bench.doctor import experiment as planned
    from bench.progress import PlainProgress
    from bench.run.scratch import scratch_folder

    if not measure or ill or experiment.cluster is not None:
        return None, planned.length(experiment, None)
    progress = PlainProgress(write=lambda line: typer.echo(f"  {line}", err=True))
    typer.echo("training a few steps, to say how long it takes: up to some minutes, none with --no-measure", err=True)
    try:
        with scratch_folder() as scratch:
            measured = planned.measure(experiment, scratch, progress)
    except UserError as error:
        mend = "python -m bench run --budget 5m" if experiment.budget else "python -m bench run"
        return None, Finding(subject="time", found="cannot be measured", problem=str(error), mend=mend)
    return measured, planned.length(experiment, measured)


def _say(each: "Finding", width: int) -> None:
    typer.echo(f"  {'WRONG' if each.problem else 'ok   '}  {each.subject:{width}}  {each.found}")
    if each.problem:
        typer.echo(f"  {'':5}  {'':{width}}  {each.problem}")
        typer.echo(f"  {'':5}  {'':{width}}  mend it: {each.mend}")


def _content(experiment: "Experiment", findings: Sequence["Finding"], measured: "Measured | None") -> dict[str, Any]:
    return {
        "experiment": experiment.name,
        "wrong": sum(each.problem is not None for each in findings),
        "findings": [asdict(each) for each in findings],
        "measured": asdict(measured) if measured else None,
    }
