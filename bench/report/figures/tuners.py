"""Best validation IoU so far of each tuner on a common clock."""

from typing import TYPE_CHECKING

from bench.analysis.tuners import DOUBLE, Tuners
from bench.report.figures.style import MUTED, PALETTE, baseline, baseline_label, end_labels, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_tuners(found: Tuners) -> "Figure":
    """Median over seeds as a line, lowest to highest as a band; 2 x random is dashed."""
    height_in = 3.4
    figure = new_figure(height_in)
    axes = figure.add_subplot()
    unit, divisor = ("min", 60) if found.common_s > 180 else ("s", 1)
    labels = []
    for index, curve in enumerate(found.curves):
        double = curve.tuner == DOUBLE
        colour = MUTED if double else PALETTE[index % len(PALETTE)]
        at, low, middle, high = zip(*((x / divisor, a, b, c) for x, a, b, c in curve.points), strict=True)
        if not double:
            axes.fill_between(at, low, high, step="post", color=colour, alpha=0.12, linewidth=0)
        axes.step(at, middle, where="post", color=colour, linewidth=2, linestyle=":" if double else "-")
        labels.append((middle[-1], curve.tuner, colour))
    axes.set_xlim(0, found.common_s / divisor)
    axes.set_ylim(bottom=0)
    baseline(axes, found.baseline)
    axes.set_xlabel(f"Time on the clock ({unit})")
    axes.set_ylabel("Validation IoU, best so far")
    axes.set_title("Median over seeds; band: lowest to highest")
    end_labels(axes, labels + baseline_label(found.baseline), height_in)
    return figure
