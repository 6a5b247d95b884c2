"""From probabilities to class ids."""

import numpy as np
import pytest

from bench.evaluation.postprocess import class_ids, segment, without_small_objects


def drawn(*rows: str) -> np.ndarray:
    return np.array([[int(letter) for letter in row] for row in rows], np.uint8)


def test_a_pixel_at_the_threshold_is_foreground() -> None:
    probabilities = np.array([[[0.25], [0.2499], [1.0]]], np.float32)
    assert class_ids(probabilities, 0.25).tolist() == [[1, 0, 1]]


def test_a_threshold_that_float32_cannot_hold_is_still_reached_by_its_own_rounding() -> None:
    assert class_ids(np.full((1, 1, 1), 0.1, np.float32), 0.1).tolist() == [[1]]


def test_of_several_classes_the_most_probable_wins_and_the_lower_id_a_tie() -> None:
    probabilities = np.array([[[0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.1, 0.45, 0.45]]], np.float32)
    assert class_ids(probabilities, 0.9).tolist() == [[2, 0, 1]]


def test_a_region_of_exactly_the_smallest_size_stays_and_a_smaller_one_goes() -> None:
    ids = drawn("1100", "0000", "0001", "0001", "0001")
    assert without_small_objects(ids, 3 / 20).tolist() == drawn("0000", "0000", "0001", "0001", "0001").tolist()
    assert without_small_objects(ids, 2 / 20).tolist() == ids.tolist()


def test_pixels_that_touch_at_a_corner_are_one_region() -> None:
    ids = drawn("1000", "0100", "0010", "0000")
    assert without_small_objects(ids, 3 / 16).tolist() == ids.tolist()


def test_regions_of_two_classes_that_touch_are_two_regions() -> None:
    ids = drawn("1122", "1000")
    assert without_small_objects(ids, 3 / 8).tolist() == drawn("1100", "1000").tolist()


def test_padding_is_background_and_adds_nothing_to_a_region_nor_to_the_area() -> None:
    probabilities = np.ones((2, 4, 1), np.float32)
    probabilities[0, :2] = 0
    valid = np.array([[True, True, True, False]] * 2)
    found = segment(probabilities, threshold=0.5, smallest_object=0.6, valid=valid)
    assert found.tolist() == drawn("0010", "1110").tolist()  # 4 of 6 pixels
    assert not segment(probabilities, threshold=0.5, smallest_object=0.7, valid=valid).any()


def test_without_a_smallest_object_a_single_pixel_stays() -> None:
    probabilities = np.zeros((3, 3, 1), np.float32)
    probabilities[1, 1] = 0.7
    assert segment(probabilities, threshold=0.5, smallest_object=0).sum() == 1


def test_a_smallest_object_beyond_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.5 is no share"):
        without_small_objects(np.zeros((2, 2), np.uint8), 1.5)
