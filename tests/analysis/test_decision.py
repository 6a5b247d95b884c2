"""Which model to take, how good it is and how sure that is: kinds of answers, from numbers."""

from dataclasses import replace

import pytest

from bench.analysis.decision import CLEAR, NOTHING, TIED, UNCONFIRMED, UNUSABLE
from bench.analysis.final_evaluation import finals
from bench.analysis.run_analysis import Analysis
from bench.records import FAILED, STOPPED, DeliveryRecord, Member, Run
from bench.report.sections.summary import in_one_line, summary
from bench.report.sections.verdict import answer, verdict
from tests.report.made_finals import LEVELS, SEEDS, with_finals
from tests.report.reading import said
from tests.report.runs import counts, evaluation, full_run, run, trial

IMAGES = [f"test{index:02d}.jpg" for index in range(12)]


def decided(made: Run):
    return Analysis(made).decision


def scored(test_iou: float, mask_iou: float, spread: float = 0.0) -> Run:
    """A run without a final evaluation whose best trial has these IoUs on test, the image level varied by `spread`."""
    best = trial(0, 0.5)
    levels = {name: test_iou + spread * (-1) ** index for index, name in enumerate(IMAGES)}
    return run(
        trials=[best, trial(1, 0.4, study_id="hyperband-s1")],
        evaluations=[
            evaluation("test", levels, trial=best),
            evaluation("test", dict.fromkeys(IMAGES, mask_iou), reference="mean_mask"),
            evaluation("test", dict.fromkeys(IMAGES, 0.0), reference="predict_nothing"),
        ],
    )


def tied(default: float = 0.41) -> Run:
    return with_finals(full_run(), dict.fromkeys(LEVELS, 0.4) | {"default configuration": default}, luck=0.03)


def delivered(made: Run) -> Run:
    """The same run with an ensemble that finds more than any candidate on every image."""
    folds = [name for fold in made.split.folds for name in fold]
    members = tuple(
        Member(
            candidate="finalist 1",
            hyperparameters=made.finals.candidates[0].hyperparameters,
            fold=fold,
            seed=0,
            weights=f"model/{fold}.h5",
        )
        for fold in range(3)
    )
    record = DeliveryRecord(
        members=members, image_size=96, flips=True, threshold=0.45, smallest_object=0.0, rule="the mean of three folds",
        out_of_fold={name: counts(0.75) for name in folds}, test={name: counts(0.7) for name in made.split.test},
        latency_s=0.05, num_bytes=31_000_000,
    )  # fmt: skip
    return replace(made, delivery=record)


def test_a_candidate_that_differs_from_every_other_is_a_clear_winner(run):
    found = Analysis(run)
    assert found.decision.kind == CLEAR
    assert answer(found.decision) == "Use U-Net with ResNet-18, Dice loss."
    assert found.decision.choice.iou == finals(run).ranking[0].score
    other, by = found.decision.closest
    assert other.candidate.name == "default configuration"
    assert by.interval.low > 0
    assert "significantly better than every other candidate" in said([verdict(found)])


def test_in_a_tie_with_the_default_it_is_the_default_that_stays():
    found = Analysis(tied())
    assert found.decision.kind == TIED
    assert found.decision.choice.is_default
    assert answer(found.decision).startswith(
        "Stay with the default configuration: U-Net with MobileNet, BCE + Dice loss"
    )
    text = said([verdict(found)])
    assert "no clear winner" in text
    low, high = found.decision.detectable
    assert 0 < low <= high
    assert "is unlikely to be detected" in text


def test_a_winner_that_is_the_default_is_said_to_stay():
    won = with_finals(full_run(), LEVELS | {"default configuration": 0.9})
    assert answer(decided(won)) == "Stay with the default configuration: U-Net with MobileNet, BCE + Dice loss."
    assert decided(won).kind == CLEAR


def test_a_leader_that_a_baseline_equals_is_not_usable():
    poor = with_finals(full_run(), dict.fromkeys(LEVELS, 0.25))
    assert decided(poor).kind == UNUSABLE
    assert answer(decided(poor)).startswith("Do not use any of these models yet")
    assert in_one_line(Analysis(poor)).startswith("Not usable. Do not use")


