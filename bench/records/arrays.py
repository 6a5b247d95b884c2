"""Arrays of a run, whoever wrote them: which there are, of what kind and shape, looked at before any of them takes
memory. Never a pickle."""

import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.errors import StoreError
from bench.records.environment import memory_limit

MEMORY_SHARE = 0.5
"""A file whose arrays take more of the machine's memory than this is not read."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One array: the kinds of its dtype (NumPy's letters) and its shape. A letter is a size that is the same wherever
    it stands in one file."""

    dtypes: str
    shape: tuple[str | int, ...]


def _kinds(**arrays: tuple[str, str]) -> Mapping[str, Kind]:
    return {
        name: Kind(dtypes, tuple(int(size) if size.isdigit() else size for size in shape.split()))
        for name, (dtypes, shape) in arrays.items()
    }


_PICTURES = {"ids": ("U", "N"), "images": ("u", "N H W 3"), "truth": ("u", "N H W"), "valid": ("bu", "N H W")}
LAYOUTS: Mapping[str, Mapping[str, Kind]] = {
    r"predictions/(images|development)": _kinds(**_PICTURES),
    r"predictions/.*": _kinds(ids=("U", "N"), masks=("u", "N H W")),
    r"finals/.*": _kinds(
        ids=("U", "N"),
        histogram=("u", "N C 2 64"),
        sums=("f", "N C 64"),
        contours=("u", "N C 4"),
        tolerance_px=("f", ""),
    ),
    r"maps/.*": _kinds(ids=("U", "N"), values=("u", "N 2 S S C")),
    r"augmentation": _kinds(strengths=("f", "N"), images=("u", "N H W 3"), masks=("u", "N H W")),
}
"""What each file of arrays must hold, by its name; the first that fits counts. Files of other names may hold what they
like."""

_OTHER_NAMES = {"masks": "prediction"}
"""What models of a search call their masks."""


def read_arrays(path: Path, name: str) -> dict[str, np.ndarray]:
    """The arrays of the file `path` that a run calls `name`. Raises StoreError, one line that names the file."""
    layout = next((kinds for pattern, kinds in LAYOUTS.items() if re.fullmatch(pattern, name)), {})
    try:
        with zipfile.ZipFile(path) as archive:
            needed = sum(_bytes_of(archive, member) for member in archive.infolist())
        if needed > MEMORY_SHARE * memory_limit():
            raise ValueError(f"its arrays take {needed / 2**30:.1f} GiB of memory")
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        _require(layout, arrays)
    except (ValueError, EOFError, KeyError, OSError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        said = " ".join(str(error).split())[:200]
        raise StoreError(f"{path} is damaged: {said}; restore the file from a copy") from error
    return arrays


def _bytes_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """What an array takes, by its own header, which must agree with the archive's."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"{member.filename} has a version of NumPy's format that is not read")
        shape, _, dtype = read(file)
        begins = file.tell()
    size = dtype.itemsize
    for length in shape:
        size *= length
    if dtype.hasobject or size != member.file_size - begins:
        raise ValueError(f"{member.filename} does not hold the array that it announces")
    return size


def _require(layout: Mapping[str, Kind], arrays: Mapping[str, np.ndarray]) -> None:
    sizes: dict[str, int] = {}
    for name, kind in layout.items():
        called = name if name in arrays else _OTHER_NAMES.get(name, name)
        if called not in arrays:
            raise ValueError(f"it has no array {name!r}")
        array = arrays[called]
        fits = array.dtype.kind in kind.dtypes and array.ndim == len(kind.shape)
        for size, wanted in zip(array.shape, kind.shape, strict=False):
            fits = fits and size == (wanted if isinstance(wanted, int) else sizes.setdefault(wanted, size))
        if not fits:
            shown = " ".join(map(str, kind.shape))
            raise ValueError(f"{called} is {array.dtype} {list(array.shape)}, and should be [{shown}]")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{called} holds numbers that are none")
        if name == "ids" and len(set(array.tolist())) < len(array):
            raise ValueError("an image is in it twice")
