"""Masks as runs: the same pixels and the same counts, for flat masks and for noise."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import DataOptions, open_dataset
from bench.datasets.formats.mask_files import MaskFile
from bench.datasets.images import decode
from bench.datasets.runs import runs_of

ALL = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize("most", [1, 2, 4, 256])
def test_runs_give_the_pixels_and_their_counts(most: int) -> None:
    pixels = np.random.default_rng(most).integers(0, most, (37, 53)).astype(np.uint8)
    runs = runs_of(pixels)
    assert (runs.pixels(ALL) == pixels).all()
    assert runs.counts().tolist() == [int((pixels == value).sum()) for value in range(256)]


def test_a_square_is_flat_and_noise_is_not() -> None:
    square = np.zeros((100, 100), np.uint8)
    square[20:60, 30:70] = 255
    runs = runs_of(square)
    assert (len(runs.values), runs.is_flat) == (81, True)  # 40 rows of the square, background around each
    assert runs.counts()[[0, 255]].tolist() == [8400, 1600]
    assert not runs_of(np.random.default_rng(0).integers(0, 9, (100, 100)).astype(np.uint8)).is_flat


def test_wide_values_are_counted() -> None:
    assert runs_of(np.array([[0, 700, 700]], np.uint16)).counts()[[0, 700]].tolist() == [1, 2]


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_flat_mask_is_decoded_once_and_gives_the_pixels_of_its_file(tmp_path: Path, orientation: int) -> None:
    """A mask that EXIF turns is decoded again, since its runs lie the other way."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in "abc":
        drawn = np.zeros((60, 80), np.uint8)
        drawn[10:30, 20:60] = 2
        drawn[40:50, 5:15] = 1
        shown = drawn if orientation == 1 else np.rot90(drawn, -1)
        Image.fromarray(np.full((*shown.shape, 3), 90, np.uint8)).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(drawn).save(tmp_path / "masks" / f"{name}.png", exif=exif)
    for sample in open_dataset(tmp_path, DataOptions()).samples:
        assert isinstance(sample.annotation, MaskFile)
        assert (sample.annotation.layers[0].runs is not None) == (orientation == 1)
        assert (decode(sample)[1] == shown).all()
