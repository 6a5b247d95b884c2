"""What a search found: its best trial beside the baselines, and how far chance explains the lead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.fold_search import fold_interval, searched_folds
from bench.analysis.leaderboard import (
    JUDGE,
    Row,
    counted,
    difference_interval,
    evaluation_of,
    ranked,
    reference_evaluation,
    references,
    score_interval,
)
from bench.evaluation.statistics import Interval
from bench.records import Evaluation, Run, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """`judged_on` is the split on which the best trial meets the baselines: "test" where it was
    scored there, else "val". `margin` is its IoU minus the mean training mask's on that split."""

    counts: Mapping[Status, int]
    best: Row | None
    val_interval: Interval | None
    judged_on: str
    reference_iou: Mapping[str, float]
    background_accuracy: float | None
    margin: float | None
    margin_interval: Interval | None
    best_by_tuner: Mapping[str, float]
    num_seeds: int

    @property
    def test_iou(self) -> float | None:
        return _iou(self.best, "test")

    @property
    def optimism(self) -> float | None:
        """Validation IoU minus test IoU of the best trial: what choosing by validation flatters."""
        if self.best is None or self.best.iou is None or self.test_iou is None:
            return None
        return self.best.iou - self.test_iou


def judge(run: Run, rows: Sequence[Row]) -> SearchResult:
    best = next(iter(ranked(rows)), None)
    split = "val" if _iou(best, "test") is None else "test"
    scored = {reference.name: reference.metrics.get(split, {}) for reference in references(run)}
    reference_iou = {name: value for name, metrics in scored.items() if (value := metrics.get("iou")) is not None}
    own = _iou(best, split)
    val = evaluation_of(run, best.trial, "val") if best else None
    by_tuner: dict[str, float] = {}
    for row in ranked(rows):
        by_tuner.setdefault(row.tuner, row.iou or 0.0)
    return SearchResult(
        counts=counted(rows),
        best=best,
        val_interval=_val_interval(run, val) if val else None,
        judged_on=split,
        reference_iou=reference_iou,
        background_accuracy=scored.get("predict_nothing", {}).get("pixel_accuracy"),
        margin=own - reference_iou[JUDGE] if own is not None and JUDGE in reference_iou else None,
        margin_interval=_margin_interval(run, best, split),
        best_by_tuner=by_tuner,
        num_seeds=len({study.seed for study in run.record.studies}),
    )


def _iou(row: Row | None, split: str) -> float | None:
    if row is None:
        return None
    return row.iou if split == "val" else (row.test or {}).get("iou")


def _margin_interval(run: Run, best: Row | None, split: str) -> Interval | None:
    own = evaluation_of(run, best.trial, split) if best else None
    reference = reference_evaluation(run, JUDGE, split)
    if own is None or reference is None:
        return None
    folds = searched_folds(run) if split == "val" else ()
    return fold_interval(own.counts, folds, reference.counts) if folds else difference_interval(own, reference)


def _val_interval(run: Run, own: Evaluation) -> Interval | None:
    folds = searched_folds(run)
    return fold_interval(own.counts, folds) if folds else score_interval(own)
