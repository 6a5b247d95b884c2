"""The embedded default data set: images of scratched, dented and chipped car panels, drawn from a seed.

It is used if no data is given. Its task has the traits of real damage photographs. Foreground is a few per cent of the
image, anywhere in it, in the same grey range as reflections, gaps, dirt and drops, which are no damage. So neither a
threshold nor the mean mask segments it, and a small network does.
"""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy.special import ndtri

from bench.datasets.sample.damage import add_damage
from bench.datasets.sample.panel import coordinates, light, make_panel, smooth_noise

_SUPERSAMPLING = 2
_JPEG_QUALITY = 92
_GOLDEN = (math.sqrt(5) - 1) / 2
_ASPECTS = (4 / 3, 4 / 3, 3 / 2, 16 / 9, 1.0, 3 / 4)


def write_sample_set(
    directory: Path, *, num_images: int = 140, size: tuple[int, int] = (192, 144), seed: int = 0
) -> None:
    """Writes `images/panel_000.jpg` ... and `masks/panel_000.png` ... (0 and 255) below `directory`.

    `size` is the typical width and height in pixels; images keep its area and vary in proportion. Only n and `seed`
    determine image n.
    """
    for folder in ("images", "masks"):
        (directory / folder).mkdir(parents=True, exist_ok=True)

    def write(number: int) -> None:
        image, mask = draw_sample(np.random.default_rng([seed, number]), size, _share(number))
        Image.fromarray(image).save(directory / "images" / f"panel_{number:03}.jpg", quality=_JPEG_QUALITY)
        Image.fromarray(mask * np.uint8(255)).save(directory / "masks" / f"panel_{number:03}.png")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(write, range(num_images)):
            pass


def draw_sample(rng: np.random.Generator, size: tuple[int, int], share: float) -> tuple[np.ndarray, np.ndarray]:
    """One image uint8 RGB [H, W, 3] and its damage uint8 [H, W], 0 or 1.

    H x W is near the area of `size` (width, height), the damaged part of it near `share` (0-1).
    """
    height, width = _shape(rng, size)
    large = (height * _SUPERSAMPLING, width * _SUPERSAMPLING)
    panel = make_panel(rng, large)
    mask = add_damage(rng, panel, share)
    seen = light(rng, panel)
    seen = _soil(rng, seen)
    seen = _shade(rng, seen)
    image = _camera_image(rng, seen, (height, width))
    covered = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return image, (covered >= 0.5).astype(np.uint8)


def _shape(rng: np.random.Generator, size: tuple[int, int]) -> tuple[int, int]:
    side = np.sqrt(size[0] * size[1])
    aspect = _ASPECTS[rng.integers(len(_ASPECTS))] * rng.uniform(0.96, 1.04)
    return round(side / np.sqrt(aspect)), round(side * np.sqrt(aspect))


def _share(number: int) -> float:
    """Foreground share 0-1 wanted of image `number`: log-normal quantiles, evenly spread over any run of numbers."""
    quantile = (0.5 + number * _GOLDEN) % 1
    return float(np.clip(math.exp(math.log(0.078) + 0.5 * ndtri(quantile)), 0.03, 0.3))


def _soil(rng: np.random.Generator, seen: np.ndarray) -> np.ndarray:
    """Dirt, dust and water drops: marks that are no damage."""
    shape = seen.shape[:2]
    y, _ = coordinates(shape)
    if rng.random() < 0.2:
        patches = np.clip(smooth_noise(rng, shape, 6) + 0.5 * smooth_noise(rng, shape, 30) + 2.5 * y - 0.6, 0, 2)
        dirt = (rng.uniform(0.1, 0.3) * patches)[..., None]
        seen = seen * np.clip(1 - dirt, 0, 1) + dirt * np.array([0.30, 0.25, 0.19], np.float32)
    if rng.random() < 0.25:
        specks = rng.random(shape, dtype=np.float32) < rng.uniform(0.0002, 0.002)
        blurred = cv2.GaussianBlur(specks.astype(np.float32), (0, 0), 0.9) * 5
        seen = seen + (blurred * rng.uniform(-0.22, 0.22))[..., None]
    if rng.random() < 0.1:
        seen = _drops(rng, seen)
    return np.clip(seen, 0, None).astype(np.float32)


def _drops(rng: np.random.Generator, seen: np.ndarray) -> np.ndarray:
    """Water drops: a dark upper rim, a bright lower one and a glint."""
    change = np.zeros(seen.shape[:2], np.float32)
    for _ in range(rng.integers(8, 60)):
        cx, cy = (int(value) for value in rng.uniform(0, 1, 2) * (seen.shape[1], seen.shape[0]))
        radius = int(rng.uniform(1.5, 6))
        cv2.ellipse(change, (cx, cy), (radius, radius), 0, 180, 360, -0.22, -1)
        cv2.ellipse(change, (cx, cy), (radius, radius), 0, 0, 180, 0.16, -1)
        cv2.circle(change, (cx - radius // 3, cy - radius // 3), max(1, radius // 4), 0.5, -1)
    change = cv2.GaussianBlur(change, (0, 0), 0.8)
    return seen * (1 + change[..., None]) + 0.15 * np.maximum(change, 0)[..., None]


def _shade(rng: np.random.Generator, seen: np.ndarray) -> np.ndarray:
    """Cast shadows with soft edges, dappled or straight."""
    shape = seen.shape[:2]
    y, x = coordinates(shape)
    if rng.random() < 0.35:
        angle = rng.uniform(0, 2 * np.pi)
        edge = x * math.cos(angle) + y * math.sin(angle) - rng.uniform(-0.2, 0.3) + 0.03 * smooth_noise(rng, shape, 5)
        lit = 0.5 + 0.5 * np.tanh(edge / rng.uniform(0.004, 0.05))
        seen = seen * (1 - rng.uniform(0.25, 0.6) * lit)[..., None]
    if rng.random() < 0.1:
        leaves = smooth_noise(rng, shape, 7) + 0.7 * smooth_noise(rng, shape, 18) + 0.5 * smooth_noise(rng, shape, 45)
        seen = seen * (1 - rng.uniform(0.15, 0.5) * (0.5 + 0.5 * np.tanh(leaves / rng.uniform(0.5, 1.5))))[..., None]
    return seen


def _camera_image(rng: np.random.Generator, seen: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Lens, exposure and sensor: uint8 RGB [H, W, 3] of the stated height and width."""
    y, x = coordinates(seen.shape[:2])
    seen = seen * (1 - rng.uniform(0, 0.9) * (x * x + y * y))[..., None]
    seen = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), rng.uniform(0.5, 1.2))
    seen = np.maximum(cv2.resize(seen, shape[::-1], interpolation=cv2.INTER_AREA), 0)
    middle = float(np.percentile(seen, 60)) + 1e-3
    seen = seen * (rng.uniform(0.22, 0.45) / middle) ** rng.uniform(0.35, 0.8)
    seen = seen * (1 + rng.normal(0, 0.05) * np.array([1, 0, -1], np.float32))
    seen = seen + rng.standard_normal(seen.shape, dtype=np.float32) * np.sqrt(
        0.00002 + rng.uniform(0.0001, 0.0012) * seen
    )
    curve = np.clip(seen, 0, None) / (1 + 0.25 * np.clip(seen, 0, None) ** 2)
    shown = np.clip(curve, 0, 1) ** (1 / rng.uniform(1.8, 2.3))
    shown += rng.uniform(0.3, 0.9) * (shown * shown * (3 - 2 * shown) - shown)
    return np.clip(255 * shown, 0, 255).astype(np.uint8)
