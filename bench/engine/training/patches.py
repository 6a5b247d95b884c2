"""The view `patches`: training on windows at a picture's own resolution, scoring the whole picture through all of
them."""

import zlib
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add

import numpy as np

from bench.datasets.cache import CachedPixels
from bench.datasets.native import NativePixels
from bench.datasets.windows import at_least, count_windows, squared, through_windows
from bench.engine.spec import ProbabilityMaps, Scored
from bench.engine.training.batches import Example
from bench.engine.training.graph import TrainingGraph
from bench.evaluation.counting import confusion_of, counts_of
from bench.evaluation.pixel_statistics import pixel_statistics
from bench.evaluation.postprocess import class_ids
from bench.evaluation.resampling import even_spread

FOREGROUND_SHARE = 0.5
"""Of the windows that train: each is laid over a pixel of a class, of classes drawn alike; the others lie anywhere.
nnU-Net has a third; here half, since a small data set is seen a few hundred times."""

MAP_BYTES = 2**26
"""Of the probabilities that a training keeps for the choice of an ensemble."""


def patches(native: NativePixels, ids: Sequence[str], size: int, seed: int) -> Example:
    """What a training sees of image `index` in pass `number`: a window of `size` px, drawn by seed, pass and id
    alone."""
    rows = native.rows(ids)

    def example(number: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng([seed, number % 2**32, zlib.crc32(ids[index].encode())])
        image, mask = native.image(rows[index]), native.mask(rows[index])
        top, left = window_at(mask.shape[0], mask.shape[1], size, native.points[rows[index]], random)
        here = slice(top, top + size), slice(left, left + size)
        return at_least(np.array(image[here]), size), at_least(np.array(mask[here]), size)

    return example


def window_at(
    height: int, width: int, size: int, points: Sequence[np.ndarray], random: np.random.Generator
) -> tuple[int, int]:
    """Top left corner of a window in a picture; `points` are pixels of each class, int [n, 2]. A picture smaller than
    the window begins at 0."""
    lowest, rightmost = max(0, height - size), max(0, width - size)
    there = [each for each in points if len(each)]
    if there and random.random() < FOREGROUND_SHARE:
        of_class = there[random.integers(len(there))]
        row, column = of_class[random.integers(len(of_class))] - random.integers(0, size, 2)
        return int(np.clip(row, 0, lowest)), int(np.clip(column, 0, rightmost))
    return int(random.integers(lowest + 1)), int(random.integers(rightmost + 1))


def score_patches(
    graph: TrainingGraph,
    native: NativePixels,
    truth: CachedPixels,
    ids: Sequence[str],
    batch_size: int,
    *,
    in_full: bool = False,
) -> Scored:
    """Scores the graph's present weights on `ids`, each picture through windows at its own resolution, its
    probabilities then averaged to the evaluation size. There is no loss: it is one of windows, and these overlap.
    `in_full` with evidence and probabilities."""
    size, key = truth.masks.shape[-1], graph.key
    predictions, evidence, kept, confusions = [], [], {}, []
    shown = set(_kept(ids, size, 1 if key.num_classes == 2 else key.num_classes)) if in_full else set()
    for name, row, place in zip(ids, native.rows(ids), truth.rows(ids), strict=True):
        probabilities = squared(
            through_windows(native.image(row), key.image_size, _numpy(graph.predict), batch_size), size
        )
        predictions.append(class_ids(probabilities, key.threshold))
        masks, valid = truth.masks[place], truth.valid[place]
        confusions.append(confusion_of(masks, predictions[-1], np.asarray(valid, bool), key.num_classes))
        if in_full:
            found = (masks[None], predictions[-1][None], probabilities[None], np.asarray(valid)[None])
            evidence.append(pixel_statistics([name], *found))
        if name in shown:
            kept[name] = (probabilities * 255).round().astype(np.uint8)
    return Scored(
        loss=float("nan"),
        counts={name: counts_of(each) for name, each in zip(ids, confusions, strict=True)},
        predictions=np.stack(predictions),
        confusion=np.sum(confusions, axis=0) if key.num_classes > 2 else None,
        evidence=reduce(add, evidence) if evidence else None,
        maps=_maps(kept) if kept else None,
    )


def windows_of(native: NativePixels, ids: Sequence[str], size: int) -> list[int]:
    """How often the network is asked for each picture."""
    shapes = (native.mask(row).shape for row in native.rows(ids))
    return [count_windows(height, width, size) for height, width in shapes]


def _kept(ids: Sequence[str], size: int, channels: int) -> list[str]:
    most = max(1, MAP_BYTES // (2 * size**2 * channels))
    return [ids[place] for place in even_spread(len(ids), most)]


def _maps(kept: dict[str, np.ndarray]) -> ProbabilityMaps:
    """At the evaluation size; not averaged with mirrored copies, since windows overlap already: the second map is the
    first."""
    values = np.stack(list(kept.values()))
    return ProbabilityMaps(ids=tuple(kept), values=np.stack([values, values], axis=1))


def _numpy(predict: Callable[[np.ndarray], object]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda windows: np.asarray(predict(windows))
