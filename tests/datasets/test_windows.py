"""A picture through windows: every pixel is covered, what the windows say alike is said, and seams are blended."""

import numpy as np
import pytest

from bench.datasets.windows import at_least, count_windows, gaussian, squared, through_windows, window_corners


def brightness(windows: np.ndarray) -> np.ndarray:
    return windows[..., :1].astype(np.float32) / 255


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 100), (70, 41), (9, 150), (5, 7)])
def test_what_does_not_depend_on_the_window_comes_back_pixel_by_pixel(height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    found = through_windows(image, 32, brightness, batch_size=3)
    np.testing.assert_allclose(found[..., 0], image[..., 0] / 255, atol=1e-6)


@pytest.mark.parametrize("length", [32, 33, 56, 57, 100])
def test_windows_overlap_by_a_quarter_at_least_and_end_at_the_edge(length: int) -> None:
    corners = list(window_corners(length, 32, 32))
    tops = [top for top, _ in corners]
    assert (tops[0], tops[-1]) == (0, length - 32)
    assert max(np.diff(tops), default=0) <= 24
    assert count_windows(length, 5, 32) == len(corners)


def test_a_window_counts_in_its_middle_and_hardly_at_its_edge() -> None:
    """Two windows of 32 px at 0 and 24; one says 0, the other 1: equal in the middle between their centres,
    4 px from either edge."""
    answers = iter([0.0, 1.0])
    found = through_windows(
        np.zeros((32, 56, 3), np.uint8), 32, lambda w: np.full((*w.shape[:3], 1), next(answers), np.float32), 1
    )
    row = found[16, :, 0]
    assert row[27] + row[28] == pytest.approx(1, abs=1e-5)
    assert row[24] < 0.1 < 0.9 < row[31]
    assert (np.diff(row[20:36]) >= -1e-6).all()


def test_weights_are_those_of_a_gaussian_of_an_eighth_of_a_window() -> None:
    weights = gaussian(33)
    assert weights[16, 16] == 1
    assert weights[16, 16 + 8] == pytest.approx(np.exp(-((8 / (33 / 8)) ** 2) / 2), rel=1e-5)


def test_a_picture_at_its_own_size_becomes_the_square_that_truth_is_laid_out_in() -> None:
    probabilities = np.zeros((40, 80, 1), np.float32)
    probabilities[:, 40:] = 1
    square = squared(probabilities, 20)
    assert square.shape == (20, 20, 1)
    assert square[:5].max() == square[15:].max() == 0  # no picture there
    assert (square[5:15, :10] == 0).all()
    assert (square[5:15, 10:] == 1).all()


def test_a_thin_line_is_averaged_over_the_area_that_it_shares() -> None:
    probabilities = np.zeros((64, 64, 1), np.float32)
    probabilities[:, 32:34] = 1
    assert squared(probabilities, 16)[8, 8, 0] == pytest.approx(0.5)


def test_a_small_picture_is_continued_by_its_reflection() -> None:
    mask = np.array([[1, 2, 3]])
    assert at_least(mask, 5)[0].tolist() == [1, 2, 3, 3, 2]
