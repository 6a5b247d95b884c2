"""The critical-difference diagram: average ranks, and which candidates do not differ significantly."""

from typing import TYPE_CHECKING

from bench.analysis.across_runs import RankTable
from bench.analysis.labels import role_title
from bench.formats import shortened
from bench.report.figures.style import ACCENT, AXIS, INK, MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_ranks(table: RankTable) -> "Figure":
    """Demsar's diagram turned on its side: a line a candidate, below its name, with its average rank (large) and its
    rank on each data set (small); bars at the right join those that do not differ significantly. `table.ranks` is not
    None."""
    from matplotlib.ticker import MaxNLocator

    ranks = table.ranks
    assert ranks is not None
    rows = table.complete
    each = list(zip(*ranks.by_dataset, strict=True))
    figure = new_figure(0.48 * rows + 1.1)
    groups = [group for group in ranks.groups if len(group) > 1]
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(12, max(1.5, 0.5 * len(groups))))
    for height in range(rows):
        left.hlines(height, min(each[height]), max(each[height]), color=AXIS, linewidth=1, zorder=2)
        left.scatter(each[height], [height] * len(each[height]), s=16, color=MUTED, alpha=0.6, linewidths=0, zorder=3,
                     label=None if height else "on one data set")  # fmt: skip
        left.scatter(
            [ranks.average[height]], [height], s=52, color=ACCENT, zorder=4, label=None if height else "average"
        )
        name = shortened(role_title(table.candidates[height]), 54)
        left.text(0.85, height - 0.26, name, color=INK, fontsize=8, va="bottom", zorder=5)
    left.set_yticks([])
    left.set_ylim(rows - 0.6, -0.9)
    left.set_xlim(0.8, rows + 0.2)
    left.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    left.set_xlabel("Rank by cross-validated IoU (1 is best)")
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=8)
    for place, group in enumerate(groups):
        right.vlines(place, min(group) - 0.15, max(group) + 0.15, color=INK, linewidth=4)
    right.set_xlim(-0.7, max(0.7, len(groups) - 0.3))
    right.set_axis_off()
    if groups:
        right.text(
            0.5, -0.01, "not\nsignificant", transform=right.transAxes, ha="center", va="top", fontsize=8, color=MUTED
        )
    return figure
