"""Rungs: who went on and who was pruned, counted by hand."""

from bench.records import FAILED, STOPPED
from bench.report.leaderboard import leaderboard
from bench.report.rungs import Rung, rungs, table
from tests.report.runs import run, trial


def asha(number, iou, *, rung=0, parent=None, **changed):
    values = {"architecture": "unet", "learning_rate": 0.001 * number}
    values |= {"tuner/round": rung, "tuner/bracket": 0, "tuner/epochs": (3, 9)[rung]}
    values |= {"tuner/trial_id": parent} if parent else {}
    return trial(number, iou, study_id="asha-s1", hyperparameters=values, epochs=(3, 9)[rung], **changed)


def test_rungs_count_who_went_on_and_who_was_pruned():
    trials = [
        asha(0, 0.1),
        asha(1, 0.4),
        asha(2, None, status=FAILED, error="out of memory"),
        asha(3, 0.2),
        asha(4, 0.5, rung=1, parent="0001"),
        asha(5, 0.2, status=STOPPED, error="the budget, after 2 of 3 epochs"),
    ]
    found = rungs(leaderboard(run("results/asha", trials=trials)))
    common = {"study_id": "asha-s1", "bracket": 0}
    assert found == (
        Rung(
            **common,
            rung=0,
            epochs=3,
            trials=5,
            promoted=1,
            pruned=2,
            collapsed=0,
            stopped=1,
            failed=1,
            best=0.4,
            median=0.2,
        ),
        Rung(
            **common,
            rung=1,
            epochs=9,
            trials=1,
            promoted=0,
            pruned=0,
            collapsed=0,
            stopped=0,
            failed=0,
            best=0.5,
            median=0.5,
        ),
    )
    assert "| asha-s1" in table(found)


def test_a_tuner_that_promotes_nobody_has_no_rungs():
    assert rungs(leaderboard(run("results/random", trials=[trial(0, 0.3)]))) == ()
