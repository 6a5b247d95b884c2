"""Images at their own size, decoded once, from which windows are cut.

They are memory-mapped, so that a worker holds only what it reads.

    <directory>/native/<row>.image.npy  <row>.mask.npy  foreground.npz  ids.json

The disk holds 4 bytes for each pixel of each image, no more; a window takes the memory of its own pixels.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.datasets.dataset import VOID, Dataset, Sample
from bench.datasets.images import decode
from bench.errors import DataError
from bench.records import ImageFacts

NATIVE = "native"
"""The folder beside the sizes of a pixel cache."""

_BYTES_A_PIXEL = 4
"""Three of the image, one of the mask."""

FOREGROUND_POINTS = 1024
"""Pixels of each class and image that are kept, evenly drawn: a window over one of them sees some of the class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NativePixels:
    """The images of `folder` in the order of `ids`.

    `points` are pixels of each foreground class of each image, int32 [n, 2] rows and columns.
    """

    ids: tuple[str, ...]
    folder: Path
    points: tuple[tuple[np.ndarray, ...], ...]

    def image(self, row: int) -> np.ndarray:
        """uint8 RGB [H, W, 3], read-only on disk."""
        return np.load(self.folder / f"{row}.image.npy", mmap_mode="r")

    def mask(self, row: int) -> np.ndarray:
        """uint8 class ids [H, W], VOID where undecided, read-only on disk."""
        return np.load(self.folder / f"{row}.mask.npy", mmap_mode="r")

    def rows(self, ids: Iterable[str]) -> list[int]:
        """Row numbers of `ids` in their order. Raises KeyError for an id that is not there."""
        row_of = {name: row for row, name in enumerate(self.ids)}
        return [row_of[name] for name in ids]


def native_bytes(images: Iterable[ImageFacts]) -> int:
    """Bytes that images of those sizes take on disk."""
    return sum(_BYTES_A_PIXEL * image.width * image.height for image in images)


def write_native(
    dataset: Dataset,
    ids: Sequence[str],
    directory: Path,
    *,
    fingerprint: str,
    num_bytes: int,
    threads: int | None = None,
) -> None:
    """Writes the images `ids` below `directory`, whole or not at all.

    An earlier copy of the same ids and data set `fingerprint` is kept. Raises DataError if the disk has no room for
    `num_bytes`, or an image cannot be decoded.
    """
    stamp = {"ids": list(ids), "fingerprint": fingerprint}
    target = directory / NATIVE
    if _read_stamp(target) == stamp:
        return
    sample_of = {sample.id: sample for sample in dataset.samples}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(directory).free
        if free < num_bytes:
            raise DataError(
                f"pictures at their own size take {num_bytes} bytes in {directory} and the disk has {free} free; "
                "set TMPDIR to a larger one, or view: [whole] in the search space"
            )
        with tempfile.TemporaryDirectory(dir=directory, prefix=".writing-") as scratch:
            folder = Path(scratch) / NATIVE
            folder.mkdir()
            _write(folder, [sample_of[name] for name in ids], len(dataset.classes), threads)
            (folder / "ids.json").write_text(json.dumps(stamp))
            shutil.rmtree(target, ignore_errors=True)
            folder.replace(target)
    except OSError as error:
        raise DataError(f"cannot write pictures to {directory}: {error.strerror or error}") from error


def open_native(directory: Path) -> NativePixels:
    """Raises DataError where `write_native` wrote none."""
    folder = directory / NATIVE
    stamp = _read_stamp(folder)
    if stamp is None:
        raise DataError(f"no pictures at their own size in {directory}")
    ids = tuple(stamp["ids"])
    with np.load(folder / "foreground.npz") as stored:
        by_class = [[stored[f"{row}_{number}"] for number in range(int(stored["classes"]))] for row in range(len(ids))]
    return NativePixels(ids=ids, folder=folder, points=tuple(tuple(each) for each in by_class))


def _write(folder: Path, samples: Sequence[Sample], num_classes: int, threads: int | None) -> None:
    points: dict[str, np.ndarray] = {"classes": np.array(num_classes)}

    def fill(row: int) -> None:
        image, mask = decode(samples[row])
        np.save(folder / f"{row}.image.npy", image)
        np.save(folder / f"{row}.mask.npy", mask)
        for number in range(num_classes):
            points[f"{row}_{number}"] = _points(mask, number + 1)

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for _ in pool.map(fill, range(len(samples))):
            pass
    np.savez(folder / "foreground.npz", **points)  # type: ignore[arg-type]


def _points(mask: np.ndarray, class_id: int) -> np.ndarray:
    """Every k-th pixel of a class in the order of rows, so that all of a long object is among them."""
    assert class_id != VOID
    positions = np.flatnonzero(mask == class_id)
    positions = positions[:: max(1, -(-len(positions) // FOREGROUND_POINTS))]
    return np.stack(np.unravel_index(positions, mask.shape), axis=-1).astype(np.int32)


def _read_stamp(folder: Path) -> dict | None:
    try:
        return json.loads((folder / "ids.json").read_text())
    except (OSError, ValueError):
        return None
