"""The commands for other tools: `data split` writes a run's folds for them."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.places import require_empty, run_folder
from bench.errors import UserError, unknown

Results = Annotated[Path, typer.Option("--results", metavar="DIR", help="Where runs are kept.")]
OfRun = Annotated[str, typer.Option("--run", metavar="RUN", help="A finished run's name or folder.")]


def split(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="The data that the run was made on.")],
    run: OfRun,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="A folder that does not exist yet, or is empty.")
    ],
    layout: Annotated[
        str, typer.Option("--for", metavar="TOOL", help="folders, nnunet, yolo (Ultralytics) or smp.")
    ] = "folders",
    results: Results = Path("results"),
) -> None:
    """Write the folds and held-out images of a run for another tool, so that it can be compared on the very same images.

    Images are written as the run's models saw them before they were resized: upright, 8 bit RGB, PNG; masks hold class ids.
    The data must be those of the run, to the pixel. docs/other-tools.md has the layouts.

    [bold]Examples[/]

    \b
    python -m bench data split photos --run cars -o folds
    python -m bench data split photos --run cars -o nnUNet_raw --for nnunet
    python -m bench data split photos --run cars -o ultralytics --for yolo
    """
    from bench.exchange.folds import Folds
    from bench.exchange.layouts import LAYOUTS
    from bench.exchange.run_data import data_of
    from bench.records.store import load

    if layout not in LAYOUTS:
        raise UserError(unknown("tool", layout, LAYOUTS, "--for"))
    require_empty(output)
    loaded = load(run_folder(run, results))
    with data_of(loaded, path) as dataset:
        folds = Folds.of(loaded, dataset)
        output.mkdir(parents=True, exist_ok=True)
        said = list(LAYOUTS[layout].write(folds, output))
    counts = ", ".join(f"{part} {len(samples)}" for part, samples in folds.parts.items())
    typer.echo(f"{output}: images in {counts}; classes {', '.join(folds.classes)}")
    for line in said:
        typer.echo(f"  {line}")
