"""The search: its best trials, how it went, which hyperparameters matter, tuners and rungs."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from statistics import median

from bench import formats
from bench.analysis import fold_search
from bench.analysis.failures import why_unfinished
from bench.analysis.importance import RESAMPLES, Importances
from bench.analysis.labels import configuration_label
from bench.analysis.leaderboard import Row
from bench.analysis.run_analysis import Analysis
from bench.analysis.series import LearningCurves, Missing, Progress
from bench.analysis.tuners import Tuners
from bench.formats import MISSING, duration, fraction, plural
from bench.records import COMPLETED, Candidate, configuration_of
from bench.report.blocks import Block, Column, Data, Figure, Folded, Grid, Heading, Interval, Table, paragraph
from bench.report.figures.progress import draw_progress_by_epochs, draw_progress_by_time
from bench.report.figures.training_curves import draw_learning_curves
from bench.report.figures.tuners import draw_tuners

TOP = 15
"""So many of the ranked trials stand in the table; the file has all."""

A_FALL = 0.02
"""IoU; curves that end less than this below their best say nothing about how the best epoch was chosen."""


def search(found: Analysis) -> Iterator[Block]:
    if not found.rows:
        return
    blocks = (*_trials(found), *_progress(found), *_importance(found), *_tuners(found), *_rungs(found))
    yield Folded("The search", _finding(found), blocks, "search")


def _finding(found: Analysis) -> str:
    counts = found.counts
    parts = [f"{count} {status.word}" for status, count in counts.items() if count or status == COMPLETED]
    best = (
        f"; best validation IoU {formats.rounded(found.ranked[0].iou)}, {found.ranked[0].model}" if found.ranked else ""
    )
    return f"{plural(len(found.rows), 'trial')}: {', '.join(parts)}{best}."


def _trials(found: Analysis) -> Iterator[Block]:
    yield Heading("Best trials", level=4)
    if not found.ranked:
        yield paragraph("No trial has a validation IoU.")
    else:
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
        Column("IoU", "iou", _rounded, number=True, wide=True),
        Column("Held-out test set", "test", number=True, wide=True),
        Column("Precision", "precision", _rounded, number=True, wide=True),
        Column("Recall", "recall", _rounded, number=True, wide=True),
        Column(
            "Parameters",
            "num_params",
            lambda value: formats.millions(value if isinstance(value, int) else None),
            number=True,
            wide=True,
        ),
        Column(
            "Training",
            "train_s",
            lambda value: duration(value if isinstance(value, float) else None),
            number=True,
            wide=True,
        ),
    )
    records: list[Mapping[str, object]] = [
        {
            "rank": row.rank,
            "model": label(row),
            "drawn": Interval(row.iou, text=_rounded(row.iou)),
            "iou": row.iou,
            "test": _test(row),
            "precision": row.trial.val_metrics.get("precision"),
            "recall": row.trial.val_metrics.get("recall"),
            "num_params": row.trial.num_params,
            "train_s": row.training.train_s,
        }
        for row in found.ranked[:TOP]
    ]
    for each in found.baselines:
        val, test = (each.metrics.get(split, {}) for split in ("val", "test"))
        records.append(
            {
                "model": each.label,
                "drawn": Interval(val.get("iou"), text=_rounded(val.get("iou"))),
                "iou": val.get("iou"),
                "test": formats.rounded(test.get("iou")),
                "precision": val.get("precision"),
                "recall": val.get("recall"),
                "group": "baseline",
            }
        )
    return Table("Best trials of the search", columns, records)


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


def _progress(found: Analysis) -> Iterator[Block]:
    progress, curves = found.progress, found.training_curves
    if not isinstance(progress, Missing):
        yield Heading("Progress", level=4)
        yield paragraph(_about_progress(progress))
        yield Grid(
            (
                (
                    Figure(
                        "progress-by-time",
                        "Best score by time",
                        "By time on the clock.",
                        lambda: draw_progress_by_time(progress),
                    ),
                ),
                (
                    Figure(
                        "progress-by-epochs",
                        "Best score by epochs",
                        "By epochs trained.",
                        lambda: draw_progress_by_epochs(progress),
                    ),
                ),
            )
        )
    if not isinstance(curves, Missing):
        yield Heading("Training curves", level=4)
        yield Figure(
            "curves", "Training curves of the best trials", _about_curves(curves), lambda: draw_learning_curves(curves)
        )


def _about_progress(series: Progress) -> str:
    parts = []
    for line in series.lines:
        best = line.best[-1]
        at = line.best.index(best)
        parts.append(
            f"{line.tuner} (seed {line.seed}) reached its best, {formats.rounded(best)}, with trial {at + 1} of "
            f"{len(line.ious)} "
            f"after {duration(line.spent_s[at])} of {duration(line.spent_s[-1])}"
        )
    return f"{'; '.join(parts)}."


def _about_curves(series: LearningCurves) -> str:
    late = [curve for curve in series.curves if curve.best_epoch is not None and curve.best_epoch >= curve.epochs[-1]]
    if late:
        said = (
            f"{len(late)} of {plural(len(series.curves), 'trial')} scored best in the last epoch: longer training "
            f"may help."
        )
    else:
        known = [curve.best_epoch for curve in series.curves if curve.best_epoch is not None]
        middle = f" (median best epoch: {median(known):g})" if known else ""
        said = f"No trial scored best in its last epoch: longer training is unlikely to help{middle}."
    fallen = max(series.curves, key=lambda curve: max(curve.ious) - curve.ious[-1])
    highest, end = max(fallen.ious), fallen.ious[-1]
    if highest - end < A_FALL:
        return said
    return (
        f"{said} Number {fallen.rank} ({fallen.label}) falls most after its best epoch, from "
        f"{formats.rounded(highest)} to {formats.rounded(end)}: a score "
        "chosen among epochs is optimistically biased."
    )


def _importance(found: Analysis) -> Iterator[Block]:
    importance = found.importance
    if isinstance(importance, Missing):
        return
    yield Heading("Importance of hyperparameters", level=4)
    yield paragraph(
        f"The share of the variance of validation IoU that each hyperparameter accounts for alone (functional ANOVA "
        f"on a random forest, {plural(importance.trials, 'configuration')}). "
        f"Intervals are over {RESAMPLES} resamples of trials; a share that shuffled scores reach too is noise. "
        f"{_about_importance(importance)}"
    )
    columns = (
        Column("Hyperparameter", "title"),
        Column("Share", "drawn"),
        Column("Share", "share", _percent, number=True),
        Column("Resampled", "resampled", number=True),
        Column("Shuffled scores", "chance", lambda value: f"up to {_percent(value)}", number=True),
    )
    records = [
        asdict(one)
        | {
            "drawn": Interval(one.share, one.low, one.high, clear=one.beyond_chance),
            "resampled": f"{formats.percent(one.low)} to {formats.percent(one.high)}",
        }
        for one in importance.factors
    ]
    yield Table("Importance of hyperparameters", columns, records)
    yield Data("importance.csv", [asdict(one) for one in importance.factors], ("title",))


def _about_importance(series: Importances) -> str:
    beyond = [f"{one.title.lower()} ({formats.percent(one.share)})" for one in series.factors if one.beyond_chance]
    return f"Beyond chance: {formats.listing(beyond)}." if beyond else "None is beyond chance."


def _tuners(found: Analysis) -> Iterator[Block]:
    tuners = found.tuners
    if isinstance(tuners, Missing):
        return
    yield Heading("Tuners", level=4)
    yield paragraph(
        f"Best validation IoU after {duration(tuners.common_s)}, when the shortest study ended. Regret is the "
        f"distance to the best score that any study of "
        "this run found; wins count the seeds that every tuner ran."
    )
    columns = (
        Column("Tuner", "tuner"),
        Column("Seeds", "seeds", number=True),
        Column(
            "Median best IoU",
            "median",
            lambda value: fraction(value if isinstance(value, float) else None),
            number=True,
        ),
        Column(
            "Mean regret", "regret", lambda value: fraction(value if isinstance(value, float) else None), number=True
        ),
        Column("Seeds won", "won", number=True),
    )
    yield Table(
        "Tuners", columns, [asdict(one) | {"won": f"{one.wins:g} of {one.shared_seeds}"} for one in tuners.scores]
    )
    yield Figure("tuners", "Tuners over time", _about_tuners(tuners), lambda: draw_tuners(tuners))
    yield Data("tuners.csv", [asdict(one) for one in tuners.scores], ("tuner",))


def _about_tuners(found: Tuners) -> str:
    best, *others = found.scores
    after = f"After {duration(found.common_s)}, "
    if not others:
        return f"{after}{best.tuner} is {fraction(best.regret)} on average below the best score of any seed."
    said = formats.listing([f"{one.tuner} {fraction(one.regret)}" for one in others])
    return (
        f"{after}{best.tuner} has the lowest mean regret, {fraction(best.regret)} ({said}). With few seeds, "
        f"overlapping bands show no difference."
    )


def _rungs(found: Analysis) -> Iterator[Block]:
    if not found.rungs:
        return
    configurations = len({row.trial.configuration for row in found.rows})
    yield Heading("Rungs", level=4)
    yield paragraph(
        "The tuner trains many configurations briefly and promotes the best to longer training; each line is one "
        "length of training. "
        f"The {len(found.rows)} trials are {plural(configurations, 'configuration')}."
    )
    titles = {
        "study_id": "Study",
        "bracket": "Bracket",
        "rung": "Rung",
        "epochs": "Epochs",
        "trials": "Trials",
        "promoted": "Promoted",
        "pruned": "Not promoted",
        "collapsed": "Collapsed",
        "stopped": "Stopped",
        "failed": "Failed",
        "best": "Best IoU",
        "median": "Median IoU",
    }
    columns = tuple(
        Column(title, key, _rounded if key in ("best", "median") else None, number=key != "study_id")
        for key, title in titles.items()
    )
    yield Table("Rungs", columns, [asdict(rung) for rung in found.rungs])
    yield Data("rungs.csv", [asdict(rung) for rung in found.rungs], ("study_id",))
    yield from _agreement_of_lengths(found)


def _agreement_of_lengths(found: Analysis) -> Iterator[Block]:
    """Whether it was right to promote by short trainings, as far as those tell that were promoted."""
    if not found.length_agreements:
        return
    yield Heading("Do short trainings rank like long ones?", level=4)
    said = [
        f"{each.study_id}, {each.short} to {plural(each.long, 'epoch')}: {each.ranks.tau:.2f} "
        f"({each.ranks.low:.2f} to {each.ranks.high:.2f}) for {plural(each.ranks.candidates, 'configuration')}"
        for each in found.length_agreements
    ]
    unreliable = any(each.ranks.is_low for each in found.length_agreements)
    yield paragraph(
        f"Kendall's tau between validation IoU at both lengths, of the configurations that were promoted, with its 95 % interval: {'; '.join(said)}. "
        "1 is the same ranking, 0 none. The configurations that were not promoted are missing, and those that were resemble each other, which lowers it."
        + (
            " Where it is low, the first length has chosen by luck among the best: a larger shortest_steps in the protocol compares longer trainings."
            if unreliable
            else ""
        )
    )


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


def _rounded(value: object) -> str:
    return formats.rounded(value) if isinstance(value, float) else MISSING


def _percent(value: object) -> str:
    return formats.percent(value if isinstance(value, float) else None)
