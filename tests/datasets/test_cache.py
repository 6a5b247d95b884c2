import json
from pathlib import Path

import numpy as np
import pytest

from bench.datasets import DataOptions, open_dataset
from bench.datasets.cache import open_cache, write_cache
from bench.datasets.letterbox import letterbox, letterbox_mask, valid_area
from bench.errors import DataError
from tests.datasets.drawings import folders, picture, save, square_mask

IDS = ("images/a2.png", "images/a0.png")


def written(tmp_path: Path, *sizes: int, fingerprint: str = "f") -> Path:
    if not (tmp_path / "data").exists():
        folders(tmp_path / "data")
    dataset = open_dataset(tmp_path / "data", DataOptions())
    write_cache(dataset, IDS, sizes, tmp_path / "cache", fingerprint=fingerprint)
    return tmp_path / "cache"


def test_every_size_holds_the_letterboxed_pixels_in_the_order_of_the_ids(tmp_path: Path) -> None:
    directory = written(tmp_path, 8, 32)
    for size in (8, 32):
        pixels = open_cache(directory, size)
        assert pixels.ids == IDS
        assert (pixels.images.dtype, pixels.masks.dtype, pixels.valid.dtype) == (np.uint8, np.uint8, bool)
        np.testing.assert_array_equal(pixels.images[0], letterbox(picture(seed=2), size))
        np.testing.assert_array_equal(pixels.masks[1], letterbox_mask(square_mask(value=1), size))
        np.testing.assert_array_equal(pixels.valid[1], valid_area(12, 16, size))


def test_rows_follow_the_ids_that_are_asked_for(tmp_path: Path) -> None:
    pixels = open_cache(written(tmp_path, 8), 8)
    assert pixels.rows(["images/a0.png", "images/a2.png"]).tolist() == [1, 0]
    with pytest.raises(KeyError):
        pixels.rows(["images/a1.png"])


def test_large_arrays_are_mapped_and_small_ones_are_read(tmp_path: Path) -> None:
    directory = written(tmp_path, 8)
    small, large = open_cache(directory, 8), open_cache(directory, 8, memory_share=0.0)
    assert not isinstance(small.images, np.memmap)
    assert isinstance(large.images, np.memmap)
    np.testing.assert_array_equal(small.images, large.images)


def test_unknown_size_names_the_sizes_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no pixels of size 64 in .*cache; it holds 8, 32"):
        open_cache(written(tmp_path, 32, 8), 64)


def test_a_size_that_is_there_is_kept_and_one_of_other_data_is_replaced(tmp_path: Path) -> None:
    directory = written(tmp_path, 8)
    first = (directory / "8/images.npy").stat().st_ino
    written(tmp_path, 8, 16)
    assert (directory / "8/images.npy").stat().st_ino == first
    written(tmp_path, 8, fingerprint="other")
    assert json.loads((directory / "8/ids.json").read_text())["fingerprint"] == "other"
    assert sorted(path.name for path in directory.iterdir()) == ["16", "8"]


def test_masks_are_shrunk_by_the_rule_that_is_asked_for_and_a_size_of_another_rule_is_replaced(tmp_path: Path) -> None:
    line = np.zeros((12, 16), np.uint8)
    line[5, 3:] = 1
    for number in range(3):
        save(tmp_path / "data/images" / f"a{number}.png", picture(seed=number))
        save(tmp_path / "data/masks" / f"a{number}.png", line)
    for rule in ("majority", "thin_lines"):
        dataset = open_dataset(tmp_path / "data", DataOptions(mask_resize=rule))
        write_cache(dataset, IDS, [4], tmp_path / "cache", fingerprint="f")
        masks = open_cache(tmp_path / "cache", 4).masks
        np.testing.assert_array_equal(masks[0], letterbox_mask(line, 4, rule))
        assert masks.any() == (rule == "thin_lines")


def test_an_image_that_cannot_be_decoded_leaves_no_half_written_size(tmp_path: Path) -> None:
    folders(tmp_path / "data")
    save(tmp_path / "data/masks/a2.png", square_mask(5, 5))
    with pytest.raises(DataError, match=r"a2\.png is 5x5 pixels"):
        written(tmp_path, 8)
    assert list((tmp_path / "cache").iterdir()) == []
