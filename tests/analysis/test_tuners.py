"""Tuners on a common clock."""

import pytest

from bench.analysis.leaderboard import leaderboard
from bench.analysis.series import Missing
from bench.analysis.tuners import DOUBLE, compare_tuners
from tests.report.runs import run, trial


def compared(scores):
    """Trials of 60 s that begin a minute apart in each study."""
    trials = [trial(n, iou, study_id=f"{tuner}-s1") for tuner, ious in scores.items() for n, iou in enumerate(ious)]
    made = run(trials=trials, tuners=tuple(scores))
    return compare_tuners(made, leaderboard(made))


def test_tuners_are_compared_when_the_shortest_study_ended():
    """Of random the third trial does not count: it ends after 180 s."""
    found = compared({"random": [0.1, 0.2, 0.9], "hyperband": [0.4, 0.3]})
    assert found.common_s == 120
    assert [(one.tuner, one.median, one.wins) for one in found.scores] == [("hyperband", 0.4, 1), ("random", 0.2, 0)]
    assert [one.regret for one in found.scores] == pytest.approx([0.5, 0.7])


def test_twice_random_is_the_best_of_random_at_twice_the_time():
    found = compared({"random": [0.1, 0.2, 0.3, 0.4], "hyperband": [0.4, 0.3]})
    double = next(curve for curve in found.curves if curve.tuner == DOUBLE)
    assert double.points[-1] == (120, 0.4, 0.4, 0.4)
    assert double.points[0][:2] == (30, 0.1)


def test_level_tuners_share_a_win():
    assert [one.wins for one in compared({"random": [0.2], "hyperband": [0.2, 0.3]}).scores] == [0.5, 0.5]


def test_one_study_is_no_comparison():
    assert isinstance(compared({"random": [0.1, 0.2]}), Missing)
