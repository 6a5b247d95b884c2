"""`init` and `list`: an experiment file to start from, and all that it can name."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.arguments import Json
from bench.cli.output import require_one_of, write_json


def init(
    path: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The experiment file to write.")],
    data: Annotated[str | None, typer.Option(metavar="DIR", help="Your images, from where the file is.")] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Write a JSON schema beside it, for editors that complete YAML.")
    ] = False,
) -> None:
    """Write a commented experiment file with every field: the default experiment, or with --data one for your images.

    [bold]Examples[/]

    \b
    python -m bench init cars.yaml --data photos
    python -m bench run cars.yaml
    """
    from bench.cli.init import write_experiment
    from bench.cli.schema import schema_text

    beside = path.with_suffix(".schema.json") if schema else None
    write_experiment(path, data, beside)
    typer.echo(f"experiment: {path}; run it with: python -m bench run {path}")
    if beside:
        beside.write_text(schema_text(), encoding="utf-8")
        typer.echo(f"schema:     {beside}")


def list_names(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the names alone.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print the files of presets too.")] = False,
    as_json: Json = False,
) -> None:
    """Print everything that an experiment can name, one line each."""
    from bench.cli.catalogue import catalogue, preset_files

    require_one_of(quiet, verbose)
    if as_json:
        write_json(catalogue())
        return
    files = preset_files() if verbose else {}
    for kind, names in catalogue().items():
        typer.secho(kind, bold=True)
        width = max(map(len, names), default=0)
        for name, description in names.items():
            typer.echo(f"  {name}" if quiet else f"  {name:{width}}  {description}")
            if kind in files:
                typer.echo(f"  {'':{width}}  {files[kind][name]}")
