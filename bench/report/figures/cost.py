"""Quality against cost, with the Pareto front."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.analysis.series import CostPanel, CostPoint
from bench.formats import rounded
from bench.report.figures.style import ACCENT, MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NAMED = 60
"""So many points have a name of their own; of a long search the rest are dots."""


def draw_quality_against_cost(series: tuple[CostPanel, ...], score: str) -> "Figure":
    """A panel a cost; the Pareto front is joined and carries its ranks. `score` names the vertical axis. Each point
    has an id for its title (`point_titles`)."""
    figure = new_figure(3.4)
    grid = figure.subplots(1, len(series), squeeze=False, sharey=True)[0]
    for number, (axes, panel) in enumerate(zip(grid, series, strict=True)):
        _cost_panel(axes, panel, number)
    grid[0].set_ylabel(f"{score} (numbers: rank)")
    grid[0].set_ylim(0, max(point.iou for panel in series for point in panel.points) * 1.15 + 0.01)
    return figure


def point_titles(series: tuple[CostPanel, ...]) -> tuple[tuple[str, str], ...]:
    """What is shown when a pointer is over a point, by the point's id."""
    return tuple(
        (
            f"point-{number}-{place}",
            f"{point.rank}. {point.label}: IoU {rounded(point.iou)}, {panel.title.lower()} {point.cost:.3g}",
        )
        for number, panel in enumerate(series)
        for place, point in enumerate(panel.points[:MOST_NAMED])
    )


def _cost_panel(axes: "Axes", panel: CostPanel, number: int) -> None:
    front = set(panel.front)
    axes.plot(
        [p.cost for p in panel.front], [p.iou for p in panel.front], color=ACCENT, drawstyle="steps-post", linewidth=1.5
    )
    for place, point in enumerate(panel.points[:MOST_NAMED]):
        colour, alpha = (ACCENT, 1.0) if point in front else (MUTED, 0.6)
        axes.scatter(
            [point.cost],
            [point.iou],
            s=34,
            color=colour,
            alpha=alpha,
            linewidths=0,
            clip_on=False,
            gid=f"point-{number}-{place}",
            zorder=3,
        )
    rest = panel.points[MOST_NAMED:]
    axes.scatter(
        [p.cost for p in rest], [p.iou for p in rest], s=16, color=MUTED, alpha=0.4, linewidths=0, clip_on=False
    )
    costs = [point.cost for point in panel.points]
    axes.set_xscale("log")
    room = max(1.35, (max(costs) / min(costs)) ** 0.15)  # for the ranks at the left of the cheapest points
    axes.set_xlim(min(costs) / room, max(costs) * 1.25)
    _plain_log_ticks(axes)
    axes.set_xlabel(panel.title)
    for point in _apart(panel.front):
        axes.annotate(
            f"{point.rank}",
            (point.cost, point.iou),
            xytext=(-5, 4),
            textcoords="offset points",
            ha="right",
            va="bottom",
            color=ACCENT,
            fontsize=8.5,
            fontweight="bold",
        )


def _apart(front: Sequence[CostPoint]) -> list[CostPoint]:
    """The points of a front that are far enough from a better one for their rank to be read."""
    named: list[CostPoint] = []
    for point in reversed(front):
        if all(other.cost / point.cost > 1.15 or other.iou - point.iou > 0.05 for other in named):
            named.append(point)
    return named


def _plain_log_ticks(axes: "Axes") -> None:
    """1, 2, 5, 10, ... in plain figures, as few as the range needs."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 300 else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=0)
