"""Masks as files: what is written is what was predicted."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import open_dataset
from bench.datasets.dataset import DataOptions
from bench.datasets.images import decode
from bench.delivery.masks import areas, coco_json, labelme_json, mask_png, overlay
from tests.delivery.masks_read import read_mask


def blobs(seed: int) -> np.ndarray:
    """Ragged regions of two classes with holes, regions in holes, single pixels, and corners that touch;
    uint8 [40, 56]."""
    import cv2

    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(40, 56)), (0, 0), 1.2)
    mask = (noise > 0.1).astype(np.uint8)
    mask[:, 30:] *= 2
    return mask


def test_a_mask_file_holds_class_ids_and_shows_colours(tmp_path: Path) -> None:
    mask = blobs(0)
    path = tmp_path / "mask.png"
    path.write_bytes(mask_png(mask))
    np.testing.assert_array_equal(read_mask(path), mask)
    shown = np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))
    assert {tuple(colour) for colour in shown[mask == 1]} == {(230, 159, 0)}
    assert {tuple(colour) for colour in shown[mask == 0]} == {(0, 0, 0)}


def written(root: Path, mask: np.ndarray, content: dict[str, object], name: str) -> np.ndarray:
    """The mask that this project reads from an annotation file beside its picture."""
    Image.fromarray(np.zeros((*mask.shape, 3), np.uint8)).save(root / "photo.png")
    (root / name).write_text(json.dumps(content))
    data = open_dataset(root, DataOptions(classes={"dent": "dent", "scratch": "scratch"}))
    return decode(data.samples[0])[1]


@pytest.mark.parametrize("seed", range(6))
def test_coco_outlines_cover_the_mask_to_the_pixel(seed: int, tmp_path: Path) -> None:
    mask = blobs(seed)
    content = coco_json([("photo.png", mask)], ("dent", "scratch"))
    assert any(isinstance(each["segmentation"], list) for each in content["annotations"])
    np.testing.assert_array_equal(written(tmp_path, mask, content, "polygons.json"), mask)
    assert sum(each["area"] for each in content["annotations"]) == np.count_nonzero(mask)


@pytest.mark.parametrize("seed", range(6))
def test_labelme_outlines_cover_the_mask_to_the_pixel_holes_too(seed: int, tmp_path: Path) -> None:
    mask = blobs(seed)
    content = labelme_json("photo.png", mask, ("dent", "scratch"))
    np.testing.assert_array_equal(written(tmp_path, mask, content, "photo.json"), mask)


def test_areas_count_pixels_and_objects_of_each_class() -> None:
    mask = np.array([[1, 0, 2, 2], [0, 1, 0, 0], [0, 0, 0, 2]], np.uint8)
    assert list(areas("a.jpg", mask, ("dent", "scratch", "rust"))) == [
        ("a.jpg", 4, 3, "dent", 2, "0.166667", 1),
        ("a.jpg", 4, 3, "scratch", 3, "0.250000", 2),
        ("a.jpg", 4, 3, "rust", 0, "0.000000", 0),
    ]


def test_an_overlay_changes_the_region_and_leaves_the_rest() -> None:
    image = np.full((20, 20, 3), 100, np.uint8)
    mask = np.zeros((20, 20), np.uint8)
    mask[5:15, 5:15] = 1
    shown = overlay(image, mask)
    assert (shown[mask == 0] == 100).all()
    assert shown[10, 10].tolist() == [152, 124, 60]  # 60 % of 100 and 40 % of 230, 159, 0
    assert shown[5, 5].tolist() == [230, 159, 0]
    assert (image == 100).all()
