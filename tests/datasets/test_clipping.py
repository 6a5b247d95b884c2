"""Outlines that leave the image: cut where they cannot be seen, unchanged where they can."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets.formats.clipping import REACH, clip_line, clip_polygon

HEIGHT, WIDTH = 20, 30
LOW, HIGH = -REACH * WIDTH, np.array([WIDTH, HEIGHT]) + REACH * WIDTH
POINT = st.tuples(st.integers(-400, 400), st.integers(-400, 400))


def drawn(points: np.ndarray, offset: int = 600, side: int = 1200) -> np.ndarray:
    """The image's part of the filled polygon, drawn on a canvas that holds all of it."""
    canvas = np.zeros((side, side), np.uint8)
    if len(points):
        cv2.fillPoly(canvas, [np.round(points + offset).astype(np.int32)], 1)
    return canvas[offset : offset + HEIGHT, offset : offset + WIDTH]


def area(points: np.ndarray) -> float:
    x, y = points.T
    return 0.5 * abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))


def test_a_polygon_inside_is_returned_as_it_is() -> None:
    points = np.array([[0.0, 0.0], [LOW, 5.0], [7.5, HIGH[1]]])
    assert clip_polygon(points, HEIGHT, WIDTH) is points
    assert len(clip_polygon(np.empty((0, 2)), HEIGHT, WIDTH)) == 0


def test_a_polygon_around_everything_becomes_the_box() -> None:
    found = clip_polygon(np.array([[-1e9, -1e9], [1e9, -1e9], [1e9, 1e9], [-1e9, 1e9]]), HEIGHT, WIDTH)
    assert {tuple(point) for point in found.tolist()} == {
        (LOW, LOW), (HIGH[0], LOW), (HIGH[0], HIGH[1]), (LOW, HIGH[1])
    }  # fmt: skip
    assert area(found) == pytest.approx(float(np.prod(HIGH - LOW)))


@pytest.mark.parametrize("far", [1e9, 1e308])
def test_a_triangle_with_a_point_far_away_ends_at_the_box(far: float) -> None:
    found = clip_polygon(np.array([[0.0, 0.0], [0.0, 10.0], [far, 5.0]]), HEIGHT, WIDTH)
    assert np.isfinite(found).all()
    assert found[:, 0].max() == HIGH[0]
    assert ((found >= LOW) & (found <= HIGH)).all()


def test_a_polygon_beside_the_box_is_nothing() -> None:
    assert len(clip_polygon(np.array([[500.0, 0.0], [600.0, 0.0], [600.0, 9.0]]), HEIGHT, WIDTH)) == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(POINT, min_size=3, max_size=7))
def test_inside_the_image_nothing_changes(corners: list[tuple[int, int]]) -> None:
    points = np.array(corners, float)
    found = clip_polygon(points, HEIGHT, WIDTH)
    assert ((found >= LOW - 1e-6) & (found <= HIGH + 1e-6)).all()
    # Cut points are rounded to pixels when they are drawn, which can turn an edge by a pixel: on both sides of it.
    kernel = np.ones((3, 3), np.uint8)
    before, after = drawn(points), drawn(found)
    assert not (cv2.erode(before, kernel) & ~cv2.dilate(after, kernel) & 1).any()
    assert not (cv2.erode(after, kernel) & ~cv2.dilate(before, kernel) & 1).any()


def test_a_line_inside_is_one_piece_and_one_outside_is_none() -> None:
    line = np.array([[0.0, 0.0], [10.0, 5.0], [29.0, 19.0]])
    (piece,) = clip_line(line, HEIGHT, WIDTH)
    assert piece is line
    assert clip_line(np.array([[500.0, 0.0], [500.0, 10.0]]), HEIGHT, WIDTH) == []
    assert clip_line(np.array([[-500.0, 500.0], [500.0, 500.0]]), HEIGHT, WIDTH) == []


def test_a_line_that_leaves_and_comes_back_is_pieces_that_end_at_the_box() -> None:
    first, second = clip_line(np.array([[0.0, 5.0], [1000.0, 5.0], [0.0, 15.0]]), HEIGHT, WIDTH)
    np.testing.assert_allclose(first, [[0, 5], [HIGH[0], 5]])
    assert second[0][0] == pytest.approx(HIGH[0])
    assert second[0][1] == pytest.approx(15 - 10 * HIGH[0] / 1000)
    np.testing.assert_allclose(second[1], [0, 15])


@pytest.mark.parametrize(("far", "off"), [(1e9, 1e-4), (1e308, 200)])
def test_a_line_with_ends_far_away_is_cut_as_exactly_as_numbers_allow(far: float, off: float) -> None:
    (piece,) = clip_line(np.array([[-far, 5.0], [far, 5.0]]), HEIGHT, WIDTH)
    np.testing.assert_allclose(piece[:, 1], 5)
    np.testing.assert_allclose(piece[:, 0], [LOW, HIGH[0]], atol=off)


def test_a_line_across_a_corner_of_the_box_but_not_through_it_is_none() -> None:
    corner = np.array([HIGH[0], HIGH[1]], float)
    beside = corner + np.array([[20, -5], [-5, 20]])
    assert clip_line(beside, HEIGHT, WIDTH) == []
    through = corner + np.array([[20, -30], [-30, 20]])
    assert len(clip_line(through, HEIGHT, WIDTH)) == 1
