import cv2
import numpy as np
import pytest

from bench.datasets.letterbox import letterbox, letterbox_mask, valid_area


def test_wide_picture_is_centred_with_its_longest_side_filled() -> None:
    valid = valid_area(50, 100, 64)
    assert valid.sum() == 32 * 64
    assert valid[16:48].all()
    assert not valid[:16].any()
    assert not valid[48:].any()


def test_padding_reflects_the_picture() -> None:
    image = np.zeros((2, 4, 3), np.uint8)
    image[0], image[1] = 10, 20
    assert letterbox(image, 4)[:, 0, 0].tolist() == [10, 10, 20, 20]
    assert valid_area(2, 4, 4)[:, 0].tolist() == [False, True, True, False]


def test_padding_longer_than_the_picture_reflects_to_and_fro() -> None:
    image = np.zeros((2, 16, 3), np.uint8)
    image[0], image[1] = 10, 20
    # the picture is rows 7 and 8; each step away is the mirror of the one before
    assert letterbox(image, 16)[:, 0, 0].tolist() == [20, *[20, 10, 10, 20] * 3, 20, 10, 10]


@pytest.mark.parametrize(("height", "width"), [(1, 1000), (1000, 1), (3, 2000), (1, 1)])
def test_extreme_proportions_still_fill_the_square(height: int, width: int) -> None:
    image = np.full((height, width, 3), 90, np.uint8)
    assert letterbox(image, 32).shape == (32, 32, 3)
    assert set(letterbox(image, 32).ravel().tolist()) == {90}
    assert letterbox_mask(np.ones((height, width), np.uint8), 32).all()
    assert valid_area(height, width, 32).sum() == 32 * (32 if height == width else 1)


def test_image_is_area_averaged_where_it_shrinks() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[0, 0] = 200  # one pixel of the four under the first target pixel
    assert letterbox(image, 2)[..., 0].tolist() == [[50, 0], [0, 0]]


def test_image_is_interpolated_where_it_grows() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    image[:, 1] = 100
    assert letterbox(image, 4)[0, :, 0].tolist() == [0, 25, 75, 100]


def test_foreground_is_where_at_least_half_a_pixel_is_covered() -> None:
    mask = np.zeros((4, 4), np.uint8)
    mask[0, :2] = 1  # 2 of 4 under the first target pixel
    mask[0, 2] = 1  # 1 of 4 under the second
    mask[2:, :2] = 1  # all of the third
    assert letterbox_mask(mask, 2).tolist() == [[1, 0], [1, 0]]


def test_half_covered_counts_at_odd_scales_too() -> None:
    mask = np.zeros((7, 7), np.uint8)
    mask[:, :4] = 1  # target pixels are 7/3 wide: covered 1, then (4 - 7/3) / (7/3) = 0.714, then 0
    assert letterbox_mask(mask, 3).tolist() == [[1, 1, 0]] * 3


def test_class_with_the_most_area_wins() -> None:
    # of 16 source pixels: 6 of class 1, 7 of class 2, 3 background
    mask = np.array([1] * 6 + [2] * 7 + [0] * 3, np.uint8).reshape(4, 4)
    assert letterbox_mask(mask, 1).tolist() == [[2]]


def test_background_wins_over_each_smaller_class() -> None:
    # 5 of class 1, 5 of class 2, 6 background: together more foreground, but no class has more than the background
    mask = np.array([1] * 5 + [2] * 5 + [0] * 6, np.uint8).reshape(4, 4)
    assert letterbox_mask(mask, 1).tolist() == [[0]]


def test_mask_grows_without_new_values() -> None:
    mask = np.array([[0, 3], [1, 0]], np.uint8)
    np.testing.assert_array_equal(letterbox_mask(mask, 4), np.kron(mask, np.ones((2, 2), np.uint8)))


def test_shrinking_keeps_the_foreground_area() -> None:
    mask = np.zeros((300, 300), np.uint8)
    mask[37:181, 59:240] = 1
    assert letterbox_mask(mask, 64).mean() == pytest.approx(mask.mean(), rel=0.02)


def test_image_and_mask_lie_on_each_other() -> None:
    mask = np.zeros((90, 160), np.uint8)
    mask[20:70, 30:120] = 1
    image = np.repeat(mask[..., None] * np.uint8(255), 3, axis=2)
    np.testing.assert_array_equal(letterbox(image, 48)[..., 0] >= 128, letterbox_mask(mask, 48) == 1)


def test_a_line_of_one_pixel_on_a_large_image_vanishes_by_default_and_is_left_by_the_rule_that_keeps_it() -> None:
    mask = np.zeros((1500, 2000), np.uint8)
    mask[700, 100:1900] = 1
    assert not letterbox_mask(mask, 64).any()
    # 2000 / 64 = 31.25 source pixels to one of the target: row 700 is row 22.4 of the picture,
    # which begins at row 8; columns 3.2 to 60.8
    rows, columns = np.nonzero(letterbox_mask(mask, 64, "thin_lines"))
    assert set(rows.tolist()) == {30}
    assert columns.tolist() == list(range(3, 61))


@pytest.mark.parametrize("size", [32, 100, 333])
def test_every_line_of_one_pixel_stays_in_one_piece_at_any_angle(size: int) -> None:
    for degrees in range(0, 180, 15):
        mask = np.zeros((1000, 1000), np.uint8)
        along = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]) * 480
        start, end = (tuple(np.round(499 + sign * along).astype(int).tolist()) for sign in (-1, 1))
        cv2.line(mask, start, end, 1, 1, cv2.LINE_8)
        kept = letterbox_mask(mask, size, "thin_lines")
        assert cv2.connectedComponents(kept, connectivity=8)[0] - 1 == 1, f"{degrees} degrees at {size}"


def test_thin_lines_are_what_half_a_line_of_one_pixel_covers_counted_block_by_block() -> None:
    randomness = np.random.default_rng(3)
    mask = np.zeros((200, 200), np.uint8)
    for _ in range(12):
        start, end = randomness.integers(0, 200, (2, 2)).tolist()
        cv2.line(mask, start, end, 1, int(randomness.integers(1, 4)))
    blocks = mask.reshape(20, 10, 20, 10).sum(axis=(1, 3))
    np.testing.assert_array_equal(letterbox_mask(mask, 20, "thin_lines"), (blocks >= 5).astype(np.uint8))
    np.testing.assert_array_equal(letterbox_mask(mask, 20), (blocks >= 50).astype(np.uint8))


def test_between_two_classes_a_thin_line_is_of_the_one_that_covers_more() -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[:, 5], mask[:, 16:18], mask[:, 19] = 1, 2, 1  # in the second column of target pixels 2 covers more than 1
    assert letterbox_mask(mask, 4, "thin_lines").tolist() == [[1, 2, 0, 0]] * 4
