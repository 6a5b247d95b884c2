"""What needs no training and stands in every leaderboard: a model that does not beat these has learnt nothing.

All of them see the training images only, at the evaluation size, and return class ids for the images to score.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from bench.datasets.cache import CachedPixels
from bench.evaluation.counting import confusion_of, counts_of
from bench.evaluation.metrics import iou
from bench.records import OUT_OF_FOLD, Evaluation

Predictor = Callable[[np.ndarray], np.ndarray]
"""From images uint8 [N, e, e, 3] to class ids uint8 [N, e, e]."""

_LEVELS = np.linspace(0.02, 0.9, 45)


def evaluate_baselines(
    pixels: CachedPixels, *, train_ids: Sequence[str], parts: dict[str, Sequence[str]], num_classes: int, seed: int
) -> list[Evaluation]:
    """Every reference on every part, as records. `pixels` is the cache at the evaluation size."""
    rows = pixels.rows(train_ids)
    images, masks, valid = pixels.images[rows], pixels.class_ids(rows), pixels.valid[rows]
    evaluations = []
    for name, (_, make) in REFERENCES.items():
        predict = make(images, masks, valid)
        for part, ids in parts.items():
            there = pixels.rows(ids)
            predicted = predict(pixels.images[there])
            counts = {
                image_id: counts_of(confusion_of(pixels.masks[row], mask, pixels.valid[row], num_classes))
                for image_id, row, mask in zip(ids, there, predicted, strict=True)
            }
            evaluations.append(Evaluation(reference=name, split=part, seed=seed, counts=counts))
    return evaluations


def evaluate_on_folds(
    pixels: CachedPixels, folds: Sequence[Sequence[str]], *, num_classes: int, seed: int
) -> list[Evaluation]:
    """Every reference, made from all folds but one and scored on that one, in turn."""
    whole: dict[str | None, Evaluation] = {}
    for number, ids in enumerate(folds):
        others = [name for other, names in enumerate(folds) if other != number for name in names]
        for part in evaluate_baselines(
            pixels, train_ids=others, parts={OUT_OF_FOLD: ids}, num_classes=num_classes, seed=seed
        ):
            before = whole[part.reference].counts if part.reference in whole else {}
            whole[part.reference] = replace(part, counts={**before, **part.counts})
    return list(whole.values())


def predict_nothing(images: np.ndarray, masks: np.ndarray, valid: np.ndarray) -> Predictor:
    """Background everywhere: its pixel accuracy is the share of background."""
    return lambda new: np.zeros(new.shape[:3], np.uint8)


def mean_mask(images: np.ndarray, masks: np.ndarray, valid: np.ndarray) -> Predictor:
    """The same mask for every image: where foreground was in at least a share of the training images, the share that
    gives the best IoU on them; of several classes the most frequent one at that place."""
    classes = range(1, max(2, int(masks[valid].max(initial=0)) + 1))
    shares = np.stack([((masks == class_id) & valid).sum(0) / np.maximum(valid.sum(0), 1) for class_id in classes])
    foreground, label = shares.sum(0), (shares.argmax(0) + 1).astype(np.uint8)
    shown = valid.sum(0)
    covered = ((masks > 0) & valid).sum(0)

    def training_iou(level: float) -> float:
        chosen = foreground >= level
        return float(covered[chosen].sum() / max(1, covered.sum() + (shown - covered)[chosen].sum()))

    best = max(_LEVELS, key=training_iou)
    mask = np.where(foreground >= best, label, 0).astype(np.uint8)
    return lambda new: np.broadcast_to(mask, new.shape[:3])


def otsu(images: np.ndarray, masks: np.ndarray, valid: np.ndarray) -> Predictor:
    """Each image's grey values cut at Otsu's threshold (1979); the side, dark or bright, that fits the training masks
    better is foreground, of several classes the most frequent one."""
    ids, frequency = np.unique(masks[valid & (masks > 0)], return_counts=True)
    label = np.uint8(ids[frequency.argmax()]) if len(ids) else np.uint8(1)

    def cut(new: np.ndarray, bright: bool) -> np.ndarray:
        grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in new]
        kind = (cv2.THRESH_BINARY if bright else cv2.THRESH_BINARY_INV) | cv2.THRESH_OTSU
        return np.stack([cv2.threshold(image, 0, int(label), kind)[1] for image in grey])

    bright = max((False, True), key=lambda side: _foreground_iou(masks, cut(images, side) > 0, valid))
    return lambda new: cut(new, bright)


REFERENCES: dict[str, tuple[str, Callable[[np.ndarray, np.ndarray, np.ndarray], Predictor]]] = {
    "predict_nothing": ("background everywhere", predict_nothing),
    "mean_mask": ("the thresholded mean training mask, the same for every image", mean_mask),
    "otsu": ("Otsu's threshold on grey values, the better side", otsu),
}
"""Name -> (one line for people, maker from training images uint8 [N, e, e, 3], masks uint8 [N, e, e] and valid bool [N,
e, e])."""


def _foreground_iou(masks: np.ndarray, predicted: np.ndarray, valid: np.ndarray) -> float:
    confusion = confusion_of((masks > 0).astype(np.uint8), predicted.astype(np.uint8), valid, 2)
    return iou(counts_of(confusion)[1]) or 0.0
