"""Photographs to files beside each other: a mask each, and on request overlays, areas, outlines and probabilities."""

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
from bench.delivery.masks import AREA_COLUMNS, areas, coco_json, labelme_json, labelme_path, mask_png, overlay_jpeg
from bench.delivery.model import SegmentationModel
from bench.delivery.photographs import output_names
from bench.errors import DataError, StoreError
from bench.formats import csv_cell
from bench.records import ValueRange
from bench.records.durable import said_plainly, write_file

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is written beside masks. `polygons` is a key of `bench.delivery.masks.POLYGONS`, or None. `as_scored`: masks are the very squares that
    a run counts, letterboxed at its evaluation size, and nothing goes beside them."""

    overlays: bool = False
    areas: bool = False
    probabilities: bool = False
    polygons: str | None = None
    as_scored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Where everything goes. By photograph: its mask, overlay, probabilities and LabelMe file; for all: the table of areas and COCO's file."""

    masks: dict[Path, Path]
    overlays: dict[Path, Path]
    probabilities: dict[Path, Path]
    labelme: dict[Path, Path]
    areas: Path | None
    coco: Path | None
    as_scored: bool = False

    def __iter__(self) -> Iterator[Path]:
        for by_photograph in (self.masks, self.overlays, self.probabilities, self.labelme):
            yield from by_photograph.values()
        yield from (path for path in (self.areas, self.coco) if path is not None)


def plan_outputs(photographs: Sequence[Path], folder: Path, wishes: Wishes, *, force: bool) -> Outputs:
    """Names every file. Raises StoreError where one exists and `force` is not given, and always where it is a photograph itself; DataError for
    something beside masks as they are scored."""
    if wishes.as_scored and wishes != Wishes(as_scored=True):
        raise DataError(
            "masks as they are scored have no photograph's size: write them without overlays, areas, polygons and probabilities"
        )
    names = output_names(photographs)

    def named(place: Path, suffix: str, wanted: bool) -> dict[Path, Path]:
        return {path: place / f"{name}{suffix}" for path, name in names.items()} if wanted else {}

    outputs = Outputs(
        masks=named(folder, ".png", wanted=True),
        overlays=named(folder / "overlays", ".jpg", wishes.overlays),
        probabilities=named(folder / "probabilities", ".npz", wishes.probabilities),
        labelme=named(folder / "labelme", ".json", wishes.polygons == "labelme"),
        areas=folder / "areas.csv" if wishes.areas else None,
        coco=folder / "polygons.json" if wishes.polygons == "coco" else None,
        as_scored=wishes.as_scored,
    )
    originals = {path.resolve() for path in photographs}
    own = [path for path in outputs if path.resolve() in originals]
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
    """One photograph that is done, or `problem`, in one line why it was skipped."""

    photograph: Path
    problem: str | None = None


def predict_files(
    model: SegmentationModel, photographs: Sequence[Path], outputs: Outputs, *, threads: int | None = None
) -> Iterator[Predicted]:
    """Reads, predicts and writes, a batch at a time while the next one is read, and yields every photograph when it is done. Files for all
    photographs come at the end. Raises StoreError where the disk says no."""
    for folder in {path.parent for path in outputs}:
        with said_plainly(folder):
            folder.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[object, ...]] = []
    masks: list[tuple[str, np.ndarray]] = []
    with ThreadPoolExecutor(threads) as pool:
        for batch in _read(model, photographs, pool):
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
                yield Predicted(photograph=path, problem=None if isinstance(image, np.ndarray) else image)
    if outputs.areas:
        write_file(outputs.areas, _csv(rows))
    if outputs.coco:
        write_file(outputs.coco, json.dumps(coco_json(masks, model.classes)).encode())


Read = tuple[Path, np.ndarray | str]
"""A photograph with its pixels, or in one line why it has none."""


def _read(model: SegmentationModel, photographs: Sequence[Path], pool: ThreadPoolExecutor) -> Iterator[list[Read]]:
    """Batches in order; while one is worked on, the next one is read."""
    size = model.batch_size
    parts = [photographs[start : start + size] for start in range(0, len(photographs), size)]
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
    """Photograph, its pixels and its probabilities: a square of the model's size or `as_scored`, of the evaluation size; by a model that sees
    patches at the photograph's own size, one photograph at a time."""
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
    """Writes what belongs to one photograph; its mask, uint8 [H, W]."""
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
