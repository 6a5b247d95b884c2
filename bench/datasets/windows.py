"""An image of any size through a network of one size: overlapping windows, blended by Gaussian weights.

It needs only NumPy and OpenCV. The Gaussian of an eighth of the window is that of nnU-Net (Isensee et al. 2021,
doi:10.1038/s41592-020-01008-z). At the edge of its window a network sees half of the surroundings, so predictions there
count next to nothing.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from bench.datasets.letterbox import valid_area

OVERLAP = 0.25
"""Share of a window that its neighbour sees too."""

SIGMA = 1 / 8
"""Of the Gaussian, in windows."""

_LEAST = 1e-3
"""Of a weight: a pixel that one window alone sees needs some."""

Predict = Callable[[np.ndarray], np.ndarray]
"""From windows uint8 [n, S, S, 3] to probabilities float32 [n, S, S, channels]."""


def through_windows(image: np.ndarray, size: int, predict: Predict, batch_size: int) -> np.ndarray:
    """Probabilities float32 [H, W, channels] of an image uint8 [H, W, 3], at its own resolution.

    The image is seen through windows of `size` px; one smaller than a window is continued by its reflection. Beside the
    image this holds (channels + 1) * 4 bytes a pixel, and one batch of windows, whatever the number of windows.
    """
    height, width = image.shape[:2]
    padded = at_least(image, size)
    weight = gaussian(size)[..., None]
    total: np.ndarray | None = None
    weights = np.zeros((*padded.shape[:2], 1), np.float32)
    for corners in _in_batches(list(window_corners(padded.shape[0], padded.shape[1], size)), batch_size):
        cut = np.stack([padded[top : top + size, left : left + size] for top, left in corners])
        found = np.asarray(predict(cut), np.float32)
        if total is None:
            total = np.zeros((*padded.shape[:2], found.shape[-1]), np.float32)
        for (top, left), each in zip(corners, found, strict=True):
            total[top : top + size, left : left + size] += weight * each
            weights[top : top + size, left : left + size] += weight
    assert total is not None  # there is one window at least
    total /= weights
    return total[:height, :width]


def window_corners(height: int, width: int, size: int) -> Iterator[tuple[int, int]]:
    """Top left corners of the windows over an image that is at least one window large, row by row.

    They are evenly spread; the last window is flush with the edge.
    """
    for top in _starts(height, size):
        for left in _starts(width, size):
            yield top, left


def count_windows(height: int, width: int, size: int) -> int:
    """How many windows an image takes."""
    return len(_starts(max(height, size), size)) * len(_starts(max(width, size), size))


def gaussian(size: int) -> np.ndarray:
    """Weights float32 [size, size], 1 in the middle."""
    distance = (np.arange(size) - (size - 1) / 2) / (SIGMA * size)
    profile = np.exp(-(distance**2) / 2)
    return np.maximum(np.outer(profile, profile), _LEAST).astype(np.float32)


def squared(probabilities: np.ndarray, size: int) -> np.ndarray:
    """Probabilities float32 [H, W, channels] at an image's size as a letterboxed square [size, size, channels].

    It is laid out as the truth is. Probabilities are averaged over the area of a pixel if the image is shrunk, and are
    0 around the image.
    """
    valid = valid_area(probabilities.shape[0], probabilities.shape[1], size)
    rows, columns = (np.flatnonzero(valid.any(axis=axis)) for axis in (1, 0))
    inner = (len(columns), len(rows))
    shrinks = size < max(probabilities.shape[:2])
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    square = np.zeros((size, size, probabilities.shape[-1]), np.float32)
    for channel in range(probabilities.shape[-1]):
        resized = cv2.resize(np.ascontiguousarray(probabilities[..., channel]), inner, interpolation=way)
        square[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, channel] = resized
    return square


def _reflected(size: int, length: int) -> np.ndarray:
    index = np.arange(size) % (2 * length)
    return np.minimum(index, 2 * length - 1 - index)


def at_least(image: np.ndarray, size: int) -> np.ndarray:
    """An image or a mask [H, W, ...], continued by its reflection at the bottom and the right up to `size`."""
    height, width = image.shape[:2]
    if height >= size and width >= size:
        return image
    rows, columns = (_reflected(max(length, size), length) for length in (height, width))
    return image[rows][:, columns]


def _starts(length: int, size: int) -> list[int]:
    count = max(1, int(np.ceil((length - size) / (size * (1 - OVERLAP)))) + 1)
    return np.linspace(0, length - size, count).round().astype(int).tolist()


def _in_batches(corners: list[tuple[int, int]], batch_size: int) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, len(corners), batch_size):
        yield corners[start : start + batch_size]
