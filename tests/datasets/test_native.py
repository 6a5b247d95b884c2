"""Pictures at their own size on disk, and the rule by which a run sees patches."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bench.datasets import DataOptions, open_dataset
from bench.datasets.native import FOREGROUND_POINTS, native_bytes, open_native, write_native
from bench.datasets.view import chosen_views, size_of_evaluation
from bench.errors import DataError
from bench.records import ImageFacts


@pytest.fixture
def dataset(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for number, (height, width) in enumerate([(60, 90), (200, 40)]):
        image = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
        mask = np.zeros((height, width), np.uint8)
        mask[10:50, 5:35] = 255
        cv2.imwrite(str(tmp_path / f"data/images/{number}.png"), image)
        cv2.imwrite(str(tmp_path / f"data/masks/{number}.png"), mask)
    return open_dataset(tmp_path / "data", DataOptions())


def test_pictures_come_back_at_their_own_size_with_pixels_of_each_class(dataset, tmp_path) -> None:
    ids = [sample.id for sample in dataset.samples]
    write_native(dataset, ids, tmp_path / "cache", fingerprint="f", num_bytes=0)
    native = open_native(tmp_path / "cache")
    assert [native.image(row).shape for row in native.rows(ids)] == [(60, 90, 3), (200, 40, 3)]
    assert isinstance(native.image(0), np.memmap)
    assert native.mask(1).sum() == 40 * 30
    (points,) = native.points[1]
    assert 500 < len(points) <= FOREGROUND_POINTS
    assert native.mask(1)[points[:, 0], points[:, 1]].all()


def test_a_disk_without_room_is_said_before_anything_is_written(dataset, tmp_path) -> None:
    with pytest.raises(DataError, match=r"take 10+ bytes .* view: \[whole\]"):
        write_native(dataset, ["images/0.png"], tmp_path / "cache", fingerprint="f", num_bytes=10**18)
    assert not list((tmp_path / "cache").iterdir())


def facts(longest: int, survives_from: int | None, share: float = 0.01) -> ImageFacts:
    return ImageFacts(
        id="x", split=None, width=longest, height=100, foreground_share=(share,), survives_from=(survives_from,)
    )


def test_native_pictures_take_four_bytes_a_pixel() -> None:
    assert native_bytes([facts(4000, None)]) == 4 * 4000 * 100


@pytest.mark.parametrize(
    ("images", "view"),
    [
        ([facts(4000, 1024)] * 3 + [facts(4000, 96)] * 7, "patches"),
        ([facts(4000, 1024)] * 2 + [facts(4000, 96)] * 8, "whole"),  # gone in a fifth
        ([facts(380, None)] * 10, "whole"),  # images are hardly larger than the network's input
        ([facts(384, None)] * 10, "patches"),
        ([facts(4000, None, share=0.0)] * 10, "whole"),  # none of them shows anything
    ],
)
def test_patches_where_foreground_is_gone_and_images_are_large(images, view: str) -> None:
    assert chosen_views(["auto"], images, 1, largest=192)[0] == (view,)


def test_a_space_may_decide_itself() -> None:
    assert chosen_views(["whole", "patches"], [facts(4000, None)] * 3, 1, 192) == (("whole", "patches"), None)


def test_patches_are_compared_as_near_to_their_own_resolution_as_an_audit_looks() -> None:
    assert size_of_evaluation(["patches"], [facts(1200, None)] * 9, 192) == 1024
    assert size_of_evaluation(["whole", "patches"], [facts(4000, None)] * 12, 192) == 2048
    assert size_of_evaluation(["whole"], [facts(4000, None)] * 12, 192) == 192
    assert size_of_evaluation(["patches"], [facts(100, None)] * 12, 192) == 192


def test_all_images_take_two_gigabytes_at_the_most() -> None:
    images = [facts(4000, None)] * 300
    assert size_of_evaluation(["patches"], images, 192) == 1024  # 300 * 1024^2 * 5 = 1.6 GB; 1536: 3.5 GB


def test_two_classes_each_have_to_be_left() -> None:
    both = replace(facts(4000, 96), foreground_share=(0.1, 0.001), survives_from=(96, 1024))
    assert chosen_views(["auto"], [both] * 4, 2, largest=192)[0] == ("patches",)
