"""Masks from a delivered model without SegBench: python predict.py IMAGES...

It needs: pip install keras tensorflow opencv-python-headless pillow

It reads model.keras and model.json beside it, and writes <image>.mask.png beside each image: class ids (0 is
background), at the image's own size, upright. It shares no code with the project; a test compares its masks with those
of `bench.load_model`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent


def load(folder: Path = HERE) -> tuple[Any, dict[str, Any]]:
    """The network, and what model.json says about it."""
    import keras

    network = keras.models.load_model(folder / "model.keras", compile=False)
    return network, json.loads((folder / "model.json").read_text(encoding="utf-8"))


def segment(network: Any, about: dict[str, Any], image: np.ndarray) -> np.ndarray:
    """Class ids uint8 [H, W] of an image, RGB uint8 [H, W, 3]."""
    see = through_windows if about.get("view") == "patches" else as_a_whole
    channels = see(network, about["image_size"], image)
    found = channels[0] >= about["threshold"] if len(channels) == 1 else np.argmax(channels, axis=0)
    return without_small_objects(found.astype(np.uint8), about["smallest_object"])


def as_a_whole(network: Any, side: int, image: np.ndarray) -> list[np.ndarray]:
    """Probabilities [H, W] of each channel, from the image shrunk to the network's input."""
    square, (top, left, height, width) = letterbox(image, side)
    batch = np.stack([square, square]).astype(np.float32)  # two images take less time than one
    inner = np.asarray(network(batch, training=False))[0][top : top + height, left : left + width]
    size = (image.shape[1], image.shape[0])
    return [cv2.resize(np.ascontiguousarray(inner[..., c]), size) for c in range(inner.shape[-1])]


def through_windows(network: Any, side: int, image: np.ndarray) -> list[np.ndarray]:
    """The same from windows at the image's own resolution.

    They overlap by a quarter and are weighed by a Gaussian of an eighth of a window.
    """
    height, width = image.shape[:2]
    index = [np.arange(max(length, side)) % (2 * length) for length in (height, width)]
    rows, columns = (np.minimum(i, 2 * n - 1 - i) for i, n in zip(index, (height, width), strict=True))
    image = image[rows][:, columns]
    profile = np.exp(-((np.arange(side) - (side - 1) / 2) ** 2) / (2 * (side / 8) ** 2))
    weight = np.maximum(np.outer(profile, profile), 1e-3).astype(np.float32)[..., None]
    total: Any = 0.0
    weights = np.zeros((*image.shape[:2], 1), np.float32)
    starts = [np.linspace(0, n - side, max(1, int(np.ceil((n - side) / (0.75 * side))) + 1)) for n in image.shape[:2]]
    for top in starts[0].round().astype(int):
        for left in starts[1].round().astype(int):
            cut = image[top : top + side, left : left + side].astype(np.float32)
            found = np.asarray(network(np.stack([cut, cut]), training=False))[0]
            if np.isscalar(total):
                total = np.zeros((*image.shape[:2], found.shape[-1]), np.float32)
            total[top : top + side, left : left + side] += weight * found
            weights[top : top + side, left : left + side] += weight
    return [(total[..., c] / weights[..., 0])[:height, :width] for c in range(total.shape[-1])]


def letterbox(image: np.ndarray, size: int) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """The image as a square with its reflection around it, and top, left, height and width of the image in it."""
    scale = size / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    shrinks = size < max(image.shape[:2])
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    top, left = (size - height) // 2, (size - width) // 2
    rows, columns = (
        np.minimum(position, 2 * length - 1 - position)
        for length, position in (
            (height, (np.arange(size) - top) % (2 * height)),
            (width, (np.arange(size) - left) % (2 * width)),
        )
    )
    return resized[rows][:, columns], (top, left, height, width)


def without_small_objects(ids: np.ndarray, smallest_object: float) -> np.ndarray:
    """Background in place of regions below that share of the image."""
    for class_id in np.unique(ids[ids > 0]):
        _, labels, facts, _ = cv2.connectedComponentsWithStats((ids == class_id).astype(np.uint8), connectivity=8)
        small = facts[:, cv2.CC_STAT_AREA] < smallest_object * ids.size
        small[0] = False
        ids[small[labels]] = 0
    return ids


def main(paths: list[str]) -> None:
    if not paths or paths[0].startswith("-"):
        sys.stdout.write(
            "usage: python predict.py PHOTOGRAPH [PHOTOGRAPH ...]: writes PHOTOGRAPH.mask.png beside each\n"
        )
        return
    network, about = load()
    for path in map(Path, paths):
        image = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
        target = path.with_name(f"{path.name}.mask.png")
        Image.fromarray(segment(network, about, image)).save(target)
        sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
