"""Training curves: validation IoU by epoch."""

from typing import TYPE_CHECKING

from bench.analysis.series import TrainingCurves
from bench.report.figures.style import BASELINE, PALETTE, baseline, named_below, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_training_curves(series: TrainingCurves) -> "Figure":
    """A line a network, with a ring at the epoch that was kept."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(3.0)
    axes = figure.add_subplot()
    names = {BASELINE: BASELINE}
    for index, curve in enumerate(series.curves):
        colour = PALETTE[index % len(PALETTE)]
        axes.plot(curve.epochs, curve.ious, color=colour, linewidth=1.8, marker="o", markersize=3, gid=f"curve-{index}")
        if curve.best_epoch in curve.epochs:
            best = curve.ious[curve.epochs.index(curve.best_epoch)]
            axes.plot(curve.best_epoch, best, "o", markersize=9, markerfacecolor="none", markeredgecolor=colour)
        names[f"curve-{index}"] = f"{curve.rank}. {curve.label}"
    axes.set_ylim(0, 1.08 * max(0.01, *(iou for curve in series.curves for iou in curve.ious)))  # room for the rings
    baseline(axes, series.baseline)
    axes.set_xlabel("Epoch (ring: the epoch whose weights were kept)")
    axes.set_ylabel("Validation IoU")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    named_below(figure, axes, names)
    return figure
