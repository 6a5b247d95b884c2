"""Training curves: validation IoU by epoch."""

from typing import TYPE_CHECKING

from bench.analysis.series import LearningCurves
from bench.formats import shortened
from bench.report.figures.style import PALETTE, baseline, baseline_label, end_labels, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_learning_curves(series: LearningCurves) -> "Figure":
    """A line a network, named at its end, with a ring at the epoch that was kept."""
    from matplotlib.ticker import MaxNLocator

    height_in = 3.5
    figure = new_figure(height_in)
    axes = figure.add_subplot()
    labels = []
    for index, curve in enumerate(series.curves):
        colour = PALETTE[index % len(PALETTE)]
        axes.plot(curve.epochs, curve.ious, color=colour, linewidth=1.8, marker="o", markersize=3)
        if curve.best_epoch in curve.epochs:
            best = curve.ious[curve.epochs.index(curve.best_epoch)]
            axes.plot(curve.best_epoch, best, "o", markersize=9, markerfacecolor="none", markeredgecolor=colour)
        labels.append((curve.ious[-1], f"{curve.rank}  {shortened(curve.label, 30)}", colour))
    axes.set_ylim(0, 1.08 * max(0.01, *(iou for curve in series.curves for iou in curve.ious)))  # room for the rings
    baseline(axes, series.baseline)
    axes.set_title("Training curves: the best trial of each network")
    axes.set_xlabel("Epoch (ring: the epoch whose weights were kept)")
    axes.set_ylabel("Validation IoU")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    end_labels(axes, labels + baseline_label(series.baseline), height_in)
    return figure