def test_with_one_seed_there_is_no_clear_winner(run):
    one = replace(run, finals=replace(run.finals, seeds=SEEDS[:1]))
    assert decided(one).kind == TIED
    assert decided(one).detectable is None
    assert "seed variance is unknown" in said([verdict(Analysis(one))])


def test_the_delivered_model_is_the_answer_where_there_is_one(run):
    made = delivered(run)
    found = Analysis(made)
    assert answer(found.decision) == "Use the delivered ensemble of 3 networks: U-Net with ResNet-18, Dice loss."
    assert found.decision.choice.iou == pytest.approx(0.75, abs=0.002)
    assert found.decision.choice.test == pytest.approx(0.7, abs=0.002)
    text = said([verdict(found)])
    assert "the delivered model scores +0.1" in text  # the best candidate has about 0.6
    assert "31 MB" in text
    assert summary(found)["model"] == "Delivered ensemble of 3 networks"


def test_a_refit_is_said_to_have_no_score_of_its_own(run):
    ensemble = delivered(run)
    member = replace(ensemble.delivery.members[0], fold=None)
    found = Analysis(replace(ensemble, delivery=replace(ensemble.delivery, members=(member,), refit=True)))
    card = verdict(found)
    development, held_out = sum(map(len, found.run.split.folds)), len(ensemble.delivery.test)
    assert f"all {development} development images, so that only the {held_out} held-out images" in said([card])
    assert [tile.label for tile in card.tiles[:2]] == [
        f"IoU (overlap, 0 to 1) with 95 % interval, of this network on {held_out} held-out images",
        f"IoU of its recipe, out of fold on {len(ensemble.delivery.out_of_fold)} images",
    ]
    assert summary(found)["model"] == "Delivered network, trained on all development images"


def test_a_search_alone_is_not_confirmed():
    made = scored(0.45, 0.25)
    found = Analysis(made)
    assert found.decision.kind == UNCONFIRMED
    assert found.searched.margin == pytest.approx(0.2, abs=0.002)
    assert found.searched.margin_interval.low > 0
    assert found.searched.optimism == pytest.approx(0.05, abs=0.002)
    assert "No final evaluation confirms it yet." in answer(found.decision)


@pytest.mark.parametrize(("test_iou", "spread"), [(0.15, 0.0), (0.33, 0.25)], ids=["below the mask", "within chance"])
def test_a_best_trial_that_does_not_clearly_beat_the_mean_mask_is_not_usable(test_iou, spread):
    assert decided(scored(test_iou, 0.25, spread)).kind == UNUSABLE


def test_without_test_scores_the_baselines_are_met_on_validation():
    made = run(trials=[trial(0, 0.5)], evaluations=[evaluation("val", {"a": 0.2, "b": 0.2}, reference="mean_mask")])
    found = Analysis(made)
    assert found.searched.judged_on == "val"
    assert found.searched.margin == pytest.approx(0.3, abs=0.002)
    assert found.searched.margin_interval is None
    assert found.decision.baseline[0] == "mean training mask"


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        ([], "No trial has ended."),
        ([trial(0, None, status=FAILED)], "The only trial failed."),
        ([trial(n, None, status=FAILED) for n in range(3)], "All 3 trials failed."),
        ([trial(0, None, status=FAILED), trial(1, 0.1, status=STOPPED)], "None of 2 trials completed."),
        ([trial(0, None)], "No completed trial has a validation IoU."),
    ],
)
def test_without_a_ranked_trial_the_decision_says_why(trials, reason):
    found = Analysis(run(trials=trials))
    assert found.decision.kind == NOTHING
    assert found.decision.reason == reason
    assert in_one_line(found) == f"No result. There is no model to rank. {reason}"


def test_an_interval_surrounds_the_score_of_a_whole_run():
    found = Analysis(full_run()).searched
    assert found.best.trial.trial_id == "0011"
    assert found.val_interval.low < found.best.iou < found.val_interval.high
    assert found.best.test_interval.low < found.test_iou < found.best.test_interval.high
