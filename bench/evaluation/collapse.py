"""When a segmentation has collapsed to one answer: the one definition, for the search and for the report."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.evaluation.metrics import precision, recall
from bench.records import COLLAPSED, COMPLETED, ClassCounts, EpochRecord, TrialRecord

LOWEST_RECALL = 0.01
"""Who finds less than this share of the foreground predicts, in effect, nothing."""

HIGHEST_SHARE = 0.95
"""Who calls more than this share of the pixels foreground, of which less than this share is, predicts it everywhere."""

NOTHING, EVERYWHERE = "finds nearly no foreground", "finds foreground nearly everywhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreground:
    """Any foreground class against background, fractions 0-1; None where it is undefined or was not recorded.
    `predicted_share` is the part of the pixels that is predicted as foreground."""

    recall: float | None
    precision: float | None
    predicted_share: float | None


def foreground(per_class: Sequence[ClassCounts]) -> Foreground:
    """From the pooled counts of a split; `per_class` has one entry per class id, background first."""
    background = per_class[0]
    either = ClassCounts(tp=background.tn, fp=background.fn, fn=background.fp, tn=background.tp)
    pixels = either.tp + either.fp + either.fn + either.tn
    return Foreground(
        recall=recall(either),
        precision=precision(either),
        predicted_share=(either.tp + either.fp) / pixels if pixels else None,
    )


def collapse(found: Foreground) -> str | None:
    """How a segmentation has collapsed, in words; None if it has not."""
    if found.recall is not None and found.recall < LOWEST_RECALL:
        return NOTHING
    if found.predicted_share is None or found.precision is None:
        return None
    return EVERYWHERE if found.predicted_share > HIGHEST_SHARE and found.precision < HIGHEST_SHARE else None


def collapse_of_epoch(epoch: EpochRecord) -> str | None:
    """The same of a recorded epoch; None for one that was not validated, or is older than these facts."""
    return collapse(
        Foreground(recall=epoch.val_recall, precision=epoch.val_precision, predicted_share=epoch.val_predicted_share)
    )


def collapse_of_trial(trial: TrialRecord) -> str | None:
    """How a trial has collapsed: one that was stopped for it, or one that completed and has collapsed in its last epoch
    (by its metrics alone where the epoch does not say). None for all others."""
    if trial.status == COLLAPSED:
        return collapse_of_epoch(trial.curve[-1]) if trial.curve else None
    if trial.status != COMPLETED:
        return None
    best = next((epoch for epoch in trial.curve if epoch.epoch == trial.best_epoch), None)
    if best is not None and best.val_recall is not None:
        return collapse_of_epoch(best)
    return collapse(Foreground(recall=trial.val_metrics.get("recall"), precision=None, predicted_share=None))


def has_collapsed(curve: Sequence[EpochRecord], epochs: int) -> bool:
    """Whether a curve has at least so many epochs (0: never) and each of them has collapsed, either way: one that ever
    found something goes on."""
    return 0 < epochs <= len(curve) and all(collapse_of_epoch(epoch) for epoch in curve)
