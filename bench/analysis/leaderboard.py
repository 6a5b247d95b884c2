"""Records to rows: every trial with its rank, its tuner and, where it was scored on the test set, its test metrics."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench import formats
from bench.analysis.fold_search import fold_metrics, searched_folds
from bench.analysis.promotions import Training, trainings
from bench.evaluation.collapse import collapse_of_trial
from bench.evaluation.metrics import pool, summarise
from bench.evaluation.resampling import SEED, counts_array
from bench.evaluation.statistics import Interval, compare
from bench.records import (
    COLLAPSED,
    COMPLETED,
    OUT_OF_FOLD,
    Evaluation,
    Key,
    Run,
    Status,
    TrialRecord,
)

REFERENCES = {"predict_nothing": "predict nothing", "mean_mask": "mean training mask", "otsu": "Otsu threshold"}
"""The references by their stored name, in the order of every table."""

JUDGE = "mean_mask"
"""The reference to beat: it looks at no image, so a model below it has learned nothing about images."""

Metrics = Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One trial. `rank` is 1 for the best validation IoU among the completed trials, None for a trial without a
    place: of a configuration that its tuner promoted from rung to rung the best trial alone has one. `test` is None
    unless the trial was scored on the test set."""

    rank: int | None
    tuner: str
    trial: TrialRecord
    training: Training
    test: Metrics | None
    test_interval: Interval | None

    @property
    def iou(self) -> float | None:
        return self.trial.val_metrics.get("iou")

    @property
    def name(self) -> str:
        """The trial by its study: 'random-s1/0007'."""
        return f"{self.trial.study_id}/{self.trial.trial_id}"

    @property
    def model(self) -> str:
        """'U-Net / ResNet-18', or the architecture alone where it has no backbone."""
        parts = [self.trial.hyperparameters.get(name) for name in ("architecture", "backbone")]
        return " / ".join(formats.titled(part) for part in parts if part is not None) or formats.MISSING

    @property
    def was_promoted(self) -> bool:
        """Whether its configuration had been trained before, in a trial of a lower rung."""
        promotion = self.trial.promotion
        return promotion is not None and promotion.parent is not None

    @property
    def is_scored(self) -> bool:
        """Whether it completed with a score."""
        return _is_scored(self.trial)

    @property
    def ended_early(self) -> bool:
        """Whether it collapsed or was pruned in a race, with a score. Without these a poor choice would look as good
        as its best trials without these."""
        status = self.trial.status
        return status.has_score and status != COMPLETED and self.iou is not None

    @property
    def compares(self) -> bool:
        """Whether its score stands for its configuration, among the others."""
        return self.rank is not None or self.ended_early

    @property
    def collapsed(self) -> bool:
        """Whether it was stopped for it, or completed and predicts one answer in its best epoch."""
        return self.trial.status == COLLAPSED or collapse_of_trial(self.trial) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A predictor that needs no training; a split it was not scored on is missing from `metrics`."""

    name: str
    label: str
    metrics: Mapping[str, Metrics]


def leaderboard(run: Run) -> tuple[Row, ...]:
    """Every trial: ranked ones first, best first, then the others in the order they started."""
    tuners = {study.study_id: study.tuner for study in run.record.studies}
    tests = {(e.study_id, e.trial_id): e for e in run.evaluations if e.split == "test" and e.reference is None}
    trained = trainings(run.trials)
    by_score = sorted(filter(_is_scored, run.trials), key=lambda t: (-(t.val_metrics["iou"] or 0.0), *_order(t)))
    best_of: dict[Key, TrialRecord] = {}
    for trial in by_score:
        best_of.setdefault(trained[trial.key].beginning, trial)
    placed = {trial.key for trial in best_of.values()}
    others = sorted((trial for trial in run.trials if trial.key not in placed), key=_order)
    rows = []
    for position, trial in enumerate([*best_of.values(), *others], start=1):
        test = tests.get(trial.key)
        rows.append(
            Row(
                rank=position if position <= len(best_of) else None,
                tuner=tuners.get(trial.study_id, trial.study_id),
                trial=trial,
                training=trained[trial.key],
                test=metrics_of(run, test) if test else None,
                test_interval=score_interval(test) if test else None,
            )
        )
    return tuple(rows)


def references(run: Run) -> tuple[Reference, ...]:
    """The references that this run scored: those of REFERENCES in order, then any other by name."""
    by_name: dict[str, dict[str, Metrics]] = {}
    for evaluation in _reference_evaluations(run):
        if evaluation.reference is not None:
            by_name.setdefault(evaluation.reference, {})[evaluation.split] = metrics_of(run, evaluation)
    known = list(REFERENCES)
    names = sorted(by_name, key=lambda name: (known.index(name) if name in known else len(known), name))
    return tuple(Reference(name=name, label=REFERENCES.get(name, name), metrics=by_name[name]) for name in names)


def evaluation_of(run: Run, trial: TrialRecord, split: str) -> Evaluation | None:
    """What the trial scored on a split; the last one stored where there are several."""
    if split == "val" and trial.out_of_fold:
        return Evaluation(
            study_id=trial.study_id, trial_id=trial.trial_id, split=split, seed=trial.seed, counts=trial.out_of_fold
        )
    key = (trial.study_id, trial.trial_id, split)
    return _last(e for e in run.evaluations if (e.study_id, e.trial_id, e.split) == key and e.reference is None)


def reference_evaluation(run: Run, name: str, split: str) -> Evaluation | None:
    return _last(e for e in _reference_evaluations(run) if (e.reference, e.split) == (name, split))


def score_interval(evaluation: Evaluation) -> Interval | None:
    """Of the IoU of this trained model, had other images been drawn. None with fewer than two images or nothing to
    find."""
    try:
        return compare(counts_array([[evaluation]]), np.random.default_rng(SEED)).intervals[0]
    except ValueError:
        return None


def difference_interval(first: Evaluation, second: Evaluation) -> Interval | None:
    """Of IoU(first) - IoU(second), paired on images. None where they were not scored on the same images, or one of
    them has no interval."""
    try:
        return compare(counts_array([[first], [second]]), np.random.default_rng(SEED)).differences[0].interval
    except ValueError:
        return None


def metrics_of(run: Run, evaluation: Evaluation) -> Metrics:
    """Every metric of an evaluation, from its counts pooled over images; the mean over the folds of a search on
    folds."""
    folds = searched_folds(run) if evaluation.split == "val" else ()
    if folds:
        return fold_metrics(evaluation.counts, folds, run.dataset.classes)
    per_class = pool(evaluation.counts.values())
    return summarise(per_class, run.dataset.classes) if per_class else {}


def ranked(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(row for row in rows if row.rank is not None)


def counted(rows: Sequence[Row]) -> dict[Status, int]:
    """How many trials ended in which way, each in one: those that collapsed, stopped for it or not, are not among the
    completed."""
    found = Counter(COLLAPSED if row.collapsed else row.trial.status for row in rows)
    return {status: found[status] for status in Status}


def _reference_evaluations(run: Run) -> list[Evaluation]:
    """In a search on folds references are compared on its images too, each scored by what the other folds made."""
    scored = [evaluation for evaluation in run.evaluations if evaluation.reference is not None]
    images = {name for fold in searched_folds(run) for name in fold}
    if not images:
        return scored
    on_folds = [
        replace(each, split="val", counts={name: own for name, own in each.counts.items() if name in images})
        for each in scored
        if each.split == OUT_OF_FOLD
    ]
    return [*(each for each in scored if each.split != "val"), *on_folds]


def _is_scored(trial: TrialRecord) -> bool:
    return trial.status == COMPLETED and trial.val_metrics.get("iou") is not None


def _order(trial: TrialRecord) -> tuple[str, str, str]:
    return trial.started_at, trial.study_id, trial.trial_id


def _last(evaluations: Iterable[Evaluation]) -> Evaluation | None:
    return next(reversed(list(evaluations)), None)
