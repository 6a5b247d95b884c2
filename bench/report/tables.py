"""Rows to the tables of the page, each in two forms: cells rounded for people, and a CSV at full precision."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import formats
from bench.analysis import fold_search as race
from bench.analysis.effects import Effect
from bench.analysis.factors import FACTORS, Level
from bench.analysis.importance import Importances
from bench.analysis.leaderboard import Metrics, Reference, Row, ranked
from bench.evaluation.collapse import collapse_of_trial
from bench.formats import fraction
from bench.records import COLLAPSED, COMPLETED, FAILED, PRUNED, STOPPED, Run, configuration_of
from bench.report import markdown

TOP = 15
_METRICS = {
    "iou": "val IoU",
    "dice": "Dice",
    "precision": "Precision",
    "recall": "Recall",
    "pixel_accuracy": "Accuracy",
}
_REASON_LENGTH = 100


def quality(rows: Sequence[Row], compared: Sequence[Reference]) -> str:
    """The best trials by validation IoU with the references under them."""
    head = ["#", "Model", "Loss", *_METRICS.values(), "test IoU"]
    cells = [
        [row.rank, row.model, _value(row, "loss"), *_metrics(row.trial.val_metrics), fraction(_iou(row.test))]
        for row in ranked(rows)[:TOP]
    ]
    for reference in compared:
        val, test = (reference.metrics.get(split, {}) for split in ("val", "test"))
        cells.append([formats.MISSING, reference.label, "reference", *_metrics(val), fraction(_iou(test))])
    return markdown.table(head, cells, right=[0, *range(3, len(head))])


def locked_test_quality(scored: Sequence[Row], compared: Sequence[Reference]) -> str:
    """The trials that were scored on the test set, with the references."""
    head = ["#", "Model", "test IoU", "95 % interval", "val - test", *list(_METRICS.values())[1:]]
    cells: list[list[object]] = [
        [row.rank, row.model, fraction(_iou(row.test)), formats.span(row.test_interval.low, row.test_interval.high) if row.test_interval else formats.MISSING,
         _optimism(row), *_metrics(row.test or {})[1:]]
        for row in scored
    ]  # fmt: skip
    for reference in compared:
        test = reference.metrics.get("test", {})
        dashes = [formats.MISSING] * 2
        cells.append([formats.MISSING, reference.label, fraction(_iou(test)), *dashes, *_metrics(test)[1:]])
    return markdown.table(head, cells, right=[0, 2, *range(4, len(head))])


def class_quality(rows: Sequence[Row], compared: Sequence[Reference], classes: Sequence[str]) -> str:
    """Validation IoU by class, for several of them."""
    head = ["#", "Model", *map(markdown.text, classes)]
    entries: list[tuple[object, str, Metrics]] = [
        (row.rank, row.model, row.trial.val_metrics) for row in ranked(rows)[:TOP]
    ]
    entries += [(formats.MISSING, reference.label, reference.metrics.get("val", {})) for reference in compared]
    cells = [
        [rank, model, *(fraction(metrics.get(f"iou_{name}")) for name in classes)] for rank, model, metrics in entries
    ]
    return markdown.table(head, cells, right=[0, *range(2, len(head))])


def configurations(rows: Sequence[Row]) -> str:
    """How the best trials were configured."""
    head = ["#", "Trial", "Weights", "Augment.", "Size", "Batch", "Optimizer", "Learning rate", "Epochs"]
    names = ("encoder_weights", "augmentation", "image_size", "batch_size", "optimizer", "learning_rate")
    cells = [[row.rank, row.name, *(_value(row, name) for name in names), _epochs(row)] for row in ranked(rows)[:TOP]]
    return markdown.table(head, cells, right=[0, 3, 4, 5, 7, 8])


def costs(rows: Sequence[Row]) -> str:
    """What the best trials cost."""
    head = ["#", "Model", "Parameters", "Training", "Whole trial", "Latency / image", "Peak memory"]
    cells = [
        [row.rank, row.model, formats.millions(row.trial.num_params), formats.duration(row.training.train_s),
         formats.duration(row.training.wall_s), formats.milliseconds(row.trial.latency_s),
         formats.gibibytes(row.trial.peak_memory_bytes)]
        for row in ranked(rows)[:TOP]
    ]  # fmt: skip
    return markdown.table(head, cells, right=[0, *range(2, len(head))])


def comparison(factor: str, levels: Sequence[Level], effects: Sequence[Effect]) -> str:
    """Levels of one factor; where effects are known they take the place of the medians, in which all factors are mixed."""
    known = {effect.label: effect for effect in effects}
    middle = ["Effect", "95 % interval"] if known else ["Median"]
    raced = any(level.pruned for level in levels)
    head = [FACTORS[factor].title, "Best", *middle, "Completed", "Collapsed", *["Pruned"] * raced, "Stopped", "Failed"]
    cells = [
        [level.label, fraction(level.best), *(_effect(known.get(level.label)) if known else [fraction(level.median)]),
         level.completed, level.collapsed, *[level.pruned] * raced, level.stopped, level.failed]
        for level in levels
    ]  # fmt: skip
    return markdown.table(head, cells, right=range(1, len(head)))


def _effect(effect: Effect | None) -> list[str]:
    if effect is None:
        return [formats.MISSING] * 2
    return [formats.signed(effect.value), f"{formats.signed(effect.low)} to {formats.signed(effect.high)}"]


def importance(found: Importances) -> str:
    head = ["Hyperparameter", "Share", "Resampled", "Shuffled scores"]
    cells = [
        [one.title, formats.percent(one.share), f"{formats.percent(one.low)} to {formats.percent(one.high)}",
         f"up to {formats.percent(one.chance)}"]
        for one in found.factors
    ]  # fmt: skip
    return markdown.table(head, cells, right=range(1, len(head)))


def unfinished(rows: Sequence[Row]) -> str:
    """Trials that failed, were stopped or pruned, have no score or collapsed, with the reason cut to a line."""
    cells = [[row.name, row.trial.status, configuration(row), _cut(why_unfinished(row))] for row in rows]
    return markdown.table(["Trial", "Status", "Configuration", "Reason"], cells)


def why_unfinished(row: Row) -> str:
    """The whole reason on one line; '' for a trial that completed with a score and found foreground."""
    trial = row.trial
    if trial.status == STOPPED:
        reached = "" if row.iou is None else f" at validation IoU {fraction(row.iou)}"
        by = (
            error_line(trial.error)
            if trial.error
            else f"{row.tuner} after {trial.epochs_run} of {formats.plural(trial.epochs_planned, 'epoch')}"
        )
        return f"stopped by {by}{reached}"
    if trial.status == COLLAPSED:
        reached = "" if row.iou is None else f"; best validation IoU {fraction(row.iou)}"
        return f"stopped as collapsed: {error_line(trial.error)}{reached}"
    if trial.status == PRUNED:
        return f"{error_line(trial.error)}; validation IoU {fraction(row.iou)}"
    if trial.status != COMPLETED:
        return error_line(trial.error)
    if row.iou is None:
        return "completed without a validation IoU"
    if row.collapsed:
        return f"collapsed: {collapse_of_trial(trial)} in its best epoch"
    return ""


def repeated_errors(rows: Sequence[Row]) -> list[tuple[str, int]]:
    """Errors that several trials failed with, cut to a line, most frequent first."""
    failed = Counter(_cut(error_line(row.trial.error)) for row in rows if row.trial.status == FAILED)
    return [(error, count) for error, count in failed.most_common() if count > 1]


def error_line(error: str | None) -> str:
    """What an error says: the last line of a traceback, else all of it on one line."""
    lines = [line.strip() for line in (error or "").splitlines() if line.strip()]
    if not lines:
        return "no reason was recorded"
    return lines[-1] if lines[0].startswith("Traceback") else " ".join(lines)


def configuration(row: Row) -> str:
    """A trial in a few words: 'unet / resnet18, bce_dice, 192 px, lr 3.2e-4'."""
    size = row.trial.hyperparameters.get("image_size")
    rate = row.trial.hyperparameters.get("learning_rate")
    parts = [row.model, _value(row, "loss"), size and f"{size} px", rate and f"lr {formats.plain(rate)}"]
    return ", ".join(str(part) for part in parts if part and part != formats.MISSING) or formats.MISSING


def write_csv(path: Path, records: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """One record a line at full precision; a missing value is an empty field, whole numbers stay whole."""
    import pandas as pd

    names = dict.fromkeys((*columns, *(name for record in records for name in record)))
    pd.DataFrame(list(records), columns=list(names), dtype=object).to_csv(path, index=False, lineterminator="\n")


def trial_records(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Every trial, flat: hyperparameters by their name, metrics as val_... and test_..., times in seconds."""
    return [
        {
            "rank": row.rank, "study_id": row.trial.study_id, "trial_id": row.trial.trial_id, "tuner": row.tuner,
            "seed": row.trial.seed, "status": row.trial.status, **configuration_of(row.trial.hyperparameters),
            **{f"val_{name}": value for name, value in row.trial.val_metrics.items()},
            **{f"test_{name}": value for name, value in (row.test or {}).items()},
            "test_iou_low": row.test_interval.low if row.test_interval else None,
            "test_iou_high": row.test_interval.high if row.test_interval else None,
            **{name: getattr(row.trial, name) for name in _TRIAL_FACTS},
            **race.facts(row.trial),
            "reason": why_unfinished(row) or None,
        }
        for row in rows
    ]  # fmt: skip


