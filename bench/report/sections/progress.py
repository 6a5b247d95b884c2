"""How the search went: its best score by time and by epochs, and the training curves of its best trials."""

from collections.abc import Iterator
from statistics import median

from bench import formats
from bench.analysis.run_analysis import Analysis
from bench.analysis.series import Missing, Progress, TrainingCurves
from bench.formats import duration, plural
from bench.report.blocks import Block, Figure, Grid, Heading, paragraph
from bench.report.figures.progress import draw_progress_by_epochs, draw_progress_by_time
from bench.report.figures.training_curves import draw_training_curves

A_FALL = 0.02
"""IoU; curves that end less than this below their best say nothing about how the best epoch was chosen."""


def progress(found: Analysis) -> Iterator[Block]:
    series, curves = found.progress, found.training_curves
    if not isinstance(series, Missing):
        yield Heading("Progress", level=4)
        yield paragraph(_about_progress(series))
        yield Grid(
            (
                (
                    Figure(
                        "progress-by-time",
                        "Best score by time",
                        "By time on the clock.",
                        lambda: draw_progress_by_time(series),
                    ),
                ),
                (
                    Figure(
                        "progress-by-epochs",
                        "Best score by epochs",
                        "By epochs trained.",
                        lambda: draw_progress_by_epochs(series),
                    ),
                ),
            )
        )
    if not isinstance(curves, Missing):
        yield Heading("Training curves", level=4)
        yield Figure(
            "curves", "Training curves of the best trials", _about_curves(curves), lambda: draw_training_curves(curves)
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


def _about_curves(series: TrainingCurves) -> str:
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
