"""A trial of a search on folds: trained on one after the other until it has had all, or something ends it early."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from bench.engine.spec import TrialOutcome, TrialSpec
from bench.evaluation.metrics import mean
from bench.evaluation.racing import image_ious, is_behind, mean_over_folds, race
from bench.records import COMPLETED, PRUNED, ClassCounts, EpochRecord, Race, Status, TrialRecord


def on_folds(spec: TrialSpec, train: Callable[[TrialSpec, int], TrialOutcome]) -> TrialOutcome:
    """One outcome from those of the folds 0, 1, ...; `train` gives that of one fold, within the time limit of the spec
    that it gets.

    A trial that collapses or runs out of time on a fold ends with that status. One that is clearly behind
    `spec.incumbent` after a fold gets no more: PRUNED. No weights or predictions are kept: they would be those of one
    fold.
    """
    done: list[TrialOutcome] = []
    last: Race | None = None
    while len(done) < spec.search_folds:
        done.append(train(_in_what_is_left(spec, done), len(done)))
        if done[-1].record.status != COMPLETED:
            break
        last = race(image_ious(_counts(done)), spec.incumbent) if spec.incumbent else None
        if is_behind(last):
            break
    return TrialOutcome(record=_together(spec, done, last))


def mean_curve(curves: Sequence[Sequence[EpochRecord]]) -> tuple[EpochRecord, ...]:
    """Epoch by epoch the mean over curves of equal length, of `elapsed_s` too."""
    return tuple(
        EpochRecord(
            epoch=epochs[0].epoch,
            train_loss=mean(each.train_loss for each in epochs),
            val_loss=mean(each.val_loss for each in epochs),
            val_iou=mean(each.val_iou for each in epochs),
            elapsed_s=sum(each.elapsed_s for each in epochs) / len(epochs),
            val_recall=mean(each.val_recall for each in epochs),
            val_precision=mean(each.val_precision for each in epochs),
            val_predicted_share=mean(each.val_predicted_share for each in epochs),
        )
        for epochs in zip(*curves, strict=True)
    )


def _in_what_is_left(spec: TrialSpec, done: Sequence[TrialOutcome]) -> TrialSpec:
    if spec.time_limit_s is None:
        return spec
    return replace(spec, time_limit_s=spec.time_limit_s - _sum(outcome.record.wall_s for outcome in done))


def _counts(done: Sequence[TrialOutcome]) -> dict[str, tuple[ClassCounts, ...]]:
    return {name: per_class for each in done if each.scored for name, per_class in each.scored.counts.items()}


def _together(spec: TrialSpec, done: Sequence[TrialOutcome], last: Race | None) -> TrialRecord:
    records = [outcome.record for outcome in done]
    first, *later = records
    whole = [record.curve for record in records if record.status == COMPLETED] or [first.curve]
    curve = mean_curve(whole)
    status, error = _end(spec, records, last)
    return replace(
        first,
        status=status,
        error=error,
        val_metrics=mean_over_folds([record.val_metrics for record in records]),
        curve=curve,
        best_epoch=curve[-1].epoch if curve else None,
        epochs_planned=spec.epochs_planned,
        epochs_run=sum(record.epochs_run for record in records),
        reset_s=_sum(record.reset_s for record in records),
        train_s=_sum(record.train_s for record in records) + _sum(record.first_step_s for record in later),
        evaluate_s=_sum(record.evaluate_s for record in records),
        input_wait_s=_sum(record.input_wait_s for record in records),
        wall_s=_sum(record.wall_s for record in records),
        folds_run=len(records),
        out_of_fold=_counts(done),
        race=last,
    )


def _end(spec: TrialSpec, records: Sequence[TrialRecord], last: Race | None) -> tuple[Status, str | None]:
    """Status and reason."""
    ran = f"{len(records)} of {spec.search_folds}"
    if records[-1].status != COMPLETED:
        return records[-1].status, f"{records[-1].error}, in fold {ran}"
    if last is None or len(records) == spec.search_folds:
        return COMPLETED, None
    return PRUNED, f"behind trial {last.rival} after {ran} folds (p = {last.p:.2g} on {last.images} images)"


def _sum(seconds: Iterable[float | None]) -> float:
    return sum(each for each in seconds if each is not None)
