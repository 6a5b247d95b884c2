"""Mask files: `images/` and `masks/` with the same stem, also as `train/images`, `images/train` and so on for val and test."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.datasets.dataset import SPLIT_FOLDERS, DataOptions, Dataset, Sample
from bench.datasets.formats.annotation_files import image_id
from bench.datasets.images import UnreadableImageError, list_images, read_mask, upright
from bench.errors import DataError
from bench.records import Finding

THRESHOLD = 127
"""Grey values above it are foreground in masks painted with 0 and 255."""
_FEW_GREYS = 16
_EDGE_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskFile:
    """A mask beside its image. `class_of` is 256 bytes: the class id for each value."""

    path: Path
    image_path: Path
    class_of: bytes

    def rasterise(self, height: int, width: int, orientation: int = 1) -> np.ndarray:
        """Class ids uint8 [height, width]. A mask of the stored, unrotated size is turned with its image; where both sizes are
        the same (square, or turned by 180 degrees) the mask is taken as shown. Raises DataError for another size."""
        values = read_mask(self.path)
        if values.shape != (height, width) and orientation in (5, 6, 7, 8) and values.shape == (width, height):
            values = upright(values, orientation)
        if values.shape != (height, width):
            raise DataError(
                f"mask {self.path} is {values.shape[1]}x{values.shape[0]} pixels, but its image {self.image_path} is "
                f"{width}x{height}"
            )
        return np.frombuffer(self.class_of, np.uint8)[values]

    def outside(self, height: int, width: int) -> tuple[int, ...]:
        return ()


def recognises(root: Path) -> bool:
    """Whether `root`, or a train, val or test folder in it, has both an `images` and a `masks` folder.

    Raises DataError where `images` stands there without `masks` and nothing else annotates it.
    """
    if _pairs(root):
        return True
    lonely = root / "images"
    if lonely.is_dir() and not any(root.rglob("*.json")):
        raise DataError(
            f"{lonely} has no masks: {root / 'masks'} is missing; it should hold one mask per image, of the same stem"
        )
    return False


def read(root: Path, options: DataOptions) -> Dataset:
    """Reads all masks once to decide what their values mean (`_value_classes`), for the data set as a whole.

    Raises DataError for ids that configured classes do not know, several masks for one image, and no pair at all.
    """
    findings: list[Finding] = []
    found = [(split, *pair) for split, images, masks in _pairs(root) for pair in _match(root, images, masks, findings)]
    if not found:
        places = ", ".join(str(masks) for _, _, masks in _pairs(root))
        raise DataError(
            f"no mask in {places} has the stem of an image; a.jpg in images/ needs a.png (or the like) in masks/"
        )
    histograms = _histograms([mask for _, _, mask in found], options, findings, root)
    usable = {mask: counts for (_, _, mask), counts in zip(found, histograms, strict=True) if counts is not None}
    classes, class_of = _value_classes(usable, options)
    samples = [
        Sample(
            id=image_id(root, image),
            image_path=image,
            annotation=MaskFile(path=mask, image_path=image, class_of=class_of),
            split=split,
        )
        for split, image, mask in found
        if mask in usable
    ]
    return Dataset(
        name=root.resolve().name,
        root=root,
        format="folders",
        classes=classes,
        samples=tuple(samples),
        findings=tuple(findings),
    )


def _pairs(root: Path) -> list[tuple[str | None, Path, Path]]:
    """(part, images folder, masks folder) for every layout that is there; parts go before the whole."""
    layouts: list[tuple[str | None, Path, Path]] = []
    for name, part in SPLIT_FOLDERS.items():
        layouts.append((part, root / name / "images", root / name / "masks"))
        layouts.append((part, root / "images" / name, root / "masks" / name))
    layouts = [layout for layout in layouts if layout[1].is_dir() and layout[2].is_dir()]
    whole = (None, root / "images", root / "masks")
    return layouts or ([whole] if whole[1].is_dir() and whole[2].is_dir() else [])


def _match(root: Path, images: Path, masks: Path, findings: list[Finding]) -> list[tuple[Path, Path]]:
    """Image and mask of the same stem; what has no partner becomes a finding."""
    image_of, mask_of = _by_stem(images), _by_stem(masks)
    for stem in sorted(image_of.keys() - mask_of.keys()):
        name = image_id(root, image_of[stem])
        findings.append(Finding(kind="missing_annotation", message=f"{name} has no mask; left out", files=(name,)))
    for stem in sorted(mask_of.keys() - image_of.keys()):
        name = image_id(root, mask_of[stem])
        findings.append(Finding(kind="missing_image", message=f"{name} is a mask without an image", files=(name,)))
    return [(image_of[stem], mask_of[stem]) for stem in sorted(image_of.keys() & mask_of.keys())]


def _by_stem(folder: Path) -> dict[str, Path]:
    by_stem: dict[str, Path] = {}
    for path in list_images(folder):
        if path.stem in by_stem:
            raise DataError(
                f"{by_stem[path.stem]} and {path} have one stem, so it is unclear which belongs to which partner"
            )
        by_stem[path.stem] = path
    return by_stem


def _histograms(
    masks: Sequence[Path], options: DataOptions, findings: list[Finding], root: Path
) -> list[np.ndarray | None]:
    """Pixels of each value, int64 [256], per mask; None for one that cannot be read and may be skipped."""

    def count(path: Path) -> np.ndarray | UnreadableImageError:
        try:
            return np.bincount(read_mask(path).ravel(), minlength=256)
        except UnreadableImageError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counted = list(pool.map(count, masks))
    for path, result in zip(masks, counted, strict=True):
        if isinstance(result, UnreadableImageError):
            if not options.skip_unreadable:
                raise result
            name = image_id(root, path)
            findings.append(Finding(kind="unreadable", message=f"{result}; left out", files=(name,)))
    return [None if isinstance(result, UnreadableImageError) else result for result in counted]


def _value_classes(histograms: Mapping[Path, np.ndarray], options: DataOptions) -> tuple[tuple[str, ...], bytes]:
    """What mask values mean, decided once over all masks: the foreground classes, and the class id of each value 0-255.

    - Painted: the largest value is above 127, and either only one value apart from 0 occurs, or the greys between 32 and 223
      are edge and compression noise: at most a quarter of all pixels above 31, or more than 16 different ones. Foreground
      is above 127. One class: the configured one, else "foreground".
    - Class ids: configured classes (name -> id) decide alone when there are several; else nothing is above 127 and every value
      that occurs is a class, "class_<id>"; "foreground" where it is the only one.

    Anything else cannot be told apart, and the error asks for `classes`.
    """
    counts = np.sum(list(histograms.values()), axis=0)
    values = [int(value) for value in np.flatnonzero(counts) if value]
    if len(options.classes) > 1 or (options.classes and not _is_painted(counts, values)):
        return _configured(histograms, options)
    if _is_painted(counts, values):
        _reject_mixture(histograms)
        return tuple(options.classes) or ("foreground",), bytes(int(value > THRESHOLD) for value in range(256))
    if values and max(values) > THRESHOLD:
        shown = ", ".join(map(str, values[:8]))
        raise DataError(
            f"masks in {next(iter(histograms)).parent} hold the values {shown}, neither 0 and 255 nor small class ids; "
            "say which is which with classes: {name: id}"
        )
    names = tuple(f"class_{value}" for value in values) if len(values) > 1 else ("foreground",)
    return names, _lookup(values)


def _is_painted(counts: np.ndarray, values: Sequence[int]) -> bool:
    if not values or max(values) <= THRESHOLD:
        return False
    greys = counts[32:224]
    few = bool(greys.sum() <= _EDGE_SHARE * counts[32:].sum())
    return len(values) == 1 or few or int(np.count_nonzero(greys)) > _FEW_GREYS


def _reject_mixture(histograms: Mapping[Path, np.ndarray]) -> None:
    """A mask of 0 and 1 among masks of 0 and 255 would silently become empty."""
    for path, counts in histograms.items():
        if (
            counts[1] > 0.001 * counts.sum()
            and not counts[2:].any()
            and path.suffix.lower() not in (".jpg", ".jpeg", ".webp")
        ):
            raise DataError(
                f"mask {path} holds 0 and 1 while others hold 0 and 255; save all of them with one pair of values"
            )


def _configured(histograms: Mapping[Path, np.ndarray], options: DataOptions) -> tuple[tuple[str, ...], bytes]:
    known: list[int] = []
    for name, value in options.classes.items():
        if not str(value).isdecimal() or not 1 <= int(value) <= 255:
            raise DataError(
                f"class {name!r} stands for {value!r}; mask files need an id from 1 to 255 (0 is background)"
            )
        known.append(int(value))
    for path, counts in histograms.items():
        strange = sorted(set(np.flatnonzero(counts).tolist()) - {0, *known})
        if strange:
            raise DataError(
                f"mask {path} holds the ids {', '.join(map(str, strange[:8]))}; "
                f"classes knows 0 (background), {', '.join(map(str, known))}"
            )
    return tuple(options.classes), _lookup(known)


def _lookup(values: Sequence[int]) -> bytes:
    table = np.zeros(256, np.uint8)
    table[list(values)] = range(1, len(values) + 1)
    return table.tobytes()
