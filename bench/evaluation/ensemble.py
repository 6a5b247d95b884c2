"""Which trained networks to deliver together: chosen greedily on images that they did not see.

Caruana et al., "Ensemble selection from libraries of models" (ICML 2004): begin with the best, add whichever improves
the mean most, the same one again if need be, until nothing does. A unit is one configuration with one seed: its
networks of all folds go together, and on each image only the one counts that did not see it. NumPy alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np

from bench.evaluation.counting import confusion_of, counts_of
from bench.evaluation.metrics import iou, mean, pool
from bench.evaluation.postprocess import segment
from bench.records import ClassCounts

Unit = TypeVar("Unit")

MOST_MEMBERS = 3
"""Units in an ensemble: more of them gain little, and each costs its share of the time of every prediction."""

LEAST_GAIN = 0.003
"""IoU that a further unit must add: less is noise of the choice."""

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""From which one is chosen. Short trainings on little foreground leave its probabilities far below 0.5
(docs/decisions/0015-delivery.md)."""

SMALLEST = (0.0, 0.0005, 0.001, 0.0025)
LEAST_TUNED_GAIN = 0.005
"""IoU that another threshold, or dropping small objects, must add over 0.5 and 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The images of the choice: `fold` int [N], `truth` uint8 class ids and `valid` bool [N, e, e]."""

    ids: tuple[str, ...]
    fold: np.ndarray
    truth: np.ndarray
    valid: np.ndarray
    num_classes: int

    def only(self, which: np.ndarray) -> "Images":
        """Those where `which`, bool [N], is True."""
        return replace(
            self,
            ids=tuple(np.array(self.ids)[which]),
            fold=self.fold[which],
            truth=self.truth[which],
            valid=self.valid[which],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What to deliver: units by number, one perhaps several times; and how probabilities become objects. `score` is the
    pooled IoU on the images of the choice, `single` that of the best unit alone at 0.5, without mirroring."""

    units: tuple[int, ...]
    flips: bool
    threshold: float
    smallest_object: float
    score: float
    single: float


def choose(maps: Sequence[np.ndarray], images: Images, most: int = MOST_MEMBERS) -> Choice:
    """The best ensemble of at most so many of `maps`: of each unit probabilities in steps of 1/255, uint8 [N, 2, S, S,
    channels], of the images as they are and averaged with their mirrored copies. Ties go to the earlier unit and to
    fewer of them."""
    plain = [_at_truth(each[:, 0], images) for each in maps]
    singles = [_iou(each, images) for each in plain]
    best = int(np.argmax(singles))
    flipped = _at_truth(maps[best][:, 1], images)
    flips = _iou(flipped, images) > singles[best]
    used = [_at_truth(each[:, 1], images) for each in maps] if flips else plain
    # Members: from the best unit, add whichever helps the sum most, until none helps enough.
    units, total = [best], used[best].astype(np.float32)
    score = _iou(total, images)
    while len(units) < most:
        tried = [_iou((total + each) / (len(units) + 1), images) for each in used]
        better = int(np.argmax(tried))
        if tried[better] < score + LEAST_GAIN:
            break
        units.append(better)
        total, score = total + used[better], tried[better]
    together = total / len(units)
    # Objects: another threshold and a least size only where they gain more than chance would give so many tries.
    threshold, smallest = 0.5, 0.0
    if images.num_classes == 2:
        at = {level: _iou(together, images, threshold=level) for level in THRESHOLDS}
        level = max(at, key=lambda each: (at[each], -abs(each - 0.5)))
        if at[level] >= score + LEAST_TUNED_GAIN:
            threshold, score = level, at[level]
    without = {share: _iou(together, images, threshold=threshold, smallest=share) for share in SMALLEST}
    share = max(without, key=lambda each: (without[each], -each))
    if without[share] >= score + LEAST_TUNED_GAIN:
        smallest, score = share, without[share]
    return Choice(
        units=tuple(sorted(units)),
        flips=flips,
        threshold=threshold,
        smallest_object=smallest,
        score=score,
        single=singles[best],
    )


def out_of_fold_counts(
    maps: Sequence[np.ndarray], images: Images, most: int = MOST_MEMBERS
) -> dict[str, tuple[ClassCounts, ...]]:
    """Counts of each image by an ensemble that was chosen without it: on the images of the other folds. With one fold
    there is no other, and the choice is that of the same images."""
    counts: dict[str, tuple[ClassCounts, ...]] = {}
    for fold in np.unique(images.fold):
        here = images.fold == fold
        others = ~here if not here.all() else here
        chosen = choose([each[others] for each in maps], images.only(others), most)
        counts |= counts_with(chosen, [each[here] for each in maps], images.only(here))
    return {name: counts[name] for name in images.ids}


def counts_with(choice: Choice, maps: Sequence[np.ndarray], images: Images) -> Mapping[str, tuple[ClassCounts, ...]]:
    """Counts of each image by what was chosen."""
    masks = masks_with(choice, maps, images)
    return {
        name: counts_of(confusion_of(truth, mask, valid, images.num_classes))
        for name, truth, mask, valid in zip(images.ids, images.truth, masks, images.valid, strict=True)
    }


def masks_with(choice: Choice, maps: Sequence[np.ndarray], images: Images) -> np.ndarray:
    """Class ids uint8 [N, e, e] of what was chosen."""
    used = [_at_truth(maps[unit][:, int(choice.flips)], images).astype(np.float32) for unit in choice.units]
    return _segmented(np.mean(used, axis=0), images, choice.threshold, choice.smallest_object)


def _iou(probabilities: np.ndarray, images: Images, threshold: float = 0.5, smallest: float = 0.0) -> float:
    masks = _segmented(probabilities, images, threshold, smallest)
    confusions = (
        confusion_of(truth, mask, valid, images.num_classes)
        for truth, mask, valid in zip(images.truth, masks, images.valid, strict=True)
    )
    return mean(iou(counts) for counts in pool(counts_of(each) for each in confusions)[1:]) or 0.0


def _segmented(probabilities: np.ndarray, images: Images, threshold: float, smallest: float) -> np.ndarray:
    return np.stack(
        [
            segment(each.astype(np.float32) / 255, threshold=threshold, smallest_object=smallest, valid=valid)
            for each, valid in zip(probabilities, images.valid, strict=True)
        ]
    )


def _at_truth(values: np.ndarray, images: Images) -> np.ndarray:
    """[N, S, S, channels] at the size of the truth, bilinear: as trials are scored."""
    size = images.truth.shape[-1]
    return values if values.shape[1] == size else np.stack([at_size(each, size) for each in values])


def at_size(values: np.ndarray, size: int) -> np.ndarray:
    """[S, S, channels] as [size, size, channels], bilinear."""
    if values.shape[0] == size:
        return values
    resized = cv2.resize(values, (size, size), interpolation=cv2.INTER_LINEAR)
    return resized if resized.ndim == 3 else resized[..., None]
