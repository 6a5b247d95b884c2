from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bench.datasets import DataOptions, images, open_dataset
from bench.datasets.audit import audit
from bench.datasets.images import UnreadableImageError, decode, read_image
from bench.datasets.vanishing import sizes_said
from bench.errors import DataError
from bench.records import ValueRange
from tests.datasets.drawings import picture, save, square_mask


def with_masks(root: Path, count: int) -> Path:
    for number in range(count):
        save(root / "masks" / f"{number}.png", square_mask(40, 48, side=10))
    (root / "images").mkdir()
    return root


def test_deep_images_share_one_range_whatever_their_own_extremes(tmp_path: Path) -> None:
    randomness = np.random.default_rng(0)
    for number in range(4):
        pixels = randomness.normal(300, 15, (40, 48)) + 2200 * (square_mask(40, 48, side=10) > 0)
        pixels[0, 0] = 4300 if number % 2 else 300
        with_masks(tmp_path, 0) if not (tmp_path / "images").exists() else None
        save(tmp_path / "masks" / f"{number}.png", square_mask(40, 48, side=10))
        Image.fromarray(pixels.astype(np.uint16)).save(tmp_path / "images" / f"{number}.tif")
    dataset = open_dataset(tmp_path, DataOptions())
    _, identity = audit(dataset, DataOptions())
    assert identity.value_range == dataset.value_range
    assert dataset.value_range is not None
    objects = [image[mask > 0].mean() for image, mask in map(decode, dataset.samples)]
    assert max(objects) - min(objects) < 5
    assert min(objects) > 200
    alone, _ = read_image(tmp_path / "images/0.tif", identity.value_range)
    np.testing.assert_array_equal(alone, decode(dataset.samples[0])[0])


def test_a_range_maps_its_ends_to_black_and_white_and_numbers_that_are_none_to_black(tmp_path: Path) -> None:
    values = np.array([[100, 600, 1100, 5000, np.nan, np.inf, -np.inf, 0]], np.float32)
    Image.fromarray(values, "F").save(tmp_path / "a.tif")
    image, _ = read_image(tmp_path / "a.tif", ValueRange(low=100, high=1100))
    assert image[0, :, 0].tolist() == [0, 128, 255, 255, 0, 255, 0, 0]


def test_16_bit_colour_keeps_more_than_its_upper_byte_and_a_fourth_band_is_no_transparency(tmp_path: Path) -> None:
    with_masks(tmp_path, 2)
    bands = np.zeros((40, 48, 4), np.uint16)
    bands[..., :3] = (900, 300, 250)  # upper bytes of 3, 1 and 0
    bands[:20] *= 2
    for number in range(2):
        cv2.imwrite(str(tmp_path / "images" / f"{number}.tif"), bands[..., [2, 1, 0, 3]])
    dataset = open_dataset(tmp_path, DataOptions())
    image, _ = decode(dataset.samples[0])
    assert dataset.value_range == ValueRange(low=250, high=1800)
    assert image[30, 30].tolist() == [round((value - 250) * 255 / 1550) for value in (900, 300, 250)]
    assert {finding.kind for finding in dataset.findings} == {"extra_band", "value_range"}


def test_pages_are_said(tmp_path: Path) -> None:
    with_masks(tmp_path, 1)
    pages = [Image.fromarray(picture(40, 48, seed=n)) for n in range(3)]
    pages[0].save(tmp_path / "images/0.tif", save_all=True, append_images=pages[1:])
    dataset = open_dataset(tmp_path, DataOptions())
    assert "images/0.tif has 3 pages" in dataset.findings[0].message


def test_pictures_up_to_the_limit_are_read_and_larger_ones_say_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.png", picture(40, 48))
    monkeypatch.setattr(images, "PIXEL_LIMIT", 40 * 48)
    assert read_image(tmp_path / "a.png")[0].shape == (40, 48, 3)
    monkeypatch.setattr(images, "PIXEL_LIMIT", 40 * 48 - 1)
    with pytest.raises(UnreadableImageError, match=r"48x40 pixels are more than .* tiles, or shrink it"):
        read_image(tmp_path / "a.png")
    monkeypatch.setattr(images, "DEEP_PIXEL_LIMIT", 40 * 48 - 1)
    cv2.imwrite(str(tmp_path / "b.tif"), picture(40, 48).astype(np.float32))  # a mode that Pillow has not
    with pytest.raises(UnreadableImageError, match="more than"):
        read_image(tmp_path / "b.tif")


def test_thin_foreground_that_is_gone_at_a_size_is_said_with_the_size_from_which_it_is_left(tmp_path: Path) -> None:
    for number in range(4):
        line = np.zeros((600, 800), np.uint8)
        line[100 * number + 50 : 100 * number + 53] = 255  # 3 of 800 pixels: half a pixel at 133
        save(tmp_path / "images" / f"{number}.jpg", picture(600, 800, seed=number))
        save(tmp_path / "masks" / f"{number}.png", line)
    dataset = open_dataset(tmp_path, DataOptions())
    record, _ = audit(dataset, DataOptions())
    (said,) = [finding.message for finding in record.findings if finding.kind == "vanishing"]
    assert "vanishes in 4 at size 32, 4 at size 48, 4 at size 64, 4 at size 96" in said
    assert list(sizes_said(record.images, dataset.classes, [512], 512)) == []
    (line_said,) = sizes_said(record.images, dataset.classes, [96, 512], 512)
    assert "4 at size 96" in line_said
    with pytest.raises(DataError, match="at the evaluation size 96 it is gone in most"):
        list(sizes_said(record.images, dataset.classes, [96], 96))


def test_lines_that_vanish_name_the_rule_that_keeps_them_and_by_that_rule_none_vanishes(tmp_path: Path) -> None:
    for number in range(4):
        line = np.zeros((600, 800), np.uint8)
        cv2.line(line, (10, 40 + 90 * number), (780, 300), 255, 1)
        save(tmp_path / "images" / f"{number}.jpg", picture(600, 800, seed=number))
        save(tmp_path / "masks" / f"{number}.png", line)
    record, identity = audit(open_dataset(tmp_path, DataOptions()), DataOptions())
    (said,) = [finding.message for finding in record.findings if finding.kind == "vanishing"]
    assert said.endswith("; data: {mask_resize: thin_lines} keeps thin lines")
    with pytest.raises(DataError, match=r"mask_resize: thin_lines.* it is gone in most"):
        list(sizes_said(record.images, identity.classes, [64], 64, identity.mask_resize))
    options = DataOptions(mask_resize="thin_lines")
    record, kept = audit(open_dataset(tmp_path, options), options)
    assert [finding for finding in record.findings if finding.kind == "vanishing"] == []
    assert {image.survives_from for image in record.images} == {(32,)}
    assert list(sizes_said(record.images, kept.classes, [64], 64, kept.mask_resize)) == []
    assert (identity.mask_resize, kept.mask_resize) == ("majority", "thin_lines")
    assert identity.fingerprint == kept.fingerprint  # the pixels are the same; what is made of them is not
