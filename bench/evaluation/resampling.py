"""Scores of several candidates on the same images, and how they move when other images are drawn.

Candidates' counts are one int64 array [candidates, seeds, images, classes, 4]: tp, fp, fn, tn of every class against
the rest, background first. Its second axis is trainings of the same configuration, the same seeds in the same order for
every candidate.
"""

from collections.abc import Sequence

import numpy as np

from bench.records import Evaluation

SEED = 0
"""Of the resampling in analyses: equal records give equal pages."""

_CHUNK = 1_000
"""Resamples at a time: with 20 candidates, 3 seeds, 500 images and 5 classes a chunk takes about 15 MB."""


def even_spread(count: int, most: int) -> np.ndarray:
    """At most `most` places of 0 to `count` - 1, int64, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def counts_array(evaluations: Sequence[Sequence[Evaluation]]) -> np.ndarray:
    """int64 [candidates, seeds, images, classes, 4] from one row of evaluations for each candidate, one for each of its
    seeds.

    Images come in the order of their ids. A reference that is not trained has the same evaluation for every seed.
    Raises ValueError where there is none, where candidates have different numbers of seeds, or where two evaluations
    are not of the same images and classes: then nothing about them is paired.
    """
    if not evaluations or not evaluations[0] or len({len(row) for row in evaluations}) > 1:
        raise ValueError("every candidate needs the same number of trainings, at least one")
    images = sorted(evaluations[0][0].counts)
    num_classes = {len(per_class) for row in evaluations for one in row for per_class in one.counts.values()}
    if any(sorted(one.counts) != images for row in evaluations for one in row) or len(num_classes) != 1:
        raise ValueError("the evaluations are not of the same images and classes")
    return np.array(
        [
            [[[(c.tp, c.fp, c.fn, c.tn) for c in one.counts[image]] for image in images] for one in row]
            for row in evaluations
        ],
        dtype=np.int64,
    )


def pooled_scores(counts: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The score of every training: IoU of each foreground class pooled over images, averaged over the classes that
    occur.

    `counts` is int64 [candidates, seeds, images, classes, 4]; `weights` says how often each image counts, [resamples,
    images], once each without it. float64 [resamples, candidates, seeds] in 0-1, NaN where no foreground class occurs,
    neither in the truth nor in the prediction. Sums of integers below 2**53 are exact, so equal counts give equal
    scores to the last bit.
    """
    candidates, seeds, images, classes, _ = counts.shape
    weights = np.ones((1, images)) if weights is None else weights
    foreground = counts[:, :, :, 1:]
    pixels = np.stack([foreground[..., 0], foreground[..., :3].sum(-1)], axis=-1)  # tp and the union
    table = np.moveaxis(pixels, 2, 0).reshape(images, -1).astype(np.float64)
    pooled = (weights.astype(np.float64) @ table).reshape(-1, candidates, seeds, classes - 1, 2)
    overlap, union = pooled[..., 0], pooled[..., 1]
    iou = np.divide(overlap, union, out=np.zeros_like(union), where=union > 0)
    occurring = (union > 0).sum(-1)
    return np.divide(iou.sum(-1), occurring, out=np.full(occurring.shape, np.nan), where=occurring > 0)


def resampled_scores(counts: np.ndarray, random: np.random.Generator, resamples: int) -> np.ndarray:
    """`pooled_scores` of images drawn with replacement, the same draw for every candidate and seed.

    float64 [resamples, candidates, seeds]; resamples in which a score is undefined are left out, of all candidates.
    """
    images = counts.shape[2]
    share = np.full(images, 1 / images)
    sizes = [min(_CHUNK, resamples - start) for start in range(0, resamples, _CHUNK)]
    scores = np.concatenate([pooled_scores(counts, random.multinomial(images, share, size=size)) for size in sizes])
    return scores[~np.isnan(scores).any(axis=(1, 2))]
