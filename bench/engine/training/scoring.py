"""What a graph's present weights say about images: their score, and the probabilities that an ensemble is chosen by."""

from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np

from bench.datasets.cache import CachedPixels
from bench.engine.spec import MAP_IMAGES, ProbabilityMaps, Scored
from bench.engine.training.batches import in_batches
from bench.engine.training.graph import TrainingGraph
from bench.evaluation.counting import counts_of
from bench.evaluation.pixel_statistics import pixel_statistics
from bench.evaluation.resampling import even_spread

SCORED_PIXELS = 8 * 2**20
"""Of a batch that is scored, at the evaluation size: a pixel takes some 50 bytes while it is."""


def score(
    graph: TrainingGraph,
    pixels: CachedPixels,
    truth: CachedPixels,
    ids: Sequence[str],
    batch_size: int,
    *,
    in_full: bool = False,
) -> Scored:
    """Scores the graph's present weights on `ids`; `truth` holds the pixels at the evaluation size. `in_full` with the
    evidence of probabilities and contours."""
    batch_size = max(1, min(batch_size, SCORED_PIXELS // truth.masks.shape[-1] ** 2))
    losses, predictions, evidence = [], [], []
    confusions: list[np.ndarray] = []
    rows, truth_rows = pixels.rows(ids), truth.rows(ids)
    compute = graph.score_in_full if in_full else graph.score
    for here, there in zip(in_batches(rows, batch_size), in_batches(truth_rows, batch_size), strict=True):
        masks, valid = truth.masks[there], truth.valid[there]
        loss, predicted, confusion, *more = compute(
            pixels.images[here], pixels.masks[here], masks, valid.astype(np.uint8)
        )
        losses.append(float(loss) * len(here))
        predictions.append(predicted.numpy())
        if more:
            names = ids[len(confusions) : len(confusions) + len(here)]
            evidence.append(pixel_statistics(names, masks, predictions[-1], more[0].numpy(), valid))
        confusions.extend(confusion.numpy())
    counts = {name: counts_of(confusion) for name, confusion in zip(ids, confusions, strict=True)}
    return Scored(
        loss=sum(losses) / len(ids),
        counts=counts,
        predictions=np.concatenate(predictions),
        confusion=np.sum(confusions, axis=0) if len(confusions[0]) > 2 else None,
        evidence=reduce(add, evidence) if evidence else None,
    )


def probability_maps(
    graph: TrainingGraph, pixels: CachedPixels, ids: Sequence[str], batch_size: int, *, mirror: bool = True
) -> ProbabilityMaps:
    """The graph's present probabilities of at most `MAP_IMAGES` of `ids`, an even spread over them. Without `mirror`
    the second map of each is the first, so that an ensemble gains nothing from mirroring and does without."""
    chosen = [ids[place] for place in even_spread(len(ids), MAP_IMAGES)]
    parts = []
    for rows in in_batches(pixels.rows(chosen), batch_size):
        images = pixels.images[rows]
        plain = np.asarray(graph.predict(images))
        both = plain
        if mirror:
            both = (plain + np.asarray(graph.predict(np.ascontiguousarray(images[:, :, ::-1])))[:, :, ::-1]) / 2
        parts.append(np.stack([plain, both], axis=1))
    values = np.concatenate(parts) * 255
    return ProbabilityMaps(ids=tuple(chosen), values=values.round().astype(np.uint8))
