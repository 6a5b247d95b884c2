"""The best trials of the search and their configurations, with the baselines under them."""

from collections.abc import Iterator, Mapping

from bench import formats
from bench.analysis import fold_search
from bench.analysis.failures import why_unfinished
from bench.analysis.labels import configuration_label
from bench.analysis.leaderboard import Reference, Row
from bench.analysis.run_analysis import Analysis
from bench.formats import plural
from bench.records import Candidate, configuration_of
from bench.report import cells
from bench.report.blocks import Block, Column, Data, Heading, Interval, Table, paragraph

TOP = 15
"""So many of the ranked trials stand in the table; the file has all."""


def best_trials(found: Analysis) -> Iterator[Block]:
    if not found.ranked:
        yield paragraph("No trial has a validation IoU.")
    else:
        yield Heading("Best trials", level=4)
        ranked = len(found.ranked)
        many = f"The best {TOP} of {ranked} ranked trials" if ranked > TOP else f"All {plural(ranked, 'ranked trial')}"
        yield paragraph(f"{many}, by validation IoU. {_promoted(found)}{_on_folds(found)}".strip())
        yield trial_table(found)
        yield _configurations(found)
    yield Data("trials.csv", trial_records(found.rows), ("rank", "study_id", "trial_id", "status"), "Every trial")


def _promoted(found: Analysis) -> str:
    if not any(row.was_promoted for row in found.rows):
        return ""
    return (
        "A promoted configuration is ranked once, by its best trial; epochs and times include the trials that led "
        "to it. "
    )


def _on_folds(found: Analysis) -> str:
    folds = fold_search.searched_folds(found.run)
    if not folds:
        return ""
    return (
        f"Validation is the mean over {len(folds)} of the {len(found.run.split.folds)} folds, also in curves; epochs "
        f"and costs are those of all folds "
        "together. Clearly worse configurations are pruned early and not ranked."
    )


def trial_table(found: Analysis) -> Table:
    """The best trials with the baselines under them."""
    columns = (
        Column("#", "rank", number=True),
        Column("Model", "model"),
        Column("Validation IoU", "drawn"),
        Column("IoU", "iou", cells.rounded, number=True, wide=True),
        Column("Held-out test set", "test", number=True, wide=True),
        Column("Precision", "precision", cells.rounded, number=True, wide=True),
        Column("Recall", "recall", cells.rounded, number=True, wide=True),
        Column("Parameters", "num_params", cells.millions, number=True, wide=True),
        Column("Training", "train_s", cells.duration, number=True, wide=True),
    )
    records = [*map(_trial, found.ranked[:TOP]), *map(_baseline, found.baselines)]
    return Table("Best trials of the search", columns, records)


def _trial(row: Row) -> dict[str, object]:
    return {
        "rank": row.rank,
        "model": label(row),
        "drawn": Interval(row.iou, text=cells.rounded(row.iou)),
        "iou": row.iou,
        "test": _test(row),
        "precision": row.trial.val_metrics.get("precision"),
        "recall": row.trial.val_metrics.get("recall"),
        "num_params": row.trial.num_params,
        "train_s": row.training.train_s,
    }


def _baseline(each: Reference) -> dict[str, object]:
    val, test = (each.metrics.get(split, {}) for split in ("val", "test"))
    return {
        "model": each.label,
        "drawn": Interval(val.get("iou"), text=cells.rounded(val.get("iou"))),
        "iou": val.get("iou"),
        "test": formats.rounded(test.get("iou")),
        "precision": val.get("precision"),
        "recall": val.get("recall"),
        "group": "baseline",
    }


def label(row: Row) -> str:
    return configuration_label(Candidate(name=row.name, roles=(), hyperparameters=row.trial.hyperparameters))


def _test(row: Row) -> str:
    value = (row.test or {}).get("iou")
    limits = row.test_interval
    return formats.rounded(value) if value is None or limits is None else formats.within(value, limits.low, limits.high)


def _configurations(found: Analysis) -> Table:
    names = {
        "encoder_weights": "Weights",
        "augmentation": "Augmentation",
        "batch_size": "Batch",
        "optimizer": "Optimizer",
        "learning_rate": "Learning rate",
        "schedule": "Schedule",
    }
    columns = (
        Column("#", "rank", number=True),
        Column("Trial", "trial"),
        *(Column(title, name) for name, title in names.items()),
        Column("Epochs", "epochs", number=True),
    )
    records = [
        {"rank": row.rank, "trial": row.name, "epochs": _epochs(row)}
        | {name: formats.plain(row.trial.hyperparameters.get(name)).rsplit("/", 1)[-1] for name in names}
        for row in found.ranked[:TOP]
    ]
    return Table("Configurations of the best trials", columns, records)


def _epochs(row: Row) -> str:
    return f"{row.training.epochs}/{row.trial.epochs_planned}" if row.trial.epochs_planned else str(row.training.epochs)


def trial_records(rows: tuple[Row, ...]) -> list[Mapping[str, object]]:
    """Every trial, flat: hyperparameters by their name, metrics as val_... and test_..., times in seconds."""
    return [
        {
            "rank": row.rank,
            "study_id": row.trial.study_id,
            "trial_id": row.trial.trial_id,
            "tuner": row.tuner,
            "seed": row.trial.seed,
            "status": row.trial.status,
            **configuration_of(row.trial.hyperparameters),
            **{f"val_{name}": value for name, value in row.trial.val_metrics.items()},
            **{f"test_{name}": value for name, value in (row.test or {}).items()},
            "test_iou_low": row.test_interval.low if row.test_interval else None,
            "test_iou_high": row.test_interval.high if row.test_interval else None,
            **{name: getattr(row.trial, name) for name in _TRIAL_FACTS},
            **fold_search.facts(row.trial),
            "reason": why_unfinished(row) or None,
        }
        for row in rows
    ]


_TRIAL_FACTS = (
    "epochs_planned",
    "epochs_run",
    "best_epoch",
    "num_params",
    "build_s",
    "first_step_s",
    "train_s",
    "evaluate_s",
    "wall_s",
    "latency_s",
    "peak_memory_bytes",
    "started_at",
)


def reference_records(found: Analysis) -> list[Mapping[str, object]]:
    return [
        {"reference": each.name, "split": split, **metrics}
        for each in found.baselines
        for split, metrics in each.metrics.items()
    ]
