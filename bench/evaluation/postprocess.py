"""From probabilities to class ids: the one rule, for scoring, for choosing it, and for whoever predicts.

NumPy and OpenCV alone: a rule can be chosen from stored probabilities, and applied where TensorFlow is not installed.
"""

import cv2
import numpy as np

_EIGHT = 8
"""Pixels that touch at a corner are one region."""


def segment(
    probabilities: np.ndarray, *, threshold: float, smallest_object: float, valid: np.ndarray | None = None
) -> np.ndarray:
    """Class ids uint8 [H, W] of one image, from its `probabilities`, float [H, W, channels] in 0-1.

    `threshold` and the channels are those of `class_ids`, `smallest_object` and `valid` those of
    `without_small_objects`. Where `valid`, bool [H, W], is False there is no image, and the answer is background.
    """
    ids = class_ids(probabilities, threshold)
    if valid is not None:
        ids[~valid] = 0
    return without_small_objects(ids, smallest_object, valid)


def class_ids(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Class ids, uint8 [..., H, W], of `probabilities`, float [..., H, W, channels].

    One channel is the probability of the only foreground class, 1 where it is at least `threshold`. Several are those
    of background and the foreground classes: the most probable wins, of equally probable ones the lower id, and
    `threshold` says nothing.
    """
    if probabilities.shape[-1] == 1:
        return (probabilities[..., 0] >= threshold).astype(np.uint8)
    return probabilities.argmax(axis=-1).astype(np.uint8)


def without_small_objects(ids: np.ndarray, smallest_object: float, valid: np.ndarray | None = None) -> np.ndarray:
    """`ids`, uint8 [H, W], with background in place of every region below `smallest_object`, a share 0-1 of the image's
    area.

    A region is pixels of one class that touch, at a corner too. The image's area is that of `valid`, bool [H, W], or
    all of it. Where nothing is to be dropped, the array itself is returned.
    """
    if not 0 <= smallest_object <= 1:
        raise ValueError(f"smallest object {smallest_object} is no share of an image, 0-1")
    smallest_px = smallest_object * (ids.size if valid is None else np.count_nonzero(valid))
    if smallest_px <= 1:
        return ids
    kept = ids.copy()
    for class_id in np.unique(ids[ids > 0]):
        region = (ids == class_id).astype(np.uint8)
        _, labels, facts, _ = cv2.connectedComponentsWithStats(region, connectivity=_EIGHT)
        too_small = facts[:, cv2.CC_STAT_AREA] < smallest_px
        too_small[0] = False  # the rest of the image
        kept[too_small[labels]] = 0
    return kept
