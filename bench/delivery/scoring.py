"""A delivered model on images whose truth is known."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.datasets.cache import CachedPixels
from bench.datasets.dataset import Sample
from bench.datasets.images import decode
from bench.datasets.letterbox import letterbox, letterbox_mask, valid_area
from bench.datasets.native import NativePixels
from bench.delivery.model import SegmentationModel
from bench.evaluation.counting import confusion_of, counts_of
from bench.records import ClassCounts

_TIMINGS = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredImages:
    """Counts as in `bench.records.Evaluation`, and class ids uint8 [N, e, e] in the order of `counts`.

    With several classes, `confusion` counts pixels over all images, int64 [truth, predicted].
    """

    counts: dict[str, tuple[ClassCounts, ...]]
    predictions: np.ndarray
    confusion: np.ndarray | None = None


def score_cached(
    model: SegmentationModel, pixels: CachedPixels, truth: CachedPixels, ids: Sequence[str]
) -> ScoredImages:
    """The images `ids` of a run's cache: `pixels` at the model's size, `truth` at the evaluation size."""
    rows, truth_rows = pixels.rows(ids), truth.rows(ids)
    counts, predictions = {}, []
    confusion = np.zeros((len(model.classes) + 1,) * 2, np.int64)
    for start in range(0, len(ids), model.batch_size):
        here = slice(start, start + model.batch_size)
        probabilities = model.squares_at(pixels.images[rows[here]], truth.masks.shape[-1])
        for name, probability, truth_row in zip(ids[here], probabilities, truth_rows[here], strict=True):
            valid = truth.valid[truth_row]
            predictions.append(model.mask_of(probability, valid))
            found = _confusion(model, truth.masks[truth_row], predictions[-1], valid)
            counts[name] = counts_of(found)
            confusion += found
    several = len(model.classes) > 1
    return ScoredImages(counts=counts, predictions=np.stack(predictions), confusion=confusion if several else None)


def score_native(
    model: SegmentationModel, native: NativePixels, truth: CachedPixels, ids: Sequence[str]
) -> ScoredImages:
    """`score_cached` of a model that sees patches, one image at a time."""
    counts, predictions = {}, []
    confusion = np.zeros((len(model.classes) + 1,) * 2, np.int64)
    for name, row, truth_row in zip(ids, native.rows(ids), truth.rows(ids), strict=True):
        probability = model.scored(np.array(native.image(row)), truth.masks.shape[-1])
        predictions.append(model.mask_of(probability, truth.valid[truth_row]))
        found = _confusion(model, truth.masks[truth_row], predictions[-1], truth.valid[truth_row])
        counts[name] = counts_of(found)
        confusion += found
    several = len(model.classes) > 1
    return ScoredImages(counts=counts, predictions=np.stack(predictions), confusion=confusion if several else None)


def score_samples(
    model: SegmentationModel, samples: Sequence[Sample], evaluation_size: int, mask_resize: str
) -> dict[str, tuple[ClassCounts, ...]]:
    """The same counts from the image files, which need only the model.

    `mask_resize` is the data set's.
    """
    counts = {}
    for start in range(0, len(samples), model.batch_size):
        part = samples[start : start + model.batch_size]
        decoded = [decode(sample) for sample in part]
        found = zip(part, decoded, _scored(model, [image for image, _ in decoded], evaluation_size), strict=True)
        for sample, (image, mask), probability in found:
            valid = valid_area(image.shape[0], image.shape[1], evaluation_size)
            truth = letterbox_mask(mask, evaluation_size, mask_resize)
            counts[sample.id] = counts_of(_confusion(model, truth, model.mask_of(probability, valid), valid))
    return counts


def _scored(model: SegmentationModel, images: Sequence[np.ndarray], size: int) -> Iterable[np.ndarray]:
    if model.sees_patches:
        return [model.scored(image, size) for image in images]
    return model.squares_at(np.stack([letterbox(image, model.description.image_size) for image in images]), size)


def native_latency_s(model: SegmentationModel, image: np.ndarray) -> float:
    """Seconds an image, uint8 [H, W, 3], for a model that sees patches.

    The faster of two counts, since the first may compile.
    """
    times = []
    for _ in range(2):
        started = time.perf_counter()
        model.probabilities(image)
        times.append(time.perf_counter() - started)
    return min(times)


def latency_s(model: SegmentationModel, images: np.ndarray) -> float:
    """Seconds an image, for a batch of the model's own size from `images`, uint8 [N, S, S, 3].

    The fastest of five counts, after one that compiles.
    """
    batch = images[np.arange(model.batch_size) % len(images)]
    times = []
    for _ in range(_TIMINGS + 1):
        started = time.perf_counter()
        model.squares(batch)
        times.append(time.perf_counter() - started)
    return min(times[1:]) / len(batch)


def _confusion(model: SegmentationModel, truth: np.ndarray, predicted: np.ndarray, valid: np.ndarray) -> np.ndarray:
    return confusion_of(truth, predicted, valid.astype(bool), len(model.classes) + 1)
