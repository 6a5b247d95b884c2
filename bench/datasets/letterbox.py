"""Any image to a square of one size, without changing its proportions."""

import cv2
import numpy as np

THIN_LINES = "thin_lines"
"""Of `bench.datasets.dataset.MASK_RESIZE` the rule that is not the default."""

_TIE = 1e-4
"""Coverage that float32 may lose: half a pixel covered is still half."""


def letterbox(image: np.ndarray, size: int) -> np.ndarray:
    """`image` uint8 [H, W, 3] as uint8 [size, size, 3].

    It is centred, its longest side is `size`, and its reflection fills the rest.

    Bilinear where it is enlarged, area-averaged where it is shrunk.
    """
    height, width, top, left = _placement(image.shape[0], image.shape[1], size)
    shrinks = size < max(image.shape[:2])
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized[_reflected(size, top, height)][:, _reflected(size, left, width)]


def letterbox_mask(mask: np.ndarray, size: int, rule: str = "majority") -> np.ndarray:
    """Class ids uint8 [H, W] as uint8 [size, size], placed as `letterbox` places the image, padding reflected like it.

    Each target pixel takes the class that covers most of its area. A foreground class wins a tie against background, so
    that with one class a pixel is foreground if at least half of it is covered. Between foreground classes the lower id
    wins a tie. By the `rule` THIN_LINES a target pixel is background only if every class covers less of it than
    `thin_share`.
    """
    height, width, top, left = _placement(mask.shape[0], mask.shape[1], size)
    if size < max(mask.shape):
        resized = _shrink(mask, height, width, rule)
    else:
        resized = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return resized[_reflected(size, top, height)][:, _reflected(size, left, width)]


def valid_area(height: int, width: int, size: int) -> np.ndarray:
    """bool [size, size]: True where `letterbox` shows an image of that height and width, False on its padding."""
    inner_height, inner_width, top, left = _placement(height, width, size)
    valid = np.zeros((size, size), bool)
    valid[top : top + inner_height, left : left + inner_width] = True
    return valid


def thin_share(height: int, width: int, size: int) -> float:
    """The fraction of a target pixel that makes it foreground by THIN_LINES, for a mask [height, width] at `size`.

    A line one pixel wide that crosses a target pixel covers 1 / scale of it. Half of that is required, since the line
    may run along the edge between two target pixels. So every line of one pixel stays, a single pixel does not, and the
    width of the lines need not be known.
    """
    return min(0.5, size / max(height, width) / 2)


def _placement(height: int, width: int, size: int) -> tuple[int, int, int, int]:
    """Height and width of the image inside the square, at least one pixel each, and its top left corner."""
    scale = size / max(height, width)
    inner_height, inner_width = max(1, round(height * scale)), max(1, round(width * scale))
    return inner_height, inner_width, (size - inner_height) // 2, (size - inner_width) // 2


def _reflected(size: int, start: int, length: int) -> np.ndarray:
    """Source index of each of `size` pixels when `length` pixels start at `start`, mirrored as often as needed."""
    index = (np.arange(size) - start) % (2 * length)
    return np.minimum(index, 2 * length - 1 - index)


def _shrink(mask: np.ndarray, height: int, width: int, rule: str) -> np.ndarray:
    ids = [int(value) for value in np.unique(mask) if value]
    if not ids:
        return np.zeros((height, width), np.uint8)
    covered = [_coverage(mask == value, height, width) for value in ids]
    background = 1 - np.sum(covered, axis=0) - _TIE
    if rule == THIN_LINES:
        background[np.max(covered, axis=0) >= thin_share(mask.shape[0], mask.shape[1], max(height, width)) - _TIE] = -1
    best = np.argmax([*covered, background], axis=0)
    return np.array([*ids, 0], np.uint8)[best]


def _coverage(region: np.ndarray, height: int, width: int) -> np.ndarray:
    """Share of each target pixel that `region` covers, float32 [height, width]."""
    return cv2.resize(region.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
