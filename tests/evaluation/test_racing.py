"""Who is clearly behind, worked by hand."""

import pytest

from bench.evaluation.racing import FEWEST, Incumbent, image_ious, is_behind, mean_over_folds, next_incumbent, race
from bench.records import COLLAPSED, COMPLETED, PRUNED, ClassCounts, TrialRecord


def counts(tp: int, fp: int = 0, fn: int = 0) -> ClassCounts:
    return ClassCounts(tp=tp, fp=fp, fn=fn, tn=100)


def against(gaps: list[float]):
    """A race in which image number n is ahead or behind by `gaps[n]`."""
    incumbent = Incumbent(trial_id="0003", iou=0.5, image_iou={f"image{n}": 0.5 for n in range(len(gaps))})
    return race({f"image{n}": 0.5 + gap for n, gap in enumerate(gaps)}, incumbent)


def one_ahead(rank: int) -> list[float]:
    """Eight images with gaps of eight sizes, behind on all of them but the one of that rank."""
    return [(1 if size == rank else -1) * size / 100 for size in range(1, 9)]


@pytest.mark.parametrize(
    ("rank", "subsets", "out"),
    [
        (1, 2, True),  # sums of ranks up to 1: none, {1}
        (5, 10, True),  # and {2}, {3}, {1,2}, {4}, {1,3}, {5}, {1,4}, {2,3}
        (6, 14, False),  # and {6}, {1,5}, {2,4}, {1,2,3}: 14 of 256 are more than a twentieth
    ],
)
def test_p_is_the_share_of_sign_patterns_that_are_as_far_behind(rank, subsets, out):
    last = against(one_ahead(rank))
    assert (last.rival, last.images, last.p) == ("0003", 8, pytest.approx(subsets / 2**8))
    assert is_behind(last) is out


def test_who_is_ahead_on_every_image_is_not_behind():
    assert against([n / 100 for n in range(1, 9)]).p == 1.0


def test_level_images_and_images_of_one_alone_do_not_count():
    behind = [-n / 100 for n in range(1, FEWEST)]
    assert against([*behind, 0.0, 0.0]) is None
    assert against([*behind, -0.2, 0.0]).images == FEWEST
    incumbent = Incumbent(trial_id="0", iou=0.5, image_iou={f"image{n}": 0.5 for n in range(20)})
    assert race({f"image{n}": 0.1 + n / 100 for n in range(13, 30)}, incumbent) is None
    assert is_behind(None) is False


def test_iou_of_an_image_is_the_mean_over_the_classes_that_occur_in_it():
    found = {
        "both": (counts(0), counts(3, 1, 0), counts(1, 0, 3)),
        "one": (counts(0), counts(1, 1, 0), counts(0)),
        "wrong": (counts(0), counts(0, 5, 0), counts(0)),
        "none": (counts(0), counts(0), counts(0)),
    }
    assert image_ious(found) == {"both": 0.5, "one": 0.5, "wrong": 0.0}


def trial(number: int, iou: float | None, status: str = COMPLETED, *, on_folds: bool = True) -> TrialRecord:
    return TrialRecord(
        study_id="s", trial_id=f"{number:04d}", status=status, hyperparameters={}, seed=0, val_metrics={"iou": iou},
        out_of_fold={"a": (counts(0), counts(1, 1, 0))} if on_folds else {}, started_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def test_the_incumbent_is_the_first_of_the_best_that_ran_on_all_folds():
    first = next_incumbent(None, trial(0, 0.3))
    assert first == Incumbent(trial_id="0000", iou=0.3, image_iou={"a": 0.5})
    for other in (trial(1, 0.3), trial(2, 0.9, PRUNED), trial(3, 0.9, COLLAPSED), trial(4, None)):
        assert next_incumbent(first, other) is first
    assert next_incumbent(first, trial(5, 0.31)).trial_id == "0005"
    assert next_incumbent(None, trial(0, 0.3, on_folds=False)) is None


def test_every_fold_weighs_the_same_and_what_is_undefined_counts_in_no_mean():
    folds = [{"iou": 0.25, "iou_dent": 0.5}, {"iou": 0.75, "iou_dent": None}]
    assert mean_over_folds(folds) == {"iou": 0.5, "iou_dent": 0.5}
