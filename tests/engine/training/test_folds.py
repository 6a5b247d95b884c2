"""One outcome from those of several folds, with numbers worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from bench.engine.spec import Scored, TrialOutcome, TrialSpec
from bench.engine.training.folds import on_folds
from bench.evaluation.racing import Incumbent
from bench.records import COLLAPSED, COMPLETED, PRUNED, STOPPED, ClassCounts, EpochRecord, TrialRecord
from bench.run.costs import MARGIN, CostModel
from tests.engine.tiny import spec

IMAGES = 10
UNBEATEN = Incumbent(
    trial_id="0007", iou=1.0, image_iou={f"{fold}-{n}": 1.0 for fold in range(3) for n in range(IMAGES)}
)


def of_fold(fold: int, ious: list[float], *, status: str = COMPLETED, error: str | None = None) -> TrialOutcome:
    """Ten images of ten foreground pixels each, of which the best epoch finds its IoU on each;
    a fold takes a minute."""
    best = max(ious)
    curve = tuple(
        EpochRecord(epoch=n, train_loss=0.5, val_loss=None, val_iou=iou, elapsed_s=10.0 * n + 30.0 * (fold == 0))
        for n, iou in enumerate(ious, start=1)
    )
    record = TrialRecord(
        study_id="study", trial_id="0", status=status, hyperparameters=spec().hyperparameters, seed=0,
        val_metrics={"iou": best}, curve=curve, epochs_run=len(curve), best_epoch=ious.index(best) + 1, num_params=7,
        graph_reused=fold > 0, build_s=5.0 * (fold == 0), reset_s=1.0, first_step_s=20.0 if fold == 0 else 2.0,
        train_s=8.0, evaluate_s=4.0, input_wait_s=0.5, wall_s=10.0 * len(curve) + 30.0 * (fold == 0), latency_s=0.1,
        started_at=f"fold {fold}", error=error,
    )  # fmt: skip
    found = ClassCounts(tp=round(10 * best), fp=0, fn=10 - round(10 * best), tn=10)
    counts = {f"{fold}-{n}": (found, found) for n in range(IMAGES)}
    scored = Scored(loss=0.5, counts=counts, predictions=np.zeros((IMAGES, 2, 2), np.uint8))
    return TrialOutcome(record=record, scored=scored if status == COMPLETED else None)


def run(folds: list[TrialOutcome], **changed: object) -> tuple[TrialOutcome, list[TrialSpec]]:
    seen: list[TrialSpec] = []

    def train(spec: TrialSpec, fold: int) -> TrialOutcome:
        assert len(seen) == fold
        seen.append(spec)
        return folds[fold]

    return on_folds(replace(spec(epochs=2), search_folds=3, **changed), train), seen


FOLDS = [of_fold(0, [0.2, 0.4]), of_fold(1, [0.6, 0.3]), of_fold(2, [0.1, 0.8])]


def test_a_trial_on_all_folds_is_their_mean():
    outcome, _ = run(FOLDS)
    record = outcome.record
    assert (record.status, record.error, record.folds_run, record.race) == (COMPLETED, None, 3, None)
    assert record.val_metrics["iou"] == pytest.approx((0.4 + 0.6 + 0.8) / 3)
    assert [epoch.val_iou for epoch in record.curve] == pytest.approx([0.9 / 3, 1.5 / 3])
    assert [epoch.val_loss for epoch in record.curve] == [None, None]
    assert (record.best_epoch, record.epochs_run, record.epochs_planned) == (2, 6, 6)
    assert len(record.out_of_fold) == 3 * IMAGES
    assert (record.build_s, record.first_step_s, record.reset_s) == (5.0, 20.0, 3.0)
    assert (record.train_s, record.evaluate_s, record.input_wait_s) == (3 * 8.0 + 2 * 2.0, 12.0, 1.5)
    assert (record.wall_s, record.started_at, record.graph_reused) == (30.0 + 60.0, "fold 0", False)
    assert outcome.scored is None, "no weights are kept, which would be those of one fold"


def test_a_clock_learns_what_an_epoch_costs_and_what_only_the_first_fold_does():
    clock = CostModel([run(FOLDS)[0].record])
    assert clock.estimate_s(spec().hyperparameters, 6, warm=True) == pytest.approx(MARGIN * 60)
    assert clock.estimate_s(spec().hyperparameters, 6, warm=False) == pytest.approx(MARGIN * 90)


def test_who_is_clearly_behind_after_a_fold_gets_no_more():
    outcome, seen = run(FOLDS, incumbent=UNBEATEN)
    record = outcome.record
    assert (record.status, record.folds_run, len(seen)) == (PRUNED, 1, 1)
    assert (record.race.rival, record.race.images) == ("0007", IMAGES)
    assert record.error == f"behind trial 0007 after 1 of 3 folds (p = {record.race.p:.2g} on 10 images)"
    assert (record.val_metrics["iou"], record.epochs_run, record.epochs_planned) == (0.4, 2, 6)


def test_who_falls_behind_on_the_last_fold_is_complete_and_its_race_is_on_record():
    """Level with the incumbent on two folds, behind on the ten images of the third."""
    incumbent = replace(
        UNBEATEN, image_iou={f"{f}-{n}": iou for f, iou in enumerate((0.4, 0.6, 0.9)) for n in range(IMAGES)}
    )
    record = run(FOLDS, incumbent=incumbent)[0].record
    assert (record.status, record.folds_run, record.race.images) == (COMPLETED, 3, IMAGES)
    assert record.race.p < 0.05


@pytest.mark.parametrize("status", [COLLAPSED, STOPPED])
def test_what_does_not_get_through_a_fold_ends_there(status):
    broken = of_fold(1, [0.1], status=status, error="the reason")
    record = run([FOLDS[0], broken])[0].record
    assert (record.status, record.error, record.folds_run) == (status, "the reason, in fold 2 of 3", 2)
    assert record.val_metrics["iou"] == pytest.approx((0.4 + 0.1) / 2)
    assert (record.curve, record.best_epoch, record.epochs_run) == (FOLDS[0].record.curve, 2, 3)
    assert len(record.out_of_fold) == IMAGES


def test_each_fold_has_the_time_that_is_left():
    _, seen = run(FOLDS, time_limit_s=200.0)
    assert [spec.time_limit_s for spec in seen] == [200.0, 150.0, 130.0]
