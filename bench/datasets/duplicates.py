"""Images that show the same thing: equal pixels, or one image at another size, compression or exposure."""

from collections.abc import Iterable, Sequence

import cv2
import imagehash
import numpy as np
from PIL import Image

MAX_HASH_DISTANCE = 8
"""Bits of 64 in which the perceptual hashes of near duplicates may differ."""
MIN_CORRELATION = 0.97
"""Least correlation between grey thumbnails of near duplicates; the hash alone takes uniform textures for one another.

On three real data sets (64 car photographs, 490 magnetic tiles, 1000 steel surfaces) no known pair is lost; the tiles'
pairs are one tile at other exposures.
"""
_MAX_ASPECT_RATIO = 1.1
_HASHED = 64
_THUMBNAIL = 32
_CHUNK = 1024


def perceptual_hash(grey: np.ndarray) -> np.ndarray:
    """DCT hash of an image uint8 [H, W], bool [64]."""
    small = cv2.resize(grey, (_HASHED, _HASHED), interpolation=cv2.INTER_AREA)
    return imagehash.phash(Image.fromarray(small)).hash.ravel()


def thumbnail(grey: np.ndarray) -> np.ndarray:
    """Thumbnail of an image uint8 [H, W] with mean 0 and norm 1, float32 [1024]; all 0 for a flat image.

    The dot product of two thumbnails is their correlation, which a change of exposure leaves unchanged.
    """
    small = cv2.resize(grey, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    norm = float(np.linalg.norm(small))
    return small / norm if norm > 1e-3 else np.zeros_like(small)


def near_pairs(hashes: np.ndarray, thumbnails: np.ndarray, aspects: np.ndarray) -> list[tuple[int, int]]:
    """Row pairs (i < j) that look the same.

    Three tests, all of which must pass: MAX_HASH_DISTANCE, MIN_CORRELATION and proportions within 10%.
    """
    signs = hashes.astype(np.float32) * 2 - 1
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(hashes), _CHUNK):
        rows = slice(start, start + _CHUNK)
        distance = (hashes.shape[1] - signs[rows] @ signs.T) / 2
        candidates = np.argwhere(distance <= MAX_HASH_DISTANCE)
        candidates[:, 0] += start
        for i, j in candidates[candidates[:, 0] < candidates[:, 1]].tolist():
            alike = float(thumbnails[i] @ thumbnails[j]) >= MIN_CORRELATION
            if alike and max(aspects[i], aspects[j]) <= _MAX_ASPECT_RATIO * min(aspects[i], aspects[j]):
                pairs.append((i, j))
    return pairs


def equal_pairs(digests: Sequence[str]) -> list[tuple[int, int]]:
    """Row pairs (i < j) with one digest; of three equal rows, the first with each other one."""
    first_of: dict[str, int] = {}
    pairs = []
    for row, digest in enumerate(digests):
        first = first_of.setdefault(digest, row)
        if first != row:
            pairs.append((first, row))
    return pairs


def groups(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, ...]]:
    """The connected components of pairs, each sorted, in the order of their first rows."""
    root: dict[int, int] = {}

    def find(row: int) -> int:
        while root.setdefault(row, row) != row:
            root[row] = root[root[row]]
            row = root[row]
        return row

    for i, j in pairs:
        a, b = sorted((find(i), find(j)))
        root[b] = a
    members: dict[int, list[int]] = {}
    for row in sorted(root):
        members.setdefault(find(row), []).append(row)
    return sorted(tuple(rows) for rows in members.values())
