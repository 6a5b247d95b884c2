"""Records to rows, and rows by factor."""

import math

import pytest

from bench.analysis.factors import compare
from bench.analysis.failures import why_unfinished
from bench.analysis.leaderboard import counted, leaderboard, references
from bench.evaluation.collapse import EVERYWHERE, NOTHING, Foreground, collapse
from bench.records import COLLAPSED, COMPLETED, FAILED, STOPPED, Status
from tests.report.runs import evaluation, run, trial


def test_completed_trials_are_ranked_by_validation_iou_and_the_others_follow_without_a_rank():
    made = run(
        trials=[
            trial(0, None, status=FAILED, error="out of memory"),
            trial(1, 0.3),
            trial(2, 0.9, status=STOPPED),
            trial(3, 0.5),
            trial(4, None),
        ]
    )
    rows = leaderboard(made)
    assert [(row.rank, row.trial.trial_id) for row in rows] == [
        (1, "0003"), (2, "0001"), (None, "0000"), (None, "0002"), (None, "0004"),
    ]  # fmt: skip


def test_equal_scores_keep_the_order_in_which_trials_started():
    rows = leaderboard(run(trials=[trial(2, 0.5), trial(1, 0.5)]))
    assert [row.trial.trial_id for row in rows] == ["0001", "0002"]


def test_test_metrics_pool_the_counts_of_all_images():
    """IoU 1 on 1000 pixels and 0 on 1000 others: 1000 found of 2000 pixels in the union."""
    best = trial(0, 0.6)
    scored = evaluation("test", {"a": 1.0, "b": 0.0}, trial=best)
    first, second = leaderboard(run(trials=[best, trial(1, 0.5)], evaluations=[scored]))
    assert first.test["iou"] == 0.5
    assert first.test["dice"] == pytest.approx(2 / 3)
    assert second.test is None


def test_references_stand_in_a_fixed_order_and_unknown_ones_after_them():
    names = ("otsu", "a_new_one", "predict_nothing", "mean_mask")
    made = run(evaluations=[evaluation("val", {"a": 0.2}, reference=name) for name in names])
    assert [reference.name for reference in references(made)] == ["predict_nothing", "mean_mask", "otsu", "a_new_one"]


def test_collapse_means_finding_less_than_a_hundredth_of_the_foreground():
    """`trial` sets recall to 0.9 of Dice: IoU 0.004 is Dice 0.008 is recall 0.0072."""
    rows = leaderboard(run(trials=[trial(0, 0.004), trial(1, 0.1)]))
    assert [row.collapsed for row in rows] == [False, True]


def test_a_trial_stopped_as_collapsed_has_no_rank_and_is_counted_once_with_its_reason():
    stopped = trial(2, 0.3, status=COLLAPSED, error="finds nearly no foreground for 5 epochs, up to 7 of 12")
    rows = leaderboard(run(trials=[trial(0, 0.004), trial(1, 0.1), stopped]))
    assert [(row.rank, row.collapsed) for row in rows] == [(1, False), (2, True), (None, True)]
    assert {status.word: count for status, count in counted(rows).items()} == {
        "completed": 1,
        "collapsed": 2,
        "pruned": 0,
        "stopped": 0,
        "failed": 0,
    }
    assert why_unfinished(rows[1]) == "collapsed: finds nearly no foreground in its best epoch"
    assert why_unfinished(rows[2]) == (
        "stopped as collapsed: finds nearly no foreground for 5 epochs, up to 7 of 12; best validation IoU 0.300"
    )


def test_foreground_nearly_everywhere_is_a_collapse_unless_it_is_there():
    """Nearly all pixels of an image called foreground: by precision, of which a tenth or nearly all of them are."""
    assert collapse(Foreground(recall=1.0, precision=0.1, predicted_share=0.96)) == EVERYWHERE
    assert collapse(Foreground(recall=1.0, precision=0.1, predicted_share=0.94)) is None
    assert collapse(Foreground(recall=1.0, precision=0.97, predicted_share=1.0)) is None
    assert collapse(Foreground(recall=0.009, precision=None, predicted_share=0.0)) == NOTHING
    assert collapse(Foreground(recall=None, precision=0.0, predicted_share=0.1)) is None


def test_levels_hold_best_median_and_how_trials_ended():
    losses = ["dice", "dice", "bce", "dice", "bce"]
    ends = [{}, {}, {}, {"status": FAILED}, {"status": STOPPED}]
    made = run(
        trials=[
            trial(number, iou, hyperparameters={"architecture": "unet", "loss": loss}, **end)
            for number, (iou, loss, end) in enumerate(zip([0.2, 0.4, 0.1, None, 0.9], losses, ends, strict=True))
        ]
    )
    compared = compare(leaderboard(made))
    assert list(compared) == ["loss"], "a factor with one level is not shown"
    dice, bce = compared["loss"]
    ended = dict.fromkeys(Status, 0)
    assert (dice.label, dice.best, dice.lost) == ("dice", 0.4, 1)
    assert dice.ended == ended | {COMPLETED: 2, FAILED: 1}
    assert dice.median == pytest.approx(0.3)
    assert (bce.label, bce.best, bce.median, bce.lost) == ("bce", 0.1, 0.1, 1)
    assert bce.ended == ended | {COMPLETED: 1, STOPPED: 1}


@pytest.mark.parametrize(
    ("factor", "values", "labels"),
    [
        ("learning_rate", [1e-3, 1.987e-3, 2e-3, 9.9e-5], ["5e-5 to 1e-4", "1e-3 to 2e-3", "2e-3 to 5e-3"]),
        ("augmentation", [0.0, 0.25, 0.123, 0.26, 1.0], ["0 (none)", "0 to 0.25", "0.25 to 0.5", "0.75 to 1"]),
        ("augmentation", [0.0, 0.25, 1.0, 0.25], ["0", "0.25", "1"]),
        ("learning_rate", [1e-3, 5e-4, 1e-3], ["0.0005", "0.001"]),
        ("image_size", [192, 96, 192, 96], ["96", "192"]),
        ("encoder_weights", ["imagenet", "/some/where/own.h5", "none", "none"], ["imagenet", "none", "own.h5"]),
    ],
)
def test_numbers_are_binned_and_stand_in_order(factor, values, labels):
    made = run(trials=[trial(n, 0.3, hyperparameters={factor: value}) for n, value in enumerate(values)])
    found = [level.label for level in compare(leaderboard(made))[factor]]
    assert found == labels


def test_a_factor_of_which_one_value_was_tried_is_left_out():
    made = run(trials=[trial(0, 0.2, hyperparameters={"backbone": "vgg16"}), trial(1, 0.5, hyperparameters={})])
    assert "backbone" not in compare(leaderboard(made))


def test_trials_without_a_backbone_are_a_level_of_their_own():
    backbones = [{"backbone": "vgg16"}, {"backbone": "none"}, {}]
    made = run(
        trials=[trial(number, 0.2 + 0.1 * number, hyperparameters=values) for number, values in enumerate(backbones)]
    )
    levels = compare(leaderboard(made))["backbone"]
    assert [level.label for level in levels] == ["none", "vgg16", "not applicable"]
    assert not any(math.isnan(level.best) for level in levels)