_TRIAL_FACTS = (
    "epochs_planned", "epochs_run", "best_epoch", "num_params", "build_s", "first_step_s", "train_s", "evaluate_s", "wall_s",
    "latency_s", "peak_memory_bytes", "started_at",
)  # fmt: skip


def reference_records(compared: Sequence[Reference]) -> list[dict[str, object]]:
    return [
        {"reference": reference.name, "split": split, **metrics}
        for reference in compared
        for split, metrics in reference.metrics.items()
    ]


def comparison_records(levels: Sequence[Level], effects: Sequence[Effect]) -> list[dict[str, object]]:
    names = ("label", "best", "median", "completed", "collapsed", "pruned", "stopped", "failed")
    known = {
        one.label: {"effect": one.value, "effect_low": one.low, "effect_high": one.high, "effect_trials": one.trials}
        for one in effects
    }
    return [{name: getattr(level, name) for name in names} | known.get(level.label, {}) for level in levels]


def image_records(run: Run) -> list[dict[str, object]]:
    """Every usable image with its part and the foreground share of each class."""
    parts = {"train": run.split.train, "val": run.split.val, "test": run.split.test, "excluded": run.split.excluded}
    part_of = {id: part for part, ids in parts.items() for id in ids}
    return [
        {"id": facts.id, "part": part_of.get(facts.id), "width": facts.width, "height": facts.height}
        | {f"share_{name}": share for name, share in zip(run.dataset.classes, facts.foreground_share, strict=True)}
        for facts in run.audit.images
    ]


def _metrics(metrics: Mapping[str, float | None]) -> list[str]:
    return [fraction(metrics.get(name)) for name in _METRICS]


def _iou(metrics: Metrics | None) -> float | None:
    return (metrics or {}).get("iou")


def _optimism(row: Row) -> str:
    test = _iou(row.test)
    return formats.MISSING if row.iou is None or test is None else formats.signed(row.iou - test)


def _value(row: Row, name: str) -> str:
    """For people: a path by its last part."""
    return formats.plain(row.trial.hyperparameters.get(name)).rsplit("/", 1)[-1]


def _epochs(row: Row) -> str:
    return f"{row.training.epochs}/{row.trial.epochs_planned}" if row.trial.epochs_planned else str(row.training.epochs)


def _cut(reason: str) -> str:
    return reason if len(reason) <= _REASON_LENGTH else f"{reason[: _REASON_LENGTH - 1]}…"
