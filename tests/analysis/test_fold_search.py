"""The report of a search on folds: who was pruned, against whom, and on which images all are compared."""

from dataclasses import replace

import pytest

from bench.analysis.design import design
from bench.analysis.factors import compare
from bench.analysis.failures import why_unfinished
from bench.analysis.fold_search import contradictions, fold_metrics
from bench.analysis.leaderboard import counted, evaluation_of, leaderboard, references
from bench.analysis.search_result import judge
from bench.analysis.series import score_grid
from bench.evaluation.racing import image_ious, next_incumbent, race
from bench.records import COMPLETED, OUT_OF_FOLD, PRUNED, Run, TrialRecord
from bench.report.sections.best_trials import trial_records
from tests.report.runs import counts, evaluation, run, trial

FOLDS = tuple(tuple(f"{fold}-{number}" for number in range(8)) for fold in "abc")


def on_folds(number: int, ious: list[float], **changed: object) -> TrialRecord:
    """A trial of the first `len(ious)` folds with this IoU on every image of each, or nearly so: no two images are
    alike."""
    found = {
        name: counts(iou - place / 1000)
        for iou, fold in zip(ious, FOLDS, strict=False)
        for place, name in enumerate(fold)
    }
    metrics = fold_metrics(found, FOLDS[: len(ious)], ("damage",))
    made = trial(number, 0.5, hyperparameters={"architecture": "unet", "loss": ("bce", "dice")[number % 2]})
    return replace(made, val_metrics=metrics, out_of_fold=found, folds_run=len(ious), **changed)


@pytest.fixture
def searched() -> Run:
    """Two folds of three were searched. Trial 1 is complete, trial 2 fell behind it on the first."""
    best, other = on_folds(1, [0.6, 0.4]), on_folds(2, [0.3])
    last = race(image_ious(other.out_of_fold), next_incumbent(None, best))
    error = f"behind trial 0001 after 1 of 2 folds (p = {last.p:.2g} on 8 images)"
    pruned = replace(other, status=PRUNED, race=last, error=error)
    ious = {name: iou for iou, fold in zip((0.2, 0.3, 0.9), FOLDS, strict=True) for name in fold}
    masks = evaluation(OUT_OF_FOLD, ious, reference="mean_mask")
    held_out = evaluation("val", {"a": 0.99}, reference="mean_mask")
    made = run(trials=[best, pruned], evaluations=[masks, held_out])
    protocol = {**made.experiment["protocol"], "folds": 3, "search_folds": 2}
    return replace(made, experiment={**made.experiment, "protocol": protocol}, split=replace(made.split, folds=FOLDS))


def test_a_pruned_trial_has_no_rank_and_stands_with_its_reason(searched):
    rows = leaderboard(searched)
    assert [(row.rank, row.trial.status) for row in rows] == [(1, COMPLETED), (None, PRUNED)]
    assert {status.word: count for status, count in counted(rows).items()} == {
        "completed": 1,
        "collapsed": 0,
        "pruned": 1,
        "stopped": 0,
        "failed": 0,
    }
    assert why_unfinished(rows[1]) == (
        "behind trial 0001 after 1 of 2 folds (p = 0.0039 on 8 images); validation IoU 0.296"
    )
    first, second = trial_records(rows)
    assert (first["folds_run"], first["rival"], first["race_p"]) == (2, None, None)
    assert (second["folds_run"], second["rival"], second["race_images"], second["race_p"]) == (1, "0001", 8, 2**-8)


def test_a_level_counts_its_pruned_trials_and_their_scores(searched):
    levels = compare(leaderboard(searched))["loss"]
    assert [(level.label, level.ended[PRUNED], round(level.best, 2)) for level in levels] == [
        ("dice", 0, 0.5),
        ("bce", 1, 0.3),
    ]


def test_references_and_the_best_are_compared_on_the_folds_that_were_searched(searched):
    """The mean mask has 0.2 and 0.3 on them; what it has on the third fold and on the hold-out part does not count."""
    (mask,) = references(searched)
    assert mask.metrics["val"]["iou"] == pytest.approx(0.25, abs=2e-3)
    assert set(evaluation_of(searched, searched.trials[0], "val").counts) == {*FOLDS[0], *FOLDS[1]}
    verdict = judge(searched, leaderboard(searched))
    assert verdict.margin == pytest.approx(0.5 - 0.25, abs=5e-3)
    assert 0.1 < verdict.margin_interval.low < verdict.margin_interval.high < 0.4


def test_metrics_and_races_that_are_not_those_of_the_counts_are_found(searched):
    best, pruned = searched.trials
    assert list(contradictions(searched)) == []
    wrong = replace(searched, trials=(replace(best, val_metrics={**best.val_metrics, "iou": 0.51}), pruned))
    assert [line.rsplit(": ", 1)[1] for line in contradictions(wrong)] == [
        "its recorded metrics are not those of its counts"
    ]
    wrong = replace(searched, trials=(best, replace(pruned, race=replace(pruned.race, p=0.04))))
    assert [line.rsplit(": ", 1)[1] for line in contradictions(wrong)] == [
        "its race against trial 0001 is not that of their counts"
    ]


def test_effects_and_grids_know_the_pruned_trials():
    """Every trial with one of the losses was pruned: it has a score, or the other would have nothing to be compared
    with."""
    trials = [
        trial(
            number,
            0.5 - number / 100,
            status=(COMPLETED, PRUNED)[number % 2],
            hyperparameters={
                "loss": ("bce", "dice")[number % 2],
                "backbone": ("resnet18", "mobilenet")[number // 2 % 2],
                "dropout": number / 100,
            },
        )
        for number in range(24)
    ]
    rows = leaderboard(run(trials=trials))
    found = design(rows)
    assert (found.trials, found.names["loss"]) == (24, ("bce", "dice"))
    assert score_grid(run(), rows).counts == ((6, 6), (6, 6))
