"""Pixels at every size that a run needs: decoded once by the parent, opened by each worker as plain arrays.

    <directory>/<size>/images.npy  masks.npy  valid.npy  ids.json

A size appears whole or not at all: it is written beside its place and renamed.
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
from numpy.lib.format import open_memmap

from bench.datasets.dataset import VOID, Dataset, Sample
from bench.datasets.images import decode
from bench.datasets.letterbox import letterbox, letterbox_mask, valid_area
from bench.errors import DataError

_BYTES_A_PIXEL = 5
"""Three of the image, one of the mask, one that says whether it counts."""

_CHUNK = 2**24

MEMORY_SHARE = 0.25
"""Arrays up to this share of the machine's memory are read into it; larger ones stay on disk, memory-mapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedPixels:
    """All images of one size, in the order of `ids`.

    `images` is uint8 [N, S, S, 3], `masks` uint8 [N, S, S] of class ids, `valid` bool [N, S, S]. The arrays are
    read-only where they are memory-mapped.

    Void pixels, whose class is undecided, have the id VOID (255) in `masks`, also in the padding that reflects them; a
    training has to leave them out of the loss. `valid` is False on padding and on void, so that metrics count neither.
    """

    ids: tuple[str, ...]
    images: np.ndarray
    masks: np.ndarray
    valid: np.ndarray

    def class_ids(self, rows: np.ndarray) -> np.ndarray:
        """`masks` of those rows, uint8 [n, S, S], with background in place of void: what counts is in `valid`."""
        masks = np.asarray(self.masks[rows])
        return np.where(masks == VOID, 0, masks) if (masks == VOID).any() else masks

    def rows(self, ids: Iterable[str]) -> np.ndarray:
        """Row numbers of `ids`, int64, in their order. Raises KeyError for an id that is not cached."""
        row_of = {name: row for row, name in enumerate(self.ids)}
        return np.array([row_of[name] for name in ids], np.int64)


def write_cache(
    dataset: Dataset,
    ids: Sequence[str],
    sizes: Iterable[int],
    directory: Path,
    *,
    fingerprint: str,
    threads: int | None = None,
) -> None:
    """Writes every missing size of `ids` below `directory`, decoding each image once for all of them.

    A size that is there with the same ids, data set `fingerprint` and rule for masks is kept; another one is replaced.
    Raises DataError if an image cannot be decoded or the disk cannot hold the arrays.
    """
    stamp = {"ids": list(ids), "fingerprint": fingerprint, "mask_resize": dataset.mask_resize}
    missing = [size for size in sorted(set(sizes)) if _read_stamp(directory / str(size)) != stamp]
    if not missing:
        return
    sample_of = {sample.id: sample for sample in dataset.samples}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix=".writing-") as scratch:
            _write_sizes([sample_of[name] for name in ids], missing, Path(scratch), dataset.mask_resize, threads)
            for size in missing:
                (Path(scratch) / str(size) / "ids.json").write_text(json.dumps(stamp))
                shutil.rmtree(directory / str(size), ignore_errors=True)
                (Path(scratch) / str(size)).replace(directory / str(size))
    except OSError as error:
        raise DataError(f"cannot write the pixel cache {directory}: {error.strerror or error}") from error


def open_cache(directory: Path, size: int, *, memory_share: float = MEMORY_SHARE) -> CachedPixels:
    """The cached pixels of one size, in memory or memory-mapped.

    Raises DataError if `write_cache` wrote no such size.
    """
    folder = directory / str(size)
    stamp = _read_stamp(folder)
    if stamp is None:
        known = sorted((int(path.parent.name) for path in directory.glob("*/ids.json")), key=int)
        raise DataError(f"no pixels of size {size} in {directory}; it holds {', '.join(map(str, known)) or 'none'}")
    files = {name: folder / f"{name}.npy" for name in ("images", "masks", "valid")}
    fits = sum(path.stat().st_size for path in files.values()) <= memory_share * _memory_bytes()
    arrays = {name: np.load(path, mmap_mode=None if fits else "r") for name, path in files.items()}
    return CachedPixels(ids=tuple(stamp["ids"]), **arrays)


def cache_bytes(num_images: int, sizes: Iterable[int]) -> int:
    """Bytes on disk of N decoded images at each size in pixels: three colours, a class and whether it counts."""
    return sum(_BYTES_A_PIXEL * num_images * size**2 for size in set(sizes))


def _write_sizes(
    samples: Sequence[Sample], sizes: Sequence[int], scratch: Path, mask_resize: str, threads: int | None
) -> None:
    _require_space(scratch, cache_bytes(len(samples), sizes))
    arrays = {size: _allocate(scratch / str(size), len(samples), size) for size in sizes}

    def fill(row: int) -> None:
        image, mask = decode(samples[row])
        for size, (images, masks, valid) in arrays.items():
            images[row] = letterbox(image, size)
            masks[row] = letterbox_mask(mask, size, mask_resize)
            valid[row] = valid_area(mask.shape[0], mask.shape[1], size) & (masks[row] != VOID)

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for _ in pool.map(fill, range(len(samples))):
            pass
    for parts in arrays.values():
        for array in parts:
            array.flush()


def _allocate(folder: Path, count: int, size: int) -> tuple[np.memmap, np.memmap, np.memmap]:
    folder.mkdir()
    return (
        _reserved(folder / "images.npy", np.uint8, (count, size, size, 3)),
        _reserved(folder / "masks.npy", np.uint8, (count, size, size)),
        _reserved(folder / "valid.npy", bool, (count, size, size)),
    )


def _reserved(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    """A memory-mapped array whose disk space is allocated at once.

    A write to a page without space on the disk would kill the process. Raises OSError if there is not enough space.
    """
    array = open_memmap(path, "w+", dtype, shape)
    with path.open("rb+") as file:
        size = path.stat().st_size
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:  # macOS
            file.seek(size - array.nbytes)
            for start in range(0, array.nbytes, _CHUNK):
                file.write(bytes(min(_CHUNK, array.nbytes - start)))
    return array


def _require_space(folder: Path, num_bytes: int) -> None:
    """Raises DataError that says how much is missing, before any is taken; `_reserved` keeps it from others."""
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise DataError(
            f"the pixel cache in {folder.parent} needs {num_bytes} bytes and the disk has {free} free; "
            "set TMPDIR to a larger one, or choose smaller image sizes"
        )


def _read_stamp(folder: Path) -> dict | None:
    try:
        return json.loads((folder / "ids.json").read_text())
    except (OSError, ValueError):
        return None


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
