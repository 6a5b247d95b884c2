"""A drawn set of large images with thin cracks.

`python benchmarks/thin_cracks.py OUT [--count 12] [--side 4000] [--width 3]`

The images show concrete in uneven light, with grain, stains and formwork edges, which are as dark as a crack and wider
or straight. A crack is a walk that turns a little at each step. Masks are exact. The set lacks real lenses,
compression, and annotators who draw a crack wider than it is.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

GROUND, GRAIN, CRACK = 150, 9, 70
"""Brightness of concrete, its standard deviation from pixel to pixel, and how much darker a crack is."""


def write_thin_cracks(folder: Path, *, count: int = 12, side: int = 4000, width: int = 3, seed: int = 0) -> None:
    """`count` photographs of `side` x 3/4 `side` px with cracks `width` px wide, as folder/images and folder/masks."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image, mask = photograph(side * 3 // 4, side, width, np.random.default_rng([seed, number]))
        cv2.imwrite(str(folder / "images" / f"{number:03d}.png"), image)
        cv2.imwrite(str(folder / "masks" / f"{number:03d}.png"), mask * 255)


def photograph(height: int, width: int, crack_px: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """BGR uint8 [height, width, 3], and uint8 [height, width], 1 where a crack is."""
    ground = GROUND + _smooth(height, width, 6, 25, random) + _smooth(height, width, 60, 8, random)
    for _ in range(4):  # stains
        centre = (int(random.integers(width)), int(random.integers(height)))
        axes = tuple(int(random.integers(width // 60, width // 15)) for _ in range(2))
        spot = np.zeros((height, width), np.float32)
        cv2.ellipse(spot, centre, axes, float(random.integers(180)), 0, 360, 1, -1)
        ground -= 45 * cv2.blur(spot, (width // 100 | 1, width // 100 | 1))
    for _ in range(2):  # edges of the formwork: straight, and several times as wide
        at = int(random.integers(height))
        cv2.line(ground, (0, at), (width, at + int(random.integers(-40, 40))), GROUND - 45.0, 4 * crack_px)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(int(random.integers(2, 5))):
        cv2.polylines(mask, [_walk(height, width, random)], False, 1, crack_px)
    image = ground - CRACK * mask
    image = image[..., None] + random.normal(0, GRAIN, (height, width, 1)) + random.normal(0, 2, (height, width, 3))
    return np.clip(image, 0, 255).astype(np.uint8), mask


def _walk(height: int, width: int, random: np.random.Generator) -> np.ndarray:
    """int32 [n, 1, 2]: steps of 12 px from anywhere, for a third of the width."""
    steps = width // 36
    angle = random.uniform(0, 2 * np.pi) + np.cumsum(random.normal(0, 0.25, steps))
    start = random.uniform([0.2 * width, 0.2 * height], [0.8 * width, 0.8 * height])
    points = start + np.cumsum(12 * np.stack([np.cos(angle), np.sin(angle)], axis=1), axis=0)
    return points.round().astype(np.int32)[:, None]


def _smooth(height: int, width: int, cells: int, deviation: float, random: np.random.Generator) -> np.ndarray:
    coarse = random.normal(0, deviation, (cells, cells)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--side", type=int, default=4000, help="pixels")
    parser.add_argument("--width", type=int, default=3, help="of a crack, pixels")
    asked = parser.parse_args()
    write_thin_cracks(asked.folder, count=asked.count, side=asked.side, width=asked.width)
