"""Weights of classes in a loss, from the number of training pixels of each class.

With every rule the weights of all training pixels average to 1, so that a learning rate keeps its meaning.
"""

from collections.abc import Callable, Sequence

import numpy as np


def _inverse_frequency(pixels: np.ndarray) -> np.ndarray:
    return 1 / pixels


def _effective_number(pixels: np.ndarray) -> np.ndarray:
    """Cui et al. 2019 (arXiv:1901.05555): n pixels of a class are worth (1 - beta^n) / (1 - beta) of them, with the
    paper's beta = (N - 1) / N.

    N is the pixel count of an average class, so that the weights do not depend on the size or the number of the images.
    """
    average = pixels.mean()
    return 1 / -np.expm1(pixels * np.log1p(-1 / max(average, 2.0)))


CLASS_WEIGHTS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "none": ("every pixel weighs alike", np.ones_like),
    "inverse_frequency": ("a class weighs the less, the more pixels it has", _inverse_frequency),
    "effective_number": ("the same up to the pixels of an average class; more of them hardly count", _effective_number),
}
"""Name -> (one line for people, weights from float64 pixels of each class, up to a factor)."""


def class_weights(name: str, pixels: Sequence[int]) -> tuple[float, ...]:
    """The weight of each class, background first, by a name of `CLASS_WEIGHTS`. `pixels` counts the training pixels of
    each class, without void. A class without any has weight 1."""
    counts = np.asarray(pixels, np.float64)
    there = counts > 0
    weights = np.ones_like(counts)
    if there.any():
        own = CLASS_WEIGHTS[name][1](counts[there])
        weights[there] = own * counts[there].sum() / (own * counts[there]).sum()
    return tuple(weights.tolist())
