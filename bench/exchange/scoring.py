"""Masks of another tool against a run's images: the same counts as its own models have."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import numpy as np

from bench.datasets.dataset import VOID, Dataset, Sample
from bench.datasets.images import decode, is_image_file, mask_pixels
from bench.datasets.letterbox import letterbox_mask, valid_area
from bench.datasets.parallel import in_threads
from bench.errors import DataError
from bench.evaluation.counting import confusion_of, counts_of
from bench.exchange.run_data import TEST, evaluation_size, parts_of, stems_of
from bench.records import ClassCounts, ExternalRecord, Run

_SHOWN = 3

Counts = Mapping[str, tuple[ClassCounts, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mask:
    """A file of the part `part` and the image that it is of."""

    part: str
    path: Path
    sample: Sample


def score_masks(run: Run, dataset: Dataset, folder: Path, *, name: str) -> ExternalRecord:
    """Counts of the masks in `folder`: `fold_1/`, `fold_2/`, ... out of fold, `test/` for the held-out test images.

    A part that is not there is not counted; a part that is there must have every image, and no other.

    A mask holds class ids at its image's own size, upright, and is shrunk by the rule of the data set's masks; or it
    has the evaluation size, letterboxed as the run's own predictions, and is taken unchanged. Raises DataError, one
    line that names the file.
    """
    masks = _found(run, dataset, folder)
    size, num_classes = evaluation_size(run), len(run.dataset.classes) + 1

    def count(mask: _Mask) -> tuple[tuple[ClassCounts, ...], str]:
        image, truth = decode(mask.sample)
        ids = _class_ids(mask.path, run.dataset.classes)
        digest = hashlib.sha256(f"{ids.shape}".encode() + np.ascontiguousarray(ids).tobytes()).hexdigest()
        predicted = _at_evaluation_size(ids, mask.path, image.shape[:2], size, dataset.mask_resize)
        square = letterbox_mask(truth, size, dataset.mask_resize)
        valid = valid_area(truth.shape[0], truth.shape[1], size) & (square != VOID)
        return counts_of(confusion_of(square, predicted, valid, num_classes)), digest

    counted = dict(zip([mask.sample.id for mask in masks], in_threads(count, masks), strict=True))
    digest = hashlib.sha256("".join(f"{image}\0{own}\n" for image, (_, own) in sorted(counted.items())).encode())
    parts: dict[str, Counts] = {
        part: {mask.sample.id: counted[mask.sample.id][0] for mask in masks if (mask.part == TEST) == (part == TEST)}
        for part in ("folds", TEST)
    }
    return ExternalRecord(
        name=name,
        folder=str(folder),
        scored_at=datetime.now(UTC).isoformat(timespec="seconds"),
        evaluation_size=size,
        masks_digest=digest.hexdigest(),
        out_of_fold=parts["folds"],
        test=parts[TEST],
    )


def _found(run: Run, dataset: Dataset, folder: Path) -> list[_Mask]:
    """Every mask with its image, part by part."""
    parts = parts_of(run)
    given = [part for part in parts if (folder / part).is_dir()]
    if not given:
        raise DataError(
            f"{folder} has none of the folders {', '.join(parts)}; put the masks of a part into a folder of its name"
        )
    unknown = sorted(path.name for path in folder.glob("fold_*") if path.is_dir() and path.name not in parts)
    if unknown:
        last = len(parts) - 1
        raise DataError(
            f"{folder / unknown[0]} is no part of run {run.record.name}: its folds are fold_1 to fold_{last}"
        )
    sample_of = {sample.id: sample for sample in dataset.samples}
    named = _names(dataset, [name for ids in parts.values() for name in ids])
    part_of = {name: part for part, ids in parts.items() for name in ids}
    masks = []
    for part in given:
        files = sorted(path for path in (folder / part).rglob("*") if is_image_file(path) and path.is_file())
        of_image: dict[str, Path] = {}
        for path in files:
            key = path.relative_to(folder / part).with_suffix("").as_posix().casefold()
            image = named.get(key)
            if image is None:
                raise DataError(
                    f"{path} is a mask of no image of run {run.record.name}; "
                    "call it as data split or the data call the image"
                )
            if part_of[image] != part:
                raise DataError(
                    f"{path} is the mask of an image of {part_of[image]}; "
                    "a folder holds the images of its part and no other"
                )
            if image in of_image:
                raise DataError(f"{of_image[image]} and {path} are masks of one image, {image}; keep one")
            of_image[image] = path
        missing = [image for image in parts[part] if image not in of_image]
        if missing:
            shown = ", ".join(missing[:_SHOWN]) + (
                f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            )
            raise DataError(
                f"{folder / part} has no mask of {shown}; a part counts with all of its images, or not at all"
            )
        masks += [_Mask(part=part, path=path, sample=sample_of[image]) for image, path in of_image.items()]
    return masks


def _names(dataset: Dataset, ids: Sequence[str]) -> dict[str, str]:
    """Image ids by the names that their masks may have, without suffix, in lower case.

    A name is the one that `data split` gives, the image's path below the data, or the end of that path if no other
    image has it.
    """
    ends = {name: _ends(PurePosixPath(name).with_suffix("")) for name in ids}
    counts = Counter(end for own in ends.values() for end in own)
    named = {end: name for name, own in ends.items() for end in own if counts[end] == 1}
    return named | {stem.casefold(): name for name, stem in stems_of(dataset, ids).items()}


def _ends(path: PurePosixPath) -> list[str]:
    """'images/a/b' and 'a/b' and 'b'."""
    return ["/".join(path.parts[start:]).casefold() for start in range(len(path.parts))]


def _class_ids(path: Path, classes: Sequence[str]) -> np.ndarray:
    """uint8 [H, W] as they are stored: the indices of an image with a palette."""
    ids = mask_pixels(path).stored
    if ids.ndim != 2:
        raise DataError(f"mask {path} has {ids.shape[2]} channels; write class ids in one, {_ids_said(classes)}")
    other = np.setdiff1d(ids, np.arange(len(classes) + 1))
    if len(other):
        raise DataError(f"mask {path} has the value {other[0]:g}; write class ids, {_ids_said(classes)}")
    return ids.astype(np.uint8)


def _ids_said(classes: Sequence[str]) -> str:
    return ", ".join(f"{number} {name}" for number, name in enumerate(("background", *classes)))


def _at_evaluation_size(ids: np.ndarray, path: Path, own: tuple[int, ...], size: int, mask_resize: str) -> np.ndarray:
    if ids.shape == own:
        return letterbox_mask(ids, size, mask_resize)
    if ids.shape == (size, size):
        return ids
    raise DataError(
        f"mask {path} is {ids.shape[1]}x{ids.shape[0]} pixels; its image is {own[1]}x{own[0]} upright, "
        f"and the run compares at {size}x{size}: write it at one of the two"
    )
