"""Ratios of pixel counts, with numbers worked by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, jaccard_score, precision_score, recall_score

from bench.evaluation import metrics
from bench.records import ClassCounts


def counted(truth: np.ndarray, predicted: np.ndarray, classes: int) -> list[ClassCounts]:
    return [
        ClassCounts(
            tp=int(np.sum((truth == c) & (predicted == c))),
            fp=int(np.sum((truth != c) & (predicted == c))),
            fn=int(np.sum((truth == c) & (predicted != c))),
            tn=int(np.sum((truth != c) & (predicted != c))),
        )
        for c in range(classes)
    ]


def damage(tp: int, fp: int, fn: int, tn: int) -> list[ClassCounts]:
    """Background and one foreground class, from the foreground's counts."""
    return [ClassCounts(tp=tn, fp=fn, fn=fp, tn=tp), ClassCounts(tp=tp, fp=fp, fn=fn, tn=tn)]


def test_metrics_of_ten_pixels_worked_by_hand() -> None:
    # 3 hits, 1 false alarm, 2 misses, 4 right background pixels
    summary = metrics.summarise(damage(3, 1, 2, 4), ["damage"])
    assert summary == {
        "iou": pytest.approx(3 / 6),
        "dice": pytest.approx(6 / 9),
        "precision": pytest.approx(3 / 4),
        "recall": pytest.approx(3 / 5),
        "pixel_accuracy": pytest.approx(7 / 10),
    }


def test_predicting_only_background_has_high_accuracy_and_no_iou() -> None:
    summary = metrics.summarise(damage(0, 0, 6, 94), ["damage"])
    assert summary["pixel_accuracy"] == pytest.approx(0.94)
    assert summary["iou"] == 0.0
    assert summary["recall"] == 0.0
    assert summary["precision"] is None


def test_nothing_to_find_and_nothing_predicted_is_undefined_not_perfect() -> None:
    summary = metrics.summarise(damage(0, 0, 0, 10), ["damage"])
    assert [summary[name] for name in ("iou", "dice", "precision", "recall")] == [None] * 4
    assert summary["pixel_accuracy"] == 1.0


def test_absent_class_leaves_mean_iou_unchanged() -> None:
    truth, predicted = np.array([0, 0, 1, 1, 1, 0]), np.array([0, 1, 1, 1, 0, 0])
    without = metrics.summarise(counted(truth, predicted, 2), ["scratch"])
    with_absent = metrics.summarise(counted(truth, predicted, 3), ["scratch", "dent"])
    assert with_absent["iou"] == without["iou"] == pytest.approx(2 / 4)
    assert with_absent["iou_dent"] is None


def test_class_predicted_where_it_is_absent_scores_zero() -> None:
    truth, predicted = np.array([0, 1, 1, 0]), np.array([2, 1, 1, 0])
    summary = metrics.summarise(counted(truth, predicted, 3), ["scratch", "dent"])
    assert summary["iou_dent"] == 0.0
    assert summary["iou"] == pytest.approx((1.0 + 0.0) / 2)


def test_single_class_has_no_metric_by_class() -> None:
    assert set(metrics.summarise(damage(1, 1, 1, 1), ["damage"])) == {*metrics.FOREGROUND_METRICS, "pixel_accuracy"}


def test_pooling_counts_pixels_so_large_images_weigh_more() -> None:
    # IoU 1/2 on 2 foreground pixels and 9/10 on 10: pooled 10/12, not their mean 0.7
    pooled = metrics.pool([damage(1, 1, 0, 0), damage(9, 1, 0, 5)])
    assert metrics.iou(pooled[1]) == pytest.approx(10 / 12)
    assert sum((pooled[1].tp, pooled[1].fp, pooled[1].fn, pooled[1].tn)) == 2 + 15


def test_pooling_nothing_gives_nothing() -> None:
    assert metrics.pool([]) == ()
    assert metrics.pixel_accuracy(()) is None


def test_images_with_different_classes_cannot_be_pooled() -> None:
    with pytest.raises(ValueError, match="zip"):
        metrics.pool([damage(1, 1, 1, 1), damage(1, 1, 1, 1)[:1]])


def test_image_mean_weighs_images_alike_and_leaves_out_empty_ones() -> None:
    images = [damage(1, 1, 0, 0), damage(9, 1, 0, 5), damage(0, 0, 0, 10)]
    assert metrics.image_mean(images, metrics.iou) == pytest.approx((1 / 2 + 9 / 10) / 2)
    assert metrics.image_mean(images, metrics.dice) == pytest.approx((2 / 3 + 18 / 19) / 2)
    assert metrics.image_mean(images[2:], metrics.iou) is None


def test_background_share_is_the_accuracy_of_predicting_nothing() -> None:
    # 3 hits, 1 false alarm, 2 misses, 4 right background pixels: 5 of 10 are background
    assert metrics.background_share(damage(3, 1, 2, 4)) == pytest.approx(5 / 10)
    assert metrics.background_share(damage(0, 0, 6, 94)) == metrics.pixel_accuracy(damage(0, 0, 6, 94)) == 0.94
    assert metrics.background_share(()) is None


def test_mean_leaves_out_what_is_missing() -> None:
    assert metrics.mean([0.2, None, 0.4]) == pytest.approx(0.3)
    assert metrics.mean([None, None]) is None
    assert metrics.mean([]) is None


@pytest.mark.parametrize("seed", range(5))
def test_one_class_agrees_with_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth, predicted = (random.random(500) < share for share in (0.1, 0.3))
    summary = metrics.summarise(counted(truth.astype(int), predicted.astype(int), 2), ["damage"])
    assert summary["iou"] == pytest.approx(jaccard_score(truth, predicted))
    assert summary["dice"] == pytest.approx(f1_score(truth, predicted))
    assert summary["precision"] == pytest.approx(precision_score(truth, predicted))
    assert summary["recall"] == pytest.approx(recall_score(truth, predicted))
    assert summary["pixel_accuracy"] == pytest.approx(accuracy_score(truth, predicted))


@pytest.mark.parametrize("seed", range(5))
def test_several_classes_agree_with_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth, predicted = random.integers(0, 4, 600), random.integers(0, 4, 600)
    names = ["inclusion", "patch", "scratch"]
    summary = metrics.summarise(counted(truth, predicted, 4), names)
    by_class = jaccard_score(truth, predicted, average=None, labels=[1, 2, 3])
    assert [summary[f"iou_{name}"] for name in names] == pytest.approx(list(by_class))
    assert summary["iou"] == pytest.approx(by_class.mean())
    assert summary["dice"] == pytest.approx(f1_score(truth, predicted, average="macro", labels=[1, 2, 3]))
    assert summary["pixel_accuracy"] == pytest.approx(accuracy_score(truth, predicted))
