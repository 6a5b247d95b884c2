"""The learning curve: IoU by the number of training images."""

from typing import TYPE_CHECKING

from bench.analysis.data_curve import DataCurve
from bench.report.figures.style import ACCENT, MUTED, PAPER, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_data_curve(found: DataCurve) -> "Figure":
    """A line through the means with their intervals; at the left of each a ring for every seed."""
    figure = new_figure(3.2)
    axes = figure.add_subplot()
    images = [point.train_images for point in found.points]
    aside = 0.015 * images[-1]
    for point in found.points:
        low, high = max(0.0, point.interval.low), min(1.0, point.interval.high)
        axes.vlines(point.train_images, low, high, color=ACCENT, linewidth=2, zorder=3)
        if len(found.seeds) > 1:
            axes.scatter(
                [point.train_images - aside] * len(point.by_seed),
                point.by_seed,
                s=22,
                facecolors=PAPER,
                edgecolors=MUTED,
                linewidths=1.2,
                zorder=4,
                label="a seed" if point is found.points[0] else None,
            )
    axes.plot(
        images,
        [point.iou for point in found.points],
        color=ACCENT,
        linewidth=1.5,
        marker="o",
        markersize=7,
        zorder=5,
        label="mean, with 95 % interval",
    )
    axes.set_xticks(images, [f"{point.train_images:.0f}\n{100 * point.train_share:.0f} %" for point in found.points])
    axes.set_xlim(0, 1.04 * images[-1])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("Training images, mean over folds and seeds")
    axes.set_ylabel("Cross-validated IoU")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, fontsize=8)
    return figure
