"""For code of one's own around segmentation-models-pytorch or timm: all images in one folder, and a table."""

import csv
from pathlib import Path

from bench.datasets.convert import write_classes
from bench.exchange.folds import Folds, Lines, write_all, write_pair, write_split

COLUMNS = ("image", "mask", "part")


def write(folds: Folds, directory: Path) -> Lines:
    """`images/`, `masks/`, and folds.csv with paths below the folder and the part of each image."""
    has_void = write_all(
        folds,
        lambda part, stem, image, mask: write_pair(
            directory / "images" / f"{stem}.png", directory / "masks" / f"{stem}.png", image, mask
        ),
    )
    rows = [
        (f"images/{stem}.png", f"masks/{stem}.png", part) for part in folds.parts for stem in sorted(folds.stems(part))
    ]
    with (directory / "folds.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    write_classes(directory, folds.classes, has_void=has_void)
    write_split(folds, directory)
    yield "folds.csv says the part of each image: train on all folds but one, never on test"
    if has_void:
        yield "255 in masks is void: smp.losses take ignore_index=255"
