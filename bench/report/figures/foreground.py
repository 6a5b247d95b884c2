"""How much of each image is foreground, by part of the split."""

from typing import TYPE_CHECKING

from bench.analysis.series import ForegroundShares
from bench.report.figures.style import ACCENT, INK, PAPER, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_foreground_shares(series: ForegroundShares) -> "Figure":
    """A histogram a part over the same bins, with a bar at the median."""
    import numpy as np
    import seaborn as sns
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(0.95 * len(series.parts) + 0.7)
    panels = figure.subplots(len(series.parts), 1, sharex=True, squeeze=False)[:, 0]
    highest = max(max(shares) for _, shares in series.parts)
    edges = np.linspace(0, 100 * max(highest, 0.01), 31)
    for axes, (name, shares) in zip(panels, series.parts, strict=True):
        middle = 100 * float(np.median(shares))
        sns.histplot(x=100 * np.array(shares), bins=edges, color=ACCENT, alpha=0.6, edgecolor=PAPER, ax=axes)
        axes.axvline(middle, color=INK, linewidth=2)
        axes.set_title(f"{name}: {len(shares)} images, median {middle:.1f} %", fontweight="normal", fontsize=9)
        axes.set_ylabel("images")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        axes.grid(visible=False, axis="x")
    panels[-1].set_xlabel("Foreground share of the image (%)")
    return figure
