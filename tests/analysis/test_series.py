"""The numbers of each figure."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from bench.analysis.final_evaluation import finals
from bench.analysis.leaderboard import leaderboard
from bench.analysis.pictures import (
    BACKGROUND,
    FALSE_ALARM,
    MISSED,
    PADDING,
    RIGHT,
    WRONG_CLASS,
    augmentation_grid,
    outcomes,
    overlays,
    samples,
)
from bench.analysis.predictions import class_ious, gallery
from bench.analysis.series import (
    Busy,
    CostPoint,
    Missing,
    foreground_shares,
    pareto_front,
    progress,
    quality_against_cost,
    score_grid,
    training_curves,
)
from bench.records import FAILED
from bench.records.store import RunStore
from bench.report.sections.factors import thinned
from tests.report.runs import full_run, run, trial, write_arrays


def of(series, made):
    return series(made, leaderboard(made))


def test_progress_keeps_the_best_so_far_and_counts_the_time_of_failed_trials_too():
    ends = [(0.2, {}), (None, {"status": FAILED}), (0.5, {}), (0.3, {"wall_s": None})]
    line = of(progress, run(trials=[trial(n, iou, **facts) for n, (iou, facts) in enumerate(ends)])).lines[0]
    assert line.ious == (0.2, None, 0.5, 0.3)
    assert line.best == (0.2, 0.2, 0.5, 0.5)
    assert line.spent_s == (60.0, 120.0, 180.0, 180.0)
    assert line.epochs == (12, 12, 24, 36)
    assert (line.tuner, line.seed) == ("random", 1)


def test_trials_that_ran_at_the_same_time_count_once_and_in_the_order_they_ended():
    """A minute apart, and the first took ten: the second ended after three minutes, the first after ten."""
    line = of(progress, run(trials=[trial(0, 0.5, wall_s=600.0), trial(1, 0.4, wall_s=120.0)])).lines[0]
    assert line.spent_s == (180.0, 600.0)
    assert line.best == (0.4, 0.5)


def test_progress_has_no_best_before_the_first_completed_trial():
    line = of(progress, run(trials=[trial(0, None, status=FAILED), trial(1, 0.4)])).lines[0]
    assert line.best == (None, 0.4)


def test_score_grid_holds_medians_and_leaves_untried_pairs_empty():
    pairs = [("r", "a", 0.2), ("r", "a", 0.4), ("r", "b", 0.1), ("m", "a", 0.5), (None, "b", 0.3)]
    trials = []
    for number, (backbone, loss, iou) in enumerate(pairs):
        chosen = {"architecture": "net", "loss": loss} | ({"backbone": backbone} if backbone else {})
        trials.append(trial(number, iou, hyperparameters=chosen))
    grid = of(score_grid, run(trials=trials))
    assert grid.backbones == ("m", "r", "(net)")
    assert grid.losses == ("a", "b")
    assert grid.medians == ((0.5, None), (pytest.approx(0.3), 0.1), (None, 0.3))
    assert grid.counts == ((1, 0), (2, 1), (0, 1))


def test_training_curves_are_those_of_the_best_trials_of_five_networks():
    networks = ["a", "b", "c", "c", "d", "e", "f"]
    trials = [
        trial(n, 0.1 * (n + 1), hyperparameters={"architecture": network, "loss": "bce"})
        for n, network in enumerate(networks)
    ]
    curves = of(training_curves, run(trials=trials)).curves
    assert [curve.rank for curve in curves] == [1, 2, 3, 4, 6]
    assert [curve.label for curve in curves] == ["f", "e", "d", "c", "b"]
    assert curves[0].epochs == tuple(range(1, 13))
    assert curves[0].ious[-1] == pytest.approx(0.7)


def test_pareto_front_holds_what_nothing_beats_in_both():
    points = [
        CostPoint(rank=rank, label="", cost=cost, iou=iou)
        for rank, cost, iou in [(1, 10, 0.5), (2, 5, 0.4), (3, 6, 0.4), (4, 5, 0.3), (5, 1, 0.1)]
    ]
    assert [point.rank for point in pareto_front(points)] == [5, 2, 1]


def test_cost_panels_leave_out_trials_without_that_cost():
    made = run(trials=[trial(0, 0.5, num_params=None), trial(1, 0.4), trial(2, 0.3, train_s=9.0)])
    parameters, time = of(quality_against_cost, made)
    assert [point.rank for point in parameters.points] == [2, 3]
    assert [(point.rank, point.cost) for point in time.points] == [(1, 41.0), (2, 41.0), (3, 9.0)]


@pytest.mark.parametrize(
    "series",
    [score_grid, progress, training_curves, quality_against_cost],
)
def test_a_figure_without_numbers_says_why(series, tmp_path):
    missing = of(series, run(tmp_path))
    assert isinstance(missing, Missing)
    assert missing.reason


def test_foreground_shares_follow_the_split():
    series = of(foreground_shares, run())
    assert [(name, len(shares)) for name, shares in series.parts] == [("train", 30), ("validation", 12), ("test", 12)]


def test_outcomes_tell_apart_what_a_pixel_can_be():
    truth = np.array([[0, 1, 1, 0, 2, 1]], np.uint8)
    prediction = np.array([[0, 1, 0, 1, 1, 1]], np.uint8)
    valid = np.array([[True, True, True, True, True, False]])
    assert outcomes(truth, prediction, valid).tolist() == [
        [BACKGROUND, RIGHT, MISSED, FALSE_ALARM, WRONG_CLASS, PADDING]
    ]


def test_ious_of_an_image_count_no_padding_and_no_absent_class():
    truth = np.array([[1, 1, 0, 0]], np.uint8)
    prediction = np.array([[1, 0, 0, 1]], np.uint8)
    assert class_ious(truth, prediction, np.array([[True] * 4]), 2) == (pytest.approx(1 / 3), None)
    assert class_ious(truth, prediction, np.array([[True, True, True, False]]), 1) == (pytest.approx(1 / 2),)
    assert class_ious(truth * 0, prediction * 0, np.array([[True] * 4]), 1) == (None,)


def test_overlays_show_the_worst_the_median_and_the_best_image(tmp_path):
    made = full_run(tmp_path)
    write_arrays(made)
    series = overlays(gallery(made, leaderboard(made), finals(made)))
    worst, middle, best = series.cases
    assert (worst.title, middle.title, best.title) == ("Worst", "Median", "Best")
    assert worst.iou < middle.iou < best.iou
    assert series.num_images == 9


def test_augmentation_knows_how_much_foreground_is_left(tmp_path):
    made = full_run(tmp_path)
    write_arrays(made)
    series = augmentation_grid(made)
    assert series.strengths == (0, 0.25, 0.5, 0.75, 1)
    assert series.kept_foreground == (1, 1, 1, 1, 1), "the made-up pictures roll, so nothing leaves them"


def test_dots_that_are_left_out_are_spread_over_the_whole_range():
    assert thinned([5.0, 4.0, 3.0], 3) == (5.0, 4.0, 3.0)
    assert thinned([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0], 4) == (9.0, 7.0, 5.0, 3.0)


def test_pauses_are_no_time_and_what_is_under_way_at_once_counts_once():
    busy = Busy(
        [("2026-01-01T00:00:00+00:00", 60.0), ("2026-01-01T00:00:30+00:00", 60.0), ("2026-01-01T05:00:00+00:00", 10.0)]
    )
    began = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert busy.until_s() == 100.0
    assert [busy.until_s(began + seconds) for seconds in (-5, 0, 45, 90, 3600, 5 * 3600 + 4)] == [0, 0, 45, 90, 90, 94]


def test_samples_go_from_the_least_foreground_to_the_most_and_padding_is_none(tmp_path):
    truth = np.zeros((12, 2, 4), np.uint8)
    for index in range(12):
        truth[index].ravel()[: index % 8] = 1
    valid = np.ones_like(truth, bool)
    valid[:, :, 3] = False
    pictures = {"ids": np.array(list("abcdefghijkl")), "images": np.zeros((12, 2, 4, 3), np.uint8), "truth": truth}
    made = replace(run(), directory=str(tmp_path))
    assert samples(made).reason == "the run kept no images"
    RunStore(tmp_path).write_arrays("predictions/images", {**pictures, "valid": valid})
    found = samples(made)
    assert (found.num_images, len(found.shares)) == (12, 5)
    assert found.shares == tuple(sorted(found.shares))
    assert (found.shares[0], found.shares[-1]) == (0.0, 1.0)
    assert [(mask > 0)[:, :3].mean() for mask in found.masks] == pytest.approx(found.shares)
