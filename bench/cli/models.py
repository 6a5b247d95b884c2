"""`models`: what the networks have and cost, and where their pretrained weights come from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.arguments import Json
from bench.cli.output import write_json
from bench.cli.quiet_import import import_tensorflow

if TYPE_CHECKING:
    from bench.models import Cost

_WIDTHS = (20, 18, 10, 9, 9, 9, 9)


def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Architectures and backbones (see list), each of these with each of those. Left out: what "
            "docs/models.md has.",
        ),
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Time training steps and predictions on this machine, too.")
    ] = False,
    size: Annotated[int, typer.Option(min=32, max=2048, help="Side of the timed image, in pixels.")] = 192,
    batch_size: Annotated[int, typer.Option(min=1, max=1024, help="Batch size of the timed step.")] = 8,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Number of timed steps; the median is printed.")] = 5,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the tables into a markdown file, between its marks.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what each network has and costs: parameters, multiply-adds at 192 and 384 px, whence its weights come.

    [bold]Examples[/]

    \b
    python -m bench models unet_slim
    python -m bench models unet_slim efficientnet_lite0 mobilenetv3large --measure
    """
    from dataclasses import asdict

    from bench.models import SIZES, costs, measured, pairs, usual_pairs, write_markdown

    chosen = pairs(names) if names else usual_pairs()
    import_tensorflow()
    if not as_json:
        timed = ("ms a step", "an image") if measure else ()
        _say(("architecture", "backbone", "parameters", *(f"{each} px" for each in SIZES), *timed), "weights")
    told = []
    for counted in costs(chosen):
        each = measured(counted, size, batch_size=batch_size, steps=steps) if measure else counted
        told.append(each)
        if not as_json:
            _say(_cells(each), _weights(each))
    if as_json:
        write_json([asdict(each) for each in told])
    if markdown:
        write_markdown(markdown, told)


def _cells(of: "Cost") -> tuple[str, ...]:
    taken = [each for each in (of.step_s, of.image_s) if each is not None]
    return (
        of.architecture,
        of.backbone or "none",
        f"{of.parameters / 1e6:.2f} M",
        *(f"{each / 1e9:.2f} G" for each in of.multiply_adds.values()),
        *(f"{1000 * each:.0f}" for each in taken),
    )


def _weights(of: "Cost") -> str:
    from search_spaces.backbones import BACKBONES

    return "none" if of.backbone is None else BACKBONES[of.backbone].source


def _say(cells: tuple[str, ...], last: str) -> None:
    named, numbers = cells[:2], cells[2:]
    row = [f"{cell:{width}}" for cell, width in zip(named, _WIDTHS, strict=False)]
    row += [f"{cell:>{width}}" for cell, width in zip(numbers, _WIDTHS[2:], strict=False)]
    typer.echo(f"{' '.join(row)}  {last}")
