"""The bootstrap over images."""

import pytest

from bench.records import ClassCounts
from bench.report.uncertainty import iou_difference_interval, iou_interval
from tests.report.runs import counts


def test_equal_images_leave_no_room_for_chance():
    interval = iou_interval({f"{index}.jpg": counts(1.0) for index in range(5)})
    assert (interval.low, interval.high, interval.num_images) == (1.0, 1.0, 5)


def test_two_images_of_which_one_is_found_span_nothing_to_everything():
    """Resamples of {1, 0} with equal foreground are IoU 1, 1/2 and 0, with chances 1/4, 1/2 and 1/4."""
    interval = iou_interval({"a": counts(1.0), "b": counts(0.0)})
    assert (interval.low, interval.high) == (0.0, 1.0)


def test_pooling_weighs_images_by_their_foreground():
    """99 % of all foreground is in images that are found, so the interval lies high though half of the images are missed."""
    images = {f"big{i}": counts(1.0, foreground=990) for i in range(10)}
    images |= {f"small{i}": counts(0.0, foreground=10) for i in range(10)}
    interval = iou_interval(images)
    assert 0.95 < interval.low < 0.99 < interval.high < 1.0


def test_absent_class_leaves_the_interval_unchanged():
    absent = ClassCounts(tp=0, fp=0, fn=0, tn=10_000)
    images = {"a": counts(0.9), "b": counts(0.3), "c": counts(0.5)}
    assert iou_interval({id: (*both, absent) for id, both in images.items()}) == iou_interval(images)


def test_one_image_or_nothing_to_find_gives_no_interval():
    empty = ClassCounts(tp=0, fp=0, fn=0, tn=10)
    assert iou_interval({}) is None
    assert iou_interval({"a": counts(0.5)}) is None
    assert iou_interval({"a": (empty, empty), "b": (empty, empty)}) is None


def test_difference_is_paired_on_images():
    """Both vary by image in the same way, so their difference hardly varies."""
    levels = {f"{index}.jpg": 0.1 + 0.08 * index for index in range(10)}
    first = {id: counts(level + 0.1) for id, level in levels.items()}
    second = {id: counts(level) for id, level in levels.items()}
    interval = iou_difference_interval(first, second)
    assert interval.high - interval.low < 0.02
    assert (interval.low + interval.high) / 2 == pytest.approx(0.1, abs=0.01)
    assert iou_difference_interval(first, {"0.jpg": counts(0.5)}) is None
