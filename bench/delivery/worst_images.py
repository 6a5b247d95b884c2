"""Overlays of the held-out test images on which a delivered model is worst, for its card."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.datasets.cache import CachedPixels
from bench.delivery.masks import overlay
from bench.delivery.scoring import ScoredImages
from bench.evaluation.metrics import image_mean, iou
from bench.records import ClassCounts

Counts = Mapping[str, Sequence[ClassCounts]]

WORST = 3
"""Held-out test images on the card: those with the lowest IoU."""


def write_worst(
    folder: Path, counts: Counts, truth: CachedPixels, scored: ScoredImages
) -> list[tuple[str, str, float]]:
    """Writes overlays of the images with the lowest IoU, where it is defined; file, image id and IoU, worst first."""
    scores = {name: image_mean([per_class], iou) for name, per_class in counts.items()}
    known = sorted((score, name) for name, score in scores.items() if score is not None)
    row_of = {name: number for number, name in enumerate(scored.counts)}
    written = []
    for number, (score, name) in enumerate(known[:WORST], start=1):
        row = truth.rows([name])[0]
        valid = np.asarray(truth.valid[row]).astype(bool)
        drawn = overlay(
            np.asarray(truth.images[row]), scored.predictions[row_of[name]], np.where(valid, truth.masks[row], 0)
        )
        rows, columns = (np.flatnonzero(valid.any(axis=axis)) for axis in (1, 0))
        file = f"worst-{number}.png"
        Image.fromarray(drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]).save(folder / file)
        written.append((file, name, score))
    return written
