"""The answer in one line, and what tempers it: references, chance, optimism. Words follow from numbers alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.fold_search import fold_interval, searched_folds
from bench.analysis.leaderboard import (
    JUDGE,
    REFERENCES,
    Row,
    counted,
    difference_interval,
    evaluation_of,
    ranked,
    reference_evaluation,
    references,
    score_interval,
)
from bench.evaluation.collapse import collapse_of_trial
from bench.evaluation.statistics import Interval
from bench.formats import fraction, listing, percent, plural, signed, signed_span, span
from bench.records import Evaluation, Run

SPLITS = {"val": "validation", "test": "the locked test set"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the page says first. `judged_on` is the split on which the best trial meets the references: "test" where it was
    scored there, else "val". `margin` is its IoU minus the mean training mask's on that split."""

    counts: Mapping[str, int]
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


def judge(run: Run, rows: Sequence[Row]) -> Verdict:
    best = next(iter(ranked(rows)), None)
    split = "val" if _iou(best, "test") is None else "test"
    scored = {reference.name: reference.metrics.get(split, {}) for reference in references(run)}
    reference_iou = {name: value for name, metrics in scored.items() if (value := metrics.get("iou")) is not None}
    own = _iou(best, split)
    val = evaluation_of(run, best.trial, "val") if best else None
    by_tuner: dict[str, float] = {}
    for row in ranked(rows):
        by_tuner.setdefault(row.tuner, row.iou or 0.0)
    return Verdict(
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


def headline(verdict: Verdict) -> str:
    """One line of plain text: what was best, what it scored, and whether that is worth anything."""
    if verdict.best is None:
        return _no_model(verdict)
    hyperparameters = verdict.best.trial.hyperparameters
    loss = f", {hyperparameters['loss']} loss" if "loss" in hyperparameters else ""
    line = f"Best on validation: {verdict.best.model}{loss}: IoU {fraction(verdict.best.iou)} on validation"
    if verdict.test_iou is not None:
        line += f", {fraction(verdict.test_iou)} on the locked test set"
    return f"{line}. {_against_mean_mask(verdict)}"


def qualifications(verdict: Verdict) -> list[str]:
    """Sentences that stand under the headline."""
    if verdict.best is None:
        return []
    return [
        line
        for line in (
            _against_references(verdict),
            _found_by(verdict),
            _uncertainty(verdict),
            _optimism(verdict),
            _collapse(verdict),
        )
        if line
    ]


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


def _no_model(verdict: Verdict) -> str:
    total = sum(verdict.counts.values())
    if total == 0:
        return "No trial has ended: there is nothing to rank."
    if verdict.counts["failed"] == total:
        return (
            f"All {plural(total, 'trial')} failed: there is no model to rank."
            if total > 1
            else ("The only trial failed: there is no model to rank.")
        )
    if verdict.counts["completed"] == 0:
        return f"None of {plural(total, 'trial')} was completed: there is no model to rank."
    return f"{plural(verdict.counts['completed'], 'trial')} completed, none with a validation IoU: there is no model to rank."


def _against_mean_mask(verdict: Verdict) -> str:
    where = "on test" if verdict.judged_on == "test" else "on validation"
    if verdict.margin is None:
        return "The mean training mask was not scored, so nothing says whether this is good."
    mask = f"the mean training mask ({fraction(verdict.reference_iou[JUDGE])})"
    if verdict.margin <= 0:
        return f"It does NOT beat {mask} {where}, which looks at no image."
    if verdict.margin_interval is None:
        return f"It is ahead of {mask} {where}; no interval says how far that is chance."
    if verdict.margin_interval.low <= 0:
        return f"It is ahead of {mask} {where}, but within what chance in the images explains."
    return f"It is ahead of {mask} {where}, by more than chance in the images explains."


def _against_references(verdict: Verdict) -> str:
    if not verdict.reference_iou:
        return "No reference was scored."
    scores = [f"{REFERENCES.get(name, name)} {fraction(value)}" for name, value in verdict.reference_iou.items()]
    line = f"IoU of the references on {SPLITS[verdict.judged_on]}: {listing(scores)}"
    if verdict.background_accuracy is not None:
        line += f"; predicting nothing is right in {percent(verdict.background_accuracy)} of the pixels, so pixel accuracy says little"
    if verdict.margin is not None:
        line += f". Margin over the mean mask: {signed(verdict.margin)}"
        if verdict.margin_interval:
            line += f" (95% interval {signed_span(verdict.margin_interval.low, verdict.margin_interval.high)}, paired over images)"
    return f"{line}."


def _found_by(verdict: Verdict) -> str:
    best = verdict.best
    if best is None:
        return ""
    others = {tuner: value for tuner, value in verdict.best_by_tuner.items() if tuner != best.tuner}
    found = f"Found by {best.tuner} (trial {best.name})"
    if not others:
        return f"{found}."
    return f"{found}; the best of {listing([f'{tuner} is {fraction(value)}' for tuner, value in others.items()])} on validation."


def _uncertainty(verdict: Verdict) -> str:
    intervals = {"validation": verdict.val_interval, "test": verdict.best.test_interval if verdict.best else None}
    known = [f"{span(value.low, value.high)} on {name}" for name, value in intervals.items() if value]
    seeds = "one training seed" if verdict.num_seeds <= 1 else "one training seed a trial"
    folds = (verdict.best.trial.folds_run if verdict.best else None) or 0
    where = f"{folds} folds" if folds else "one hold-out split"
    caveat = f"It is {where} and {seeds}: training again moves the score too, and that is not in the interval"
    if not known:
        return f"No interval: the run kept no counts per image for the best trial. {caveat}."
    return f"95% interval of its IoU, had other images been drawn: {listing(known)}. {caveat}."


def _optimism(verdict: Verdict) -> str:
    if verdict.optimism is None:
        return "The best trial was not scored on the test set: its validation IoU chose it and is therefore optimistic."
    trials = sum(verdict.counts[ended] for ended in ("completed", "collapsed", "pruned"))
    return (
        f"Selection optimism: validation minus test is {signed(verdict.optimism)}; "
        f"the validation score is the highest of {plural(trials, 'scored trial')}, the test score was not used to choose."
    )


def _collapse(verdict: Verdict) -> str:
    if verdict.best is None or not verdict.best.collapsed:
        return ""
    return f"Even the best trial has collapsed: it {collapse_of_trial(verdict.best.trial)}."
