"""Scores of several classes, one by one."""

import pytest

from bench.analysis.classes import class_scores, summed
from bench.records import ClassCounts, Evaluation


def image(first: int, second: int) -> tuple[ClassCounts, ...]:
    """Ten pixels of class 1, of which `first` are found; `second` of two pixels of class 2; all
    that is missed is taken for background."""
    return (
        ClassCounts(tp=88, fp=12 - first - second, fn=0, tn=first + second),
        ClassCounts(tp=first, fp=0, fn=10 - first, tn=90),
        ClassCounts(tp=second, fp=0, fn=2 - second, tn=98),
    )


def test_each_class_has_its_own_iou_with_an_interval_over_images() -> None:
    counts = {f"{number}": image(5 + number % 3, number % 2) for number in range(12)}
    first, second = class_scores([Evaluation(split="test", seed=0, counts=counts)], ("a", "b"))
    assert first.iou.value == pytest.approx((4 * 5 + 4 * 6 + 4 * 7) / 120)
    assert second.iou.value == pytest.approx(6 / 24)
    assert second.precision.value == 1
    assert first.images == second.images == 12
    assert first.iou.interval.low < first.iou.value < first.iou.interval.high
    assert (
        second.iou.interval.high - second.iou.interval.low > first.iou.interval.high - first.iou.interval.low
    )  # half of its images miss it


def test_a_class_that_is_nowhere_has_no_iou() -> None:
    absent = ClassCounts(tp=0, fp=0, fn=0, tn=100)
    counts = {"x": (*image(5, 1)[:2], absent), "y": (*image(5, 1)[:2], absent)}
    scored = class_scores([Evaluation(split="test", seed=0, counts=counts)], ("a", "b"))[1]
    assert (scored.iou, scored.images) == (None, 0)


def test_confusions_add_up_and_one_that_was_not_kept_leaves_none() -> None:
    assert summed([((1, 2), (3, 4)), ((1, 0), (0, 1))]).tolist() == [[2, 2], [3, 5]]
    assert summed([((1, 2), (3, 4)), ()]) is None
