"""What the page says first follows from the numbers."""

import pytest

from bench.analysis.leaderboard import leaderboard
from bench.records import FAILED, STOPPED
from bench.report.verdict import headline, judge, qualifications
from tests.report.runs import evaluation, full_run, run, trial

IMAGES = [f"test{index:02d}.jpg" for index in range(12)]


def judged(made):
    return judge(made, leaderboard(made))


def scored(test_iou, mask_iou, spread=0.0):
    """A run whose best trial has these IoUs on test, the image level varied by `spread`."""
    best = trial(0, 0.5)
    levels = {id: test_iou + spread * (-1) ** index for index, id in enumerate(IMAGES)}
    return run(
        trials=[best, trial(1, 0.4, study_id="hyperband-s1")],
        evaluations=[
            evaluation("test", levels, trial=best),
            evaluation("test", dict.fromkeys(IMAGES, mask_iou), reference="mean_mask"),
            evaluation("test", dict.fromkeys(IMAGES, 0.0), reference="predict_nothing"),
        ],
    )


def test_beating_the_mean_mask_beyond_chance():
    verdict = judged(scored(0.45, 0.25))
    assert verdict.margin == pytest.approx(0.2, abs=0.002)
    assert verdict.margin_interval.low > 0
    assert headline(verdict).endswith("by more than chance in the images explains.")


def test_a_best_trial_below_the_mean_mask_is_called_that():
    assert "It does NOT beat the mean training mask (0.250) on test" in headline(judged(scored(0.15, 0.25)))


def test_a_lead_that_chance_explains_is_not_called_a_win():
    line = headline(judged(scored(0.33, 0.25, spread=0.25)))
    assert "within what chance in the images explains" in line
    assert "by more than" not in line


def test_optimism_is_validation_minus_test():
    verdict = judged(scored(0.45, 0.25))
    assert verdict.optimism == pytest.approx(0.05, abs=0.002)
    assert any(
        line.startswith("Selection optimism: validation minus test is +0.05") for line in qualifications(verdict)
    )


def test_predicting_nothing_shows_what_pixel_accuracy_is_worth():
    """1000 of 10000 pixels are foreground in each image."""
    verdict = judged(scored(0.45, 0.25))
    assert verdict.background_accuracy == 0.9
    assert any("right in 90.0 % of the pixels" in line for line in qualifications(verdict))


def test_the_tuner_that_found_it_is_named_beside_the_others():
    lines = " ".join(qualifications(judged(scored(0.45, 0.25))))
    assert "Found by random (trial random-s1/0000); the best of hyperband is 0.400 on validation." in lines


def test_without_test_scores_the_references_are_met_on_validation():
    made = run(trials=[trial(0, 0.5)], evaluations=[evaluation("val", {"a": 0.2, "b": 0.2}, reference="mean_mask")])
    verdict = judged(made)
    assert verdict.judged_on == "val"
    assert verdict.margin == pytest.approx(0.3, abs=0.002)
    assert verdict.margin_interval is None
    assert any("was not scored on the test set" in line for line in qualifications(verdict))


def test_without_references_nothing_is_claimed():
    assert "was not scored, so nothing says whether this is good" in headline(judged(run(trials=[trial(0, 0.5)])))


@pytest.mark.parametrize(
    ("trials", "line"),
    [
        ([], "No trial has ended: there is nothing to rank."),
        ([trial(0, None, status=FAILED)], "The only trial failed: there is no model to rank."),
        ([trial(n, None, status=FAILED) for n in range(3)], "All 3 trials failed: there is no model to rank."),
        (
            [trial(0, None, status=FAILED), trial(1, 0.1, status=STOPPED)],
            "None of 2 trials was completed: there is no model to rank.",
        ),
        ([trial(0, None)], "1 trial completed, none with a validation IoU: there is no model to rank."),
    ],
)
def test_without_a_ranked_trial_the_verdict_says_why(trials, line):
    assert headline(judged(run(trials=trials))) == line


def test_interval_surrounds_the_score_of_a_whole_run():
    verdict = judged(full_run())
    assert verdict.best.trial.trial_id == "0011"
    assert verdict.val_interval.low < verdict.best.iou < verdict.val_interval.high
    assert verdict.best.test_interval.low < verdict.test_iou < verdict.best.test_interval.high
