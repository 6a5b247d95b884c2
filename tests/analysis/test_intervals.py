"""Intervals of one trained model over images: what the finals' statistics say with one training."""

import pytest

from bench.analysis.leaderboard import difference_interval, score_interval
from bench.records import ClassCounts, Evaluation
from tests.report.runs import counts, evaluation


def of(images):
    return Evaluation(split="test", seed=1, counts=images)


def test_equal_images_leave_no_room_for_chance():
    interval = score_interval(evaluation("test", {f"{index}.jpg": 1.0 for index in range(5)}))
    assert (interval.low, interval.high) == (1.0, 1.0)


def test_pooling_weighs_images_by_their_foreground():
    """99 % of all foreground is in images that are found, so the interval lies high though half of the images are
    missed."""
    images = {f"big{i}": counts(1.0, foreground=990) for i in range(10)}
    images |= {f"small{i}": counts(0.0, foreground=10) for i in range(10)}
    interval = score_interval(of(images))
    assert 0.95 < interval.low < 0.99 < interval.high < 1.02


def test_absent_class_leaves_the_interval_unchanged():
    absent = ClassCounts(tp=0, fp=0, fn=0, tn=10_000)
    images = {"a": counts(0.9), "b": counts(0.3), "c": counts(0.5)}
    with_absent = score_interval(of({id: (*both, absent) for id, both in images.items()}))
    assert with_absent == score_interval(of(images))


def test_one_image_or_nothing_to_find_gives_no_interval():
    empty = ClassCounts(tp=0, fp=0, fn=0, tn=10)
    assert score_interval(of({})) is None
    assert score_interval(of({"a": counts(0.5)})) is None
    assert score_interval(of({"a": (empty, empty), "b": (empty, empty)})) is None


def test_difference_is_paired_on_images():
    """Both vary by image in the same way, so their difference hardly varies."""
    levels = {f"{index}.jpg": 0.1 + 0.08 * index for index in range(10)}
    first, second = (evaluation("test", {id: level + more for id, level in levels.items()}) for more in (0.1, 0.0))
    interval = difference_interval(first, second)
    assert interval.high - interval.low < 0.03
    assert (interval.low + interval.high) / 2 == pytest.approx(0.1, abs=0.01)
    assert difference_interval(first, evaluation("test", {"0.jpg": 0.5})) is None
