"""The commands that use a delivered model: `predict`, `export` and `verify`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.arguments import Results
from bench.cli.places import folder_of_model, run_folder
from bench.cli.quiet_import import import_tensorflow
from bench.errors import UserError, unknown
from bench.formats import printable

if TYPE_CHECKING:
    from bench.delivery.model import SegmentationModel
    from bench.delivery.predicting import Predicted

SKIPPED = 1
"""Exit code of `predict` where an image could not be read."""

Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
Model = Annotated[
    str, typer.Argument(metavar="RUN_OR_MODEL", help="A run's name or folder, or a folder with model.keras.")
]


def predict(
    model: Model,
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGES...", help="Files, folders, or patterns: 'new-photos/**/*.jpg'.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where masks are written.")],
    overlays: Annotated[bool, typer.Option("--overlays", help="Photographs with the mask on them too.")] = False,
    areas: Annotated[bool, typer.Option("--areas", help="A table areas.csv too: pixels, share and objects.")] = False,
    polygons: Annotated[
        str | None, typer.Option(metavar="FORMAT", help="Outlines for annotation tools too: coco or labelme.")
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Probabilities too, float16 [H, W, channels] in .npz files.")
    ] = False,
    as_scored: Annotated[
        bool,
        typer.Option(
            "--as-scored", help="Masks as the run counts them: squares at its evaluation size, for [bold]score[/]."
        ),
    ] = False,
    force: Force = False,
    results: Results = Path("results"),
) -> None:
    """Write a mask for each photograph: a PNG of its own size, upright, with class ids (0 is background) and a colour
    table.

    What cannot be read is named and skipped; the exit code is then 1.

    [bold]Examples[/]

    \b
    python -m bench predict cars new-photos -o masks
    python -m bench predict cars 'new-photos/**/*.jpg' -o masks --overlays --areas
    python -m bench predict results/cars/model one.jpg -o masks --polygons coco --force
    """
    from bench.delivery.image_files import find_images
    from bench.delivery.masks import POLYGONS
    from bench.delivery.predicting import Wishes, plan_outputs, predict_files

    if polygons is not None and polygons not in POLYGONS:
        raise UserError(unknown("format of polygons", polygons, POLYGONS))
    folder = folder_of_model(model, results)
    paths = find_images(images)
    wishes = Wishes(overlays=overlays, areas=areas, probabilities=probabilities, polygons=polygons, as_scored=as_scored)
    outputs = plan_outputs(paths, output, wishes, force=force)
    loaded = _load(folder)
    problems = list(_watched(predict_files(loaded, paths, outputs), len(paths)))
    written = len(paths) - len(problems)
    typer.echo(f"{written} mask{'' if written == 1 else 's'} in {output}")
    if problems:
        typer.echo(f"{len(problems)} of {len(paths)} images skipped", err=True)
        raise typer.Exit(SKIPPED)


def export(
    model: Model,
    format_name: Annotated[str, typer.Option("--format", metavar="FORMAT", help="keras, savedmodel, onnx or litert.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PATH", help="Left out: beside the model.")
    ] = None,
    force: Force = False,
    results: Results = Path("results"),
) -> None:
    """Write a delivered model in another format; a JSON beside it has classes, threshold and smallest object.

    [bold]Examples[/]

    \b
    python -m bench export cars --format onnx
    python -m bench export cars --format litert -o app/assets/damage.tflite
    """
    from bench.delivery.export import FORMATS
    from bench.delivery.export import export as write

    if format_name not in FORMATS:
        raise UserError(unknown("format", format_name, FORMATS))
    folder = folder_of_model(model, results)
    loaded = _load(folder)
    typer.echo(f"{format_name}: {write(loaded, folder, format_name, output, force=force)}")
    if loaded.sees_patches:
        side = loaded.description.image_size
        typer.echo(
            f"note: this file sees one window of {side} px; cutting a photograph into windows and blending them is "
            "left to its caller (docs/delivery.md)"
        )


def verify(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder.")],
    results: Results = Path("results"),
) -> None:
    """Score a run's delivered model again on the held-out test images, from their files, and compare every count with
    the record.

    [bold]Example[/]

    \b
    python -m bench verify cars
    """
    from bench.delivery.verification import differences

    directory = run_folder(run, results)
    loaded = _load(folder_of_model(run, results))
    found = list(differences(directory, loaded))
    for line in found:
        typer.echo(line, err=True)
    if found:
        raise UserError(f"the model of {directory} does not reproduce its record ({len(found)} differences)")
    typer.echo(f"the model of {directory} reproduces every recorded count of its held-out test images, to the pixel")


def _load(folder: Path) -> "SegmentationModel":
    from bench.delivery.description import read_description

    read_description(folder)  # what is torn is told before seconds go by
    import_tensorflow()
    from bench.delivery.model import load_model

    return load_model(folder)


def _watched(predicted: "Iterator[Predicted]", count: int) -> Iterator[str]:
    """Shows how far it is and how long it will take, names what was skipped, and yields that."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("predicting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("predicting", total=count)
        for each in predicted:
            progress.advance(task)
            if each.problem:
                console.print(f"skipped: {printable(each.problem)}", markup=False, highlight=False, soft_wrap=True)
                yield each.problem
