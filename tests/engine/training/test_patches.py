"""Windows that train, and pictures that are scored through them, with a network
that does nothing but look at brightness."""

from types import SimpleNamespace

import numpy as np
import pytest

from bench.datasets.cache import CachedPixels
from bench.datasets.native import NativePixels
from bench.engine.training.patches import patches, score_patches, window_at, windows_of

IDS = ("a", "b")
SIDE = 32


@pytest.fixture
def native(tmp_path) -> NativePixels:
    """Two dark pictures with one bright line of two pixels each."""
    points = []
    for row, (height, width) in enumerate([(256, 192), (128, 256)]):
        mask = np.zeros((height, width), np.uint8)
        mask[:, 100:102] = 1
        np.save(tmp_path / f"{row}.image.npy", (mask[..., None] * 200).repeat(3, axis=2))
        np.save(tmp_path / f"{row}.mask.npy", mask)
        points.append((np.argwhere(mask == 1),))
    return NativePixels(ids=IDS, folder=tmp_path, points=tuple(points))


def truth(native: NativePixels, size: int) -> CachedPixels:
    from bench.datasets.letterbox import letterbox, letterbox_mask, valid_area

    pictures = [(np.array(native.image(row)), np.array(native.mask(row))) for row in range(2)]
    return CachedPixels(
        ids=IDS,
        images=np.stack([letterbox(image, size) for image, _ in pictures]),
        masks=np.stack([letterbox_mask(mask, size) for _, mask in pictures]),
        valid=np.stack([valid_area(*mask.shape, size) for _, mask in pictures]),
    )


def graph(num_classes: int = 2) -> SimpleNamespace:
    def predict(windows: np.ndarray) -> np.ndarray:
        bright = windows[..., :1].astype(np.float32) / 200
        return bright if num_classes == 2 else np.concatenate([1 - bright, bright, 0 * bright], axis=-1)

    return SimpleNamespace(
        predict=predict, key=SimpleNamespace(image_size=SIDE, num_classes=num_classes, threshold=0.5)
    )


def test_half_of_the_windows_lie_on_foreground_though_it_fills_a_hundredth(native) -> None:
    example = patches(native, IDS, SIDE, seed=0)
    shown = [example(number, index)[1].any() for number in range(300) for index in range(2)]
    # A window that lies anywhere holds the line in about 33 of 160 places across.
    assert np.mean(shown) == pytest.approx(0.5 + 0.5 * 0.19, abs=0.05)


def test_a_window_is_a_function_of_seed_pass_and_id_and_picture_and_mask_belong_together(native) -> None:
    first, again, other = (patches(native, IDS, SIDE, seed)(3, 1) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[0].shape == (SIDE, SIDE, 3)
    assert not np.array_equal(first[0], other[0]) or not np.array_equal(first[1], other[1])
    for number in range(20):
        image, mask = patches(native, IDS, SIDE, seed=0)(number, 0)
        np.testing.assert_array_equal(image[..., 0] > 0, mask > 0)


def test_a_rare_class_is_looked_at_as_often_as_a_frequent_one() -> None:
    points = [np.full((1000, 2), 10), np.full((1, 2), 490)]
    corners = np.array([window_at(500, 500, SIDE, points, np.random.default_rng(n)) for n in range(1000)])
    on_first, on_second = (((corners <= at) & (corners > at - SIDE)).all(axis=1).mean() for at in (10, 490))
    assert on_first == pytest.approx(0.25, abs=0.05)
    assert on_second == pytest.approx(0.25, abs=0.05)


def test_a_line_of_two_pixels_is_found_in_a_picture_that_is_shrunk_to_a_quarter(native) -> None:
    scored = score_patches(graph(), native, truth(native, 64), IDS, 4, in_full=True)
    assert all(counts[1].fn == counts[1].fp == 0 for counts in scored.counts.values())
    assert scored.counts["a"][1].tp == 64  # half of a column of four pixels
    assert scored.evidence.ids == scored.maps.ids == IDS
    np.testing.assert_array_equal(scored.maps.values[:, 0], scored.maps.values[:, 1])


def test_of_several_classes_there_is_a_confusion(native) -> None:
    scored = score_patches(graph(3), native, truth(native, 64), IDS, 4)
    assert scored.confusion.shape == (3, 3)
    assert scored.confusion[1, 1] == sum(counts[1].tp for counts in scored.counts.values())


def test_how_often_the_network_is_asked_for_a_picture(native) -> None:
    # 256 x 192: (256 - 32) / 24 + 1 = 11 (10.3 rounded up) rows of 8 (7.7); 128 x 256: 5 rows of 11
    assert windows_of(native, IDS, SIDE) == [11 * 8, 5 * 11]
