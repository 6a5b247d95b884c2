"""Tiny data for the tests: images, masks and annotation files with known pixels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

EXIF_ORIENTATION = 0x0112


def picture(height: int = 12, width: int = 16, *, seed: int = 0) -> np.ndarray:
    """Smooth colours that survive JPEG, different for every seed; uint8 [H, W, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def save(path: Path, pixels: np.ndarray, *, orientation: int = 1, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation != 1:
        exif[EXIF_ORIENTATION] = orientation
        how["exif"] = exif
    Image.fromarray(pixels).save(path, **how)
    return path


def square_mask(height: int = 12, width: int = 16, *, value: int = 255, side: int = 4) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[2 : 2 + side, 3 : 3 + side] = value
    return mask


def folders(root: Path, count: int = 3, **mask: Any) -> Path:
    """`count` images a0.png, a1.png, ... with a square of 16 pixels each."""
    for number in range(count):
        save(root / "images" / f"a{number}.png", picture(seed=number))
        save(root / "masks" / f"a{number}.png", square_mask(**mask))
    return root


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def via_region(name: str = "polygon", attributes: dict[str, Any] | None = None, **shape: Any) -> dict[str, Any]:
    if name == "polygon" and not shape:
        shape = {"all_points_x": [3, 7, 7, 3], "all_points_y": [2, 2, 6, 6]}
    return {
        "shape_attributes": {"name": name, **shape},
        "region_attributes": {"name": "damage"} if attributes is None else attributes,
    }


def via_entry(filename: str, *regions: dict[str, Any]) -> dict[str, Any]:
    """An image of VIA 1, where regions are a dict by number."""
    return {"filename": filename, "size": 1, "regions": {str(n): region for n, region in enumerate(regions)}}


def coco_content(*annotations: dict[str, Any], width: int = 16, height: int = 12) -> dict[str, Any]:
    """One image a.png with annotations of categories 3 (dent) and 7 (scratch)."""
    return {
        "images": [{"id": 1, "file_name": "a.png", "width": width, "height": height}],
        "annotations": [{"id": n, "image_id": 1, "iscrowd": 0, **item} for n, item in enumerate(annotations, start=1)],
        "categories": [{"id": 7, "name": "scratch"}, {"id": 3, "name": "dent"}, {"id": 9, "name": "unused"}],
    }


def labelme_content(*shapes: dict[str, Any], path: str = "a.png", width: int = 16, height: int = 12) -> dict[str, Any]:
    return {"version": "5", "imagePath": path, "imageWidth": width, "imageHeight": height, "shapes": list(shapes)}
