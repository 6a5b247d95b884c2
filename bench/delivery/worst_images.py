"""Pictures of the held-out images on which a delivered model is worst, for its card."""

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
"""Pictures of locked images on the card, those with the lowest IoU."""


def write_worst(
    folder: Path, counts: Counts, truth: CachedPixels, scored: ScoredImages
) -> list[tuple[str, str, float]]:
    """Pictures of the worst images that hold something to find or to be mistaken, worst first: file, image id, IoU."""
    scores = {name: image_mean([per_class], iou) for name, per_class in counts.items()}
    known = sorted((score, name) for name, score in scores.items() if score is not None)
    places = {name: number for number, name in enumerate(scored.counts)}
    pictures = []
    for number, (score, name) in enumerate(known[:WORST], start=1):
        row = truth.rows([name])[0]
        valid = np.asarray(truth.valid[row]).astype(bool)
        picture = overlay(
            np.asarray(truth.images[row]), scored.predictions[places[name]], np.where(valid, truth.masks[row], 0)
        )
        rows, columns = (np.flatnonzero(valid.any(axis=axis)) for axis in (1, 0))
        file = f"worst-{number}.png"
        Image.fromarray(picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]).save(folder / file)
        pictures.append((file, name, score))
    return pictures
