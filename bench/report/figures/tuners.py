"""Best validation IoU so far of each tuner on a common clock."""

from typing import TYPE_CHECKING

from bench.analysis.tuners import DOUBLE, Tuners
from bench.report.figures.style import BASELINE, MUTED, PALETTE, baseline, named_below, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_tuners(found: Tuners) -> "Figure":
    """Median over seeds as a line, lowest to highest as a band; 2 x random is dashed."""
    figure = new_figure(3.0)
    axes = figure.add_subplot()
    unit, divisor = ("min", 60) if found.common_s > 180 else ("s", 1)
    names = {BASELINE: BASELINE}
    for index, curve in enumerate(found.curves):
        double = curve.tuner == DOUBLE
        colour = MUTED if double else PALETTE[index % len(PALETTE)]
        at, low, middle, high = zip(*((x / divisor, a, b, c) for x, a, b, c in curve.points), strict=True)
        if not double:
            axes.fill_between(at, low, high, step="post", color=colour, alpha=0.12, linewidth=0)
        style = ":" if double else "-"
        axes.step(at, middle, where="post", color=colour, linewidth=2, linestyle=style, gid=f"tuner-{index}")
        names[f"tuner-{index}"] = curve.tuner
    axes.set_xlim(0, found.common_s / divisor)
    axes.set_ylim(bottom=0)
    baseline(axes, found.baseline)
    axes.set_xlabel(f"Time on the clock ({unit})")
    axes.set_ylabel("Validation IoU, best so far")
    axes.set_title("Median over seeds; band: lowest to highest")
    named_below(figure, axes, names)
    return figure
