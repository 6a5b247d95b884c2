"""The commands for other tools: `data split` writes a run's folds for them, `score` puts their masks into its
ranking."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.arguments import Results
from bench.cli.places import require_empty, run_folder
from bench.errors import UserError, unknown

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
    """Write the folds and held-out images of a run for another tool, so that it can be compared on the very same
    images.

    Images are written as the run's models saw them before they were resized: upright, 8 bit RGB, PNG; masks hold class
    ids. The data must be those of the run, to the pixel. docs/other-tools.md has the layouts.

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
    typer.echo(f"then: python -m bench score MASKS --run {run} --as NAME")


def score(
    path: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Masks in fold_1/ to fold_K/ (out of fold) and test/ (held-out images)."),
    ],
    run: OfRun,
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="What the ranking calls the other tool's model.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="The run's data, where they are not where it read them."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Let these masks take the place of those scored under that name before.")
    ] = False,
    results: Results = Path("results"),
) -> None:
    """Put the predictions of another tool into a run's ranking, with the same images, counts and statistics.

    A mask is an image file of class ids (0 is background) at its image's own size, upright, or at the size at which the
    run compares. It has the name that `data split` gave the image, or the image's own. A folder holds every image of
    its part, and no other. What is not given is not counted: without test/ there is no held-out score.

    [bold]Examples[/]

    \b
    python -m bench score masks --run cars --as 'nnU-Net 2d'
    python -m bench score masks --run cars --as 'nnU-Net 2d' --force
    """
    from bench.cli.score import added_lines, require_name
    from bench.exchange.run_data import data_of
    from bench.exchange.scoring import score_masks
    from bench.records.store import RunStore, load
    from bench.run.resume import locked

    directory = run_folder(run, results)
    load(directory)  # what is no run gets no lock
    with locked(directory):
        loaded = load(directory)
        require_name(loaded, name, force=force)
        with data_of(loaded, data) as dataset:
            record = score_masks(loaded, dataset, path, name=name)
        RunStore(directory).append(record)
    for line in added_lines(load(directory), record):
        typer.echo(line)
    typer.echo(f"write the page: python -m bench report {run}")


def export_records(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder; it need not be finished.")],
    target: Annotated[str, typer.Option("--to", metavar="TOOL", help="tensorboard, optuna, mlflow, csv or parquet.")],
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="OUT", help="A new folder or file; for mlflow the address of its server."
        ),
    ],
    results: Results = Path("results"),
) -> None:
    """Write every trial and training of a run for the tools that you have open: TensorBoard, optuna-dashboard, MLflow,
    pandas.

    It reads records alone, so a run is not slowed down by it. docs/other-tools.md says what goes where.

    [bold]Examples[/]

    \b
    python -m bench export-records cars --to tensorboard -o logs && tensorboard --logdir logs
    python -m bench export-records cars --to optuna -o cars.db && optuna-dashboard sqlite:///cars.db
    python -m bench export-records cars --to mlflow -o http://localhost:5000
    python -m bench export-records cars --to parquet -o tables
    """
    from bench.exchange.records import export_records as write
    from bench.records.store import load

    typer.echo(write(load(run_folder(run, results)), target, output))
