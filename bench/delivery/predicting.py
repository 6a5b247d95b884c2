"""Images to files: a mask each, and on request overlays, areas, outlines and probabilities."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.datasets.images import read_image
from bench.datasets.letterbox import letterbox, valid_area
from bench.delivery.image_files import output_names
from bench.delivery.masks import AREA_COLUMNS, areas, coco_json, labelme_json, labelme_path, mask_png, overlay_jpeg
from bench.delivery.model import SegmentationModel
from bench.errors import DataError, StoreError
from bench.formats import csv_cell
from bench.records import ValueRange
from bench.records.durable import store_errors, write_file

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is written beside masks.

    `polygons` is a key of `bench.delivery.masks.POLYGONS`, or None. With `as_scored`, masks are the squares that a run
    scores, letterboxed at its evaluation size, and nothing is written beside them.
    """

    overlays: bool = False
    areas: bool = False
    probabilities: bool = False
    polygons: str | None = None
    as_scored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Where everything is written.

    Mask, overlay, probabilities and LabelMe file are by image; the table of areas and COCO's file are for all.
    """

    masks: dict[Path, Path]
    overlays: dict[Path, Path]
    probabilities: dict[Path, Path]
    labelme: dict[Path, Path]
    areas: Path | None
    coco: Path | None
    as_scored: bool = False

    def __iter__(self) -> Iterator[Path]:
        for by_image in (self.masks, self.overlays, self.probabilities, self.labelme):
            yield from by_image.values()
        yield from (path for path in (self.areas, self.coco) if path is not None)


def plan_outputs(images: Sequence[Path], folder: Path, wishes: Wishes, *, force: bool) -> Outputs:
    """Names every file.

    Raises StoreError for a file that exists if `force` is not given, and for any file that is an input image; DataError
    for anything beside masks as they are scored.
    """
    if wishes.as_scored and wishes != Wishes(as_scored=True):
        raise DataError(
            "masks as they are scored have no photograph's size: write them without overlays, areas, "
            "polygons and probabilities"
        )
    names = output_names(images)

    def named(folder: Path, suffix: str, wanted: bool) -> dict[Path, Path]:
        return {path: folder / f"{name}{suffix}" for path, name in names.items()} if wanted else {}

    outputs = Outputs(
        masks=named(folder, ".png", wanted=True),
        overlays=named(folder / "overlays", ".jpg", wishes.overlays),
        probabilities=named(folder / "probabilities", ".npz", wishes.probabilities),
        labelme=named(folder / "labelme", ".json", wishes.polygons == "labelme"),
        areas=folder / "areas.csv" if wishes.areas else None,
        coco=folder / "polygons.json" if wishes.polygons == "coco" else None,
        as_scored=wishes.as_scored,
    )
    among = {path.parent.resolve() for path in images} & {folder.resolve()}
    if among:
        raise StoreError(
            f"masks would lie among the photographs of {folder} and be taken for some next time; choose another "
            "folder with -o"
        )
    inputs = {path.resolve() for path in images}
    own = [path for path in outputs if path.resolve() in inputs]
    if own:
        raise StoreError(
            f"the mask of a photograph would replace the photograph {own[0]}; choose another folder with -o"
        )
    existing = [] if force else [path for path in outputs if path.exists()]
    if existing:
        shown = ", ".join(str(path) for path in existing[:_SHOWN])
        more = f" and {len(existing) - _SHOWN} more" if len(existing) > _SHOWN else ""
        raise StoreError(f"{shown}{more} would be overwritten; give --force, or another folder with -o")
    return outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """One image that is done; `problem` says in one line why it was skipped, if it was."""

    path: Path
    problem: str | None = None


def predict_files(
    model: SegmentationModel, images: Sequence[Path], outputs: Outputs, *, threads: int | None = None
) -> Iterator[Predicted]:
    """Reads, predicts and writes a batch while the next one is read; yields every image when it is done.

    Files for all images are written at the end. Raises StoreError if the disk refuses.
    """
    for folder in {path.parent for path in outputs}:
        with store_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[object, ...]] = []
    masks: list[tuple[str, np.ndarray]] = []
    with ThreadPoolExecutor(threads) as pool:
        for batch in _read(model, images, pool):
            readable = [(path, image) for path, image in batch if isinstance(image, np.ndarray)]
            done = [
                pool.submit(_write, model, outputs, path, *found)
                for path, *found in _computed(model, readable, as_scored=outputs.as_scored)
            ]
            found = [(path, each.result()) for (path, _), each in zip(readable, done, strict=True)]
            for path, mask in found:
                if outputs.areas:
                    rows += areas(str(path), mask, model.classes)
                if outputs.coco:
                    masks.append((path.name, mask))
            for path, image in batch:
                yield Predicted(path=path, problem=None if isinstance(image, np.ndarray) else image)
    if outputs.areas:
        write_file(outputs.areas, _csv(rows))
    if outputs.coco:
        write_file(outputs.coco, json.dumps(coco_json(masks, model.classes)).encode())


Read = tuple[Path, np.ndarray | str]
"""The path of an image with its pixels, or a line that says why it has none."""


def _read(model: SegmentationModel, images: Sequence[Path], pool: ThreadPoolExecutor) -> Iterator[list[Read]]:
    """Batches in order; while one is worked on, the next one is read."""
    size = model.batch_size
    parts = [images[start : start + size] for start in range(0, len(images), size)]
    waiting: list[Future[Read]] = []
    for part in [*parts, ()]:
        following = [pool.submit(_pixels, path, model.description.value_range) for path in part]
        if waiting:
            yield [each.result() for each in waiting]
        waiting = following


def _pixels(path: Path, value_range: ValueRange | None) -> Read:
    try:
        return path, read_image(path, value_range)[0]
    except DataError as error:
        return path, str(error)


def _computed(
    model: SegmentationModel, readable: Sequence[tuple[Path, np.ndarray]], *, as_scored: bool
) -> Iterator[tuple[Path, np.ndarray, np.ndarray]]:
    """Path of the image, its pixels and its probabilities.

    These are a square of the model's size, or `as_scored` of the evaluation size. A model that sees patches gives them
    at the image's own size, one image at a time.
    """
    if model.sees_patches:
        for path, image in readable:
            yield (
                path,
                image,
                model.scored(image, model.description.evaluation_size) if as_scored else model.probabilities(image),
            )
    elif readable:
        squares = np.stack([letterbox(image, model.description.image_size) for _, image in readable])
        found = model.squares_at(squares, model.description.evaluation_size) if as_scored else model.squares(squares)
        for (path, image), square in zip(readable, found, strict=True):
            yield path, image, square


def _write(model: SegmentationModel, outputs: Outputs, path: Path, image: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Writes the files of one image; its mask, uint8 [H, W]."""
    if outputs.as_scored:
        mask = model.mask_of(square, valid_area(image.shape[0], image.shape[1], square.shape[0]))
        write_file(outputs.masks[path], mask_png(mask))
        return mask
    probabilities = square if model.sees_patches else model.unletterbox(square, *image.shape[:2])
    mask = model.mask_of(probabilities)
    write_file(outputs.masks[path], mask_png(mask))
    if outputs.overlays:
        write_file(outputs.overlays[path], overlay_jpeg(image, mask))
    if outputs.probabilities:
        content = io.BytesIO()
        np.savez_compressed(content, probabilities=probabilities.astype(np.float16))
        write_file(outputs.probabilities[path], content.getvalue())
    if outputs.labelme:
        target = outputs.labelme[path]
        outlines = labelme_json(labelme_path(target.parent, path), mask, model.classes)
        write_file(target, json.dumps(outlines, ensure_ascii=False).encode())
    return mask


def _csv(rows: Sequence[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([AREA_COLUMNS, *([csv_cell(each) for each in row] for row in rows)])
    return text.getvalue().encode()
