"""`data`: what a data set holds, what is wrong with it, how it looks; and the sample set."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.places import require_empty
from bench.formats import printable

if TYPE_CHECKING:
    from bench.datasets import DataOptions
from bench.cli.arguments import Json
from bench.cli.output import write_json


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
    """Say what a data set holds and what is wrong with it: duplicates, missing and unreadable files, broken outlines,
    balance."""
    from bench.cli.audit import audit_lines, finding_lines
    from bench.datasets import open_dataset
    from bench.datasets.audit import audit
    from bench.datasets.findings import memory_said

    root, options = _data_of(path)
    source = open_dataset(root, options)
    for line in memory_said(source.findings):
        typer.echo(printable(line), err=True)
    found, dataset = audit(source, options)
    if as_json:
        write_json({"dataset": asdict(dataset), "audit": asdict(found)})
        return
    most = None if every else 20
    for line in finding_lines(found, most) if quiet else audit_lines(found, dataset, most=most):
        typer.echo(printable(line))


def convert(
    path: Annotated[Path, typer.Argument(help="A folder of images with annotations, or an experiment's YAML file.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="A folder that does not exist yet, or is empty.")],
) -> None:
    """Write a data set as ordinary folders: images, masks of class ids, classes.json, and its parts. It is what
    training would see."""
    from bench.datasets import open_dataset
    from bench.datasets.convert import convert
    from bench.datasets.findings import warnings_of

    require_empty(output)
    root, options = _data_of(path)
    dataset = open_dataset(root, options)
    for line in warnings_of(dataset.findings):
        typer.echo(printable(line), err=True)
    output.mkdir(parents=True, exist_ok=True)
    left_out = convert(dataset, output, options)
    for finding in left_out:
        typer.echo(printable(finding.message))
    typer.echo(f"{output}: {len(dataset.samples) - len(left_out)} images, classes {', '.join(dataset.classes)}")


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


def sample(
    directory: Annotated[Path, typer.Argument(help="A folder that does not exist yet, or is empty.")],
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another seed draws other pictures.")] = 0,
) -> None:
    """Write the sample set, 140 drawn pictures of damaged panels, as folders images/ and masks/."""
    from bench.datasets.sample import write_sample_set

    require_empty(directory)
    write_sample_set(directory, seed=seed)
    typer.echo(f"sample set: {directory}")


def _data_of(path: Path) -> "tuple[Path, DataOptions]":
    """The folder and how it is read: as an experiment's file says it, or as `run --data` does. What cannot be read is
    left out."""
    from bench.experiments import load_experiment

    is_file = path.suffix in (".yaml", ".yml")
    data = load_experiment(str(path) if is_file else "transfer").data
    return Path(data.path) if is_file else path, replace(data.options, skip_unreadable=True)
