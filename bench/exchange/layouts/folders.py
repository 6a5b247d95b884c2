"""Plain folders: each image once, in the folder of its fold."""

from pathlib import Path

from bench.datasets.convert import write_classes
from bench.exchange.folds import Folds, Lines, write_all, write_pair, write_split


def write(folds: Folds, directory: Path) -> Lines:
    """`fold_1/images/`, `fold_1/masks/`, ..., `test/images/`, `test/masks/`, with classes.json and split.json."""
    has_void = write_all(
        folds,
        lambda part, stem, image, mask: write_pair(
            directory / part / "images" / f"{stem}.png", directory / part / "masks" / f"{stem}.png", image, mask
        ),
    )
    write_classes(directory, folds.classes, has_void=has_void)
    write_split(folds, directory)
    yield f"for each fold train on the other {len(folds.folds) - 1}, and write its masks to a folder of the fold's name"
