"""Images with their annotations drawn on them, and one sheet of those with the worst findings, for the eye."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bench.datasets.dataset import VOID, Dataset, Sample
from bench.datasets.findings import KINDS
from bench.datasets.images import decode
from bench.datasets.letterbox import letterbox, letterbox_mask, valid_area
from bench.datasets.parallel import in_threads
from bench.errors import DataError
from bench.records import Finding

COLOURS = (
    (230, 25, 75), (60, 180, 75), (0, 130, 200), (245, 130, 48),
    (145, 30, 180), (70, 240, 240), (240, 50, 230), (210, 245, 60),
)  # fmt: skip
"""Of the classes in turn (RGB); void is grey."""

SHEET = "contact-sheet.png"
_GREY, _PAPER = (160, 160, 160), 255
_TILE, _COLUMNS, _CAPTION = 256, 6, 18
_LONGEST = 1600
_FILL = 0.35

WORST_FIRST = (
    "misfit", "odd_mask", "turned_mask", "inverted_mask", "renamed", "bad_region", "no_class", "region_outside",
    "degenerate_region", "merged_entries", "exif_rotation", "exact_twins", "near_twins", "pages", "extra_band",
    "large_image", "empty_mask",
)  # fmt: skip


def overlay(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image uint8 RGB [H, W, 3] with each class of the mask uint8 [H, W] in its colour, opaque at its edge."""
    drawn = image.copy()
    for number in np.unique(mask):
        if number == 0:
            continue
        colour = np.array(_GREY if number == VOID else COLOURS[(int(number) - 1) % len(COLOURS)])
        region = mask == number
        drawn[region] = (image[region] * (1 - _FILL) + colour * _FILL).astype(np.uint8)
        edge = region & (cv2.erode(region.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) == 0)
        drawn[edge] = colour
    return drawn


def in_order(samples: Sequence[Sample], findings: Sequence[Finding]) -> list[tuple[Sample, str]]:
    """Samples with the worst kind of finding that names each ("" for none), worst first, then by id."""
    kind_of: dict[str, str] = {}
    for kind in reversed([*WORST_FIRST, *(kind for kind in KINDS if kind not in WORST_FIRST)]):
        kind_of |= {name: kind for finding in findings if finding.kind == kind for name in finding.files}
    ranks = {kind: rank for rank, kind in enumerate([*WORST_FIRST, *KINDS, ""])}
    listed = [(sample, kind_of.get(sample.id, "")) for sample in samples]
    return sorted(listed, key=lambda pair: (ranks[pair[1]], pair[0].id))


def write_overlays(dataset: Dataset, findings: Sequence[Finding], directory: Path, *, most: int) -> int:
    """Writes an overlay for each of the `most` worst samples and one sheet of them; how many there are.

    Samples that cannot be decoded are left out: the findings name them.
    """
    chosen = in_order(dataset.samples, findings)[:most]
    directory.mkdir(parents=True, exist_ok=True)

    def draw(number: int) -> np.ndarray | None:
        sample, kind = chosen[number]
        try:
            image, mask = decode(sample)
        except DataError:
            return None
        name = sample.id.replace("/", "_")
        _save(directory / f"{number:04}_{kind or 'fine'}_{name}.png", _shrunk(overlay(image, mask)))
        tile = overlay(letterbox(image, _TILE), letterbox_mask(mask, _TILE, dataset.mask_resize))
        tile[~valid_area(mask.shape[0], mask.shape[1], _TILE)] = (
            _PAPER  # the reflection that networks see is no part of the photograph
        )
        return _captioned(tile, f"{number} {kind.replace('_', ' ')} {sample.id.rsplit('/', 1)[-1]}")

    tiles = [tile for tile in in_threads(draw, range(len(chosen))) if tile is not None]
    if tiles:
        _save(directory / SHEET, _sheet(tiles))
    return len(tiles)


def _sheet(tiles: Sequence[np.ndarray]) -> np.ndarray:
    columns = min(_COLUMNS, len(tiles))
    blank = np.full_like(tiles[0], 255)
    filled = [*tiles, *[blank] * (-len(tiles) % columns)]
    return np.vstack([np.hstack(filled[row : row + columns]) for row in range(0, len(filled), columns)])


def _captioned(tile: np.ndarray, text: str) -> np.ndarray:
    bar = np.full((_CAPTION, _TILE, 3), 255, np.uint8)
    plain = text.encode("ascii", "replace").decode()[:40]  # OpenCV's font has no other letters
    cv2.putText(bar, plain, (3, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([bar, tile])


def _shrunk(image: np.ndarray) -> np.ndarray:
    scale = _LONGEST / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _save(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(path)
