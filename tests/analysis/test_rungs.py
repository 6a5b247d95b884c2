"""Rungs: who went on and who was pruned, counted by hand."""

from dataclasses import replace

from bench.analysis.failures import why_unfinished
from bench.analysis.leaderboard import leaderboard
from bench.analysis.run_analysis import Analysis
from bench.analysis.rungs import Rung, length_agreements, rungs
from bench.records import FAILED, STOPPED
from bench.report.sections.search import search
from tests.report.reading import said
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


def test_a_promoted_configuration_has_one_rank_and_the_costs_of_all_that_led_to_it():
    first, higher, better = asha(0, 0.3), asha(1, 0.35), asha(2, 0.5)
    on = replace(asha(3, 0.4, rung=1, parent="0001", train_s=60.0, wall_s=66.0), epochs_run=6)
    worse = replace(asha(4, 0.45, rung=1, parent="0002"), epochs_run=6)
    rows = leaderboard(run("results/asha", trials=[first, higher, better, on, worse]))
    assert [(row.rank, row.trial.trial_id) for row in rows if row.rank] == [(1, "0002"), (2, "0003"), (3, "0000")]
    assert {row.trial.trial_id for row in rows if row.rank is None} == {"0001", "0004"}
    continued = rows[1].training
    assert (continued.epochs, continued.train_s, continued.wall_s) == (9, higher.train_s + 60, higher.wall_s + 66)
    assert rows[0].training.epochs == 3  # it led to this score; the curve shows what came of going on
    assert rows[0].training.curve == (*better.curve, *worse.curve)
    assert not any(why_unfinished(row) for row in rows)


def test_a_trial_that_found_no_state_to_continue_has_only_its_own_costs():
    again = asha(1, 0.4, rung=1, parent="0000", train_s=90.0)
    rows = leaderboard(run("results/asha", trials=[asha(0, 0.3), again]))
    assert (rows[0].training.epochs, rows[0].training.train_s) == (9, 90.0)


def promoted(higher: list[float]) -> list:
    """Five configurations with 0.1 to 0.5 at 3 epochs, which were promoted to 9 and had `higher` there;
    one more was not promoted."""
    first = [asha(number, 0.1 * number) for number in range(1, 7)]
    return first + [asha(10 + number, iou, rung=1, parent=f"000{number}") for number, iou in enumerate(higher, start=1)]


def test_lengths_agree_as_far_as_those_tell_that_were_trained_at_both():
    made = run("results/asha", trials=promoted([0.3, 0.2, 0.5, 0.6, 0.7]))
    (found,) = length_agreements(leaderboard(made))
    assert (found.study_id, found.short, found.long, found.ranks.candidates) == ("asha-s1", 3, 9, 5)
    assert round(found.ranks.tau, 3) == 0.8  # one of ten pairs is the other way round
    text = said(search(Analysis(made)))
    assert "3 to 9 epochs: 0.80 (-0.19 to 0.98) for 5 configurations" in text
    assert "a larger shortest_steps" in text


def test_four_promotions_say_nothing_about_lengths():
    made = run("results/asha", trials=promoted([0.2, 0.3, 0.5, 0.6]))
    assert length_agreements(leaderboard(made)) == ()
    assert "rank like long ones" not in said(search(Analysis(made)))


def test_a_tuner_that_promotes_nobody_has_no_rungs():
    assert rungs(leaderboard(run("results/random", trials=[trial(0, 0.3)]))) == ()
