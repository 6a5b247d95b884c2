import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bench.datasets.formats.mask_looks import COLOUR, channel_of
from bench.datasets.images import UnreadableImageError, list_images, mask_pixels, read_image, upright
from bench.errors import DataError
from tests.datasets.drawings import picture, save, square_mask


def read_mask(path: Path) -> np.ndarray:
    """The one channel of a mask that is not painted in colours."""
    channel, source, _ = channel_of(mask_pixels(path), path)
    assert source != COLOUR
    return channel


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff"])
def test_lossless_formats_give_the_pixels_that_were_saved(tmp_path: Path, suffix: str) -> None:
    pixels = picture()
    image, orientation = read_image(save(tmp_path / f"a.{suffix}", pixels))
    assert orientation == 1
    np.testing.assert_array_equal(image, pixels)


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_lossy_formats_give_nearly_the_pixels_that_were_saved(tmp_path: Path, suffix: str) -> None:
    pixels = picture(64, 48)
    image, _ = read_image(save(tmp_path / f"a.{suffix}", pixels, quality=95))
    assert np.abs(image.astype(int) - pixels).mean() < 4


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_shown_as_a_viewer_shows_it(tmp_path: Path, suffix: str, orientation: int) -> None:
    stored = np.zeros((32, 64, 3), np.uint8)
    stored[:16, :32] = 255  # the stored top left corner
    path = save(tmp_path / f"a.{suffix}", stored, orientation=orientation)
    image, applied = read_image(path)
    corner = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}[
        orientation
    ]
    assert applied == orientation
    assert image.shape == ((64, 32, 3) if orientation > 4 else (32, 64, 3))
    assert image[corner].min() > 200
    assert image[..., 0].mean() == pytest.approx(255 / 4, abs=3)


def test_orientation_6_turns_the_first_row_into_the_last_column() -> None:
    stored = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    np.testing.assert_array_equal(upright(stored, 6), [[4, 1], [5, 2], [6, 3]])


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    image, _ = read_image(save(tmp_path / "a.png", np.full((3, 5), 77, np.uint8)))
    assert image.shape == (3, 5, 3)
    assert set(image.ravel().tolist()) == {77}


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 0] = 100
    pixels[0, :, 3] = (0, 255, 51)  # a fifth of 100 and four fifths of white: 224
    image, _ = read_image(save(tmp_path / "a.png", pixels))
    assert image[0, :, 0].tolist() == [255, 100, 224]


def test_16_bit_grey_is_scaled_from_its_range(tmp_path: Path) -> None:
    full, _ = read_image(save(tmp_path / "full.png", np.array([[0, 32896, 65535]], np.uint16)))
    twelve, _ = read_image(save(tmp_path / "twelve.png", np.array([[0, 4095]], np.uint16)))
    eight, _ = read_image(save(tmp_path / "eight.png", np.array([[0, 200]], np.uint16)))
    assert full[0, :, 0].tolist() == [0, 128, 255]
    assert twelve[0, :, 0].tolist() == [0, 255]
    assert eight[0, :, 0].tolist() == [0, 200]


def test_16_bit_colour_tiff_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    blue_green_red = np.zeros((2, 2, 3), np.uint16)
    blue_green_red[..., 2] = 65535
    path.write_bytes(cv2.imencode(".tiff", blue_green_red)[1].tobytes())
    image, _ = read_image(path)
    assert image[0, 0].tolist() == [255, 0, 0]


def test_palette_image_has_colours_and_palette_mask_has_indices(tmp_path: Path) -> None:
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0][0].tolist() == [[0, 0, 0], [255, 0, 0], [0, 255, 0]]
    assert read_mask(tmp_path / "a.png").tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("kind", ["grey", "rgb", "rgba", "16 bit"])
def test_mask_values_survive_every_kind_of_image(tmp_path: Path, kind: str) -> None:
    mask = square_mask()
    stored = {
        "grey": mask,
        "rgb": np.stack([mask] * 3, axis=2),
        "rgba": np.stack([mask, mask, mask, np.full_like(mask, 255)], axis=2),
        "16 bit": mask.astype(np.uint16) * 257,
    }[kind]
    np.testing.assert_array_equal(read_mask(save(tmp_path / "a.png", stored)), mask)


def test_16_bit_class_ids_stay_as_they_are(tmp_path: Path) -> None:
    assert read_mask(save(tmp_path / "a.png", np.array([[0, 1, 3]], np.uint16))).tolist() == [[0, 1, 3]]


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tiff"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_truncated_file_is_refused_by_name(tmp_path: Path, suffix: str, kept: float) -> None:
    rough = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = save(tmp_path / f"a.{suffix}", rough)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(UnreadableImageError, match=rf"cannot read image .*a\.{suffix}: .") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("content", "reason"), [(b"", "the file is empty"), (b"GIF? no", "not an image")])
def test_foreign_file_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UnreadableImageError, match=reason):
        read_image(tmp_path / "a.jpg")


def test_a_file_name_that_no_record_could_hold_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(8, 8)).rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    with pytest.raises(DataError, match=r"file name 'caf\\udce9\.png' in .* is not UTF-8; rename it"):
        list_images(tmp_path)
