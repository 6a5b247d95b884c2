"""Writes any data set as ordinary folders: the exact pixels of a training, for people and other tools."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from bench.datasets.dataset import VOID, DataOptions, Dataset, Sample
from bench.datasets.images import decode
from bench.datasets.parallel import in_threads
from bench.errors import DataError
from bench.records import Finding

CLASSES_FILE = "classes.json"


def convert(dataset: Dataset, directory: Path, options: DataOptions) -> list[Finding]:
    """Writes `images/`, `masks/` and `classes.json` (name -> id); images and masks are PNG files of the same names.
    Masks hold class ids, 255 is void. The folders are in `train/`, `val/` and `test/` if the data set has parts. With
    `options.skip_unreadable`, samples that cannot be decoded become findings.

    Read again, the folders give the same pixels. Raises DataError, and OSError where nothing can be written.
    """
    names = file_names(dataset.samples)

    def write(sample: Sample) -> tuple[Finding | None, bool]:
        try:
            image, mask = decode(sample)
        except DataError as error:
            if not options.skip_unreadable:
                raise
            return Finding(kind="unreadable", message=f"{error}; left out", files=(sample.id,)), False
        for kind, pixels in (("images", image), ("masks", mask)):
            write_png(directory.joinpath(sample.split or "", kind, names[sample.id]), pixels)
        return None, bool((mask == VOID).any())

    results = in_threads(write, dataset.samples)
    write_classes(directory, dataset.classes, has_void=any(has_void for _, has_void in results))
    return [finding for finding, _ in results if finding is not None]


def write_png(path: Path, pixels: np.ndarray) -> None:
    """uint8 [H, W] or [H, W, 3] as a file, in folders that it makes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=3)


def write_classes(directory: Path, classes: Sequence[str], *, has_void: bool) -> None:
    """CLASSES_FILE: name -> id."""
    by_name = {"background": 0} | {name: number for number, name in enumerate(classes, start=1)}
    if has_void:
        by_name["void"] = VOID
    (directory / CLASSES_FILE).write_text(json.dumps(by_name, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def file_names(samples: Sequence[Sample]) -> dict[str, str]:
    """A file name for each id: the last part of the id.

    If two files of a part have the same name, the folders above are put before it, then the suffix is kept too.
    """
    names = {sample.id: f"{PurePosixPath(sample.id).stem}.png" for sample in samples}
    for longer in (
        lambda path: f"{'_'.join(_folders(path))}_{path.stem}.png",
        lambda path: f"{'_'.join(_folders(path))}_{path.name}.png",
    ):
        counts = Counter((sample.split, names[sample.id].casefold()) for sample in samples)
        for sample in samples:
            if counts[sample.split, names[sample.id].casefold()] > 1:
                names[sample.id] = longer(PurePosixPath(sample.id))
    counts = Counter((sample.split, names[sample.id].casefold()) for sample in samples)
    return {
        sample.id: names[sample.id]
        if counts[sample.split, names[sample.id].casefold()] == 1
        else f"{number}_{names[sample.id]}"
        for number, sample in enumerate(samples)
    }


def _folders(path: PurePosixPath) -> list[str]:
    return [part for part in path.parts[:-1] if part not in ("/", "..", ".")]
