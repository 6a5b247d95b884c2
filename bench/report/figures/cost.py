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


def draw_quality_against_cost(panel: CostPanel, score: str) -> "Figure":
    """The Pareto front is joined and carries its ranks; thin lines are 95 % intervals. `score` names the vertical axis.
    Each point has an id for its title (`point_titles`)."""
    figure = new_figure(3.0)
    axes = figure.add_subplot()
    front = panel.front
    axes.plot([p.cost for p in front], [p.iou for p in front], color=ACCENT, drawstyle="steps-post", linewidth=1.5)
    for place, point in enumerate(panel.points[:MOST_NAMED]):
        _point(axes, point, f"point-{place}", ACCENT if point in front else MUTED)
    rest = panel.points[MOST_NAMED:]
    axes.scatter(
        [p.cost for p in rest], [p.iou for p in rest], s=16, color=MUTED, alpha=0.4, linewidths=0, clip_on=False
    )
    costs = [point.cost for point in panel.points]
    axes.set_xscale("log")
    room = max(1.35, (max(costs) / min(costs)) ** 0.15)  # for the ranks at the left of the cheapest points
    axes.set_xlim(min(costs) / room, max(costs) * 1.25)
    axes.set_ylim(*_heights(panel.points))
    _plain_log_ticks(axes)
    axes.set_xlabel(panel.title)
    axes.set_ylabel(f"{score} (numbers: rank)")
    for point in _apart([point for point in front if point.rank is not None]):
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
    return figure


def point_titles(panel: CostPanel) -> tuple[tuple[str, str], ...]:
    """What is shown when a pointer is over a point, by the point's id."""
    return tuple(
        (f"point-{place}", f"{_numbered(point)}: IoU {rounded(point.iou)}, {panel.title.lower()} {point.cost:.3g}")
        for place, point in enumerate(panel.points[:MOST_NAMED])
    )


def _numbered(point: CostPoint) -> str:
    return point.label if point.rank is None else f"{point.rank}. {point.label}"


def _point(axes: "Axes", point: CostPoint, name: str, colour: str) -> None:
    if point.interval is not None:
        axes.vlines(point.cost, point.interval.low, point.interval.high, color=colour, alpha=0.35, linewidth=1.2)
    axes.scatter(
        [point.cost],
        [point.iou],
        s=34,
        color=colour,
        alpha=1.0 if colour == ACCENT else 0.6,
        linewidths=0,
        marker="D" if point.rank is None else "o",
        clip_on=False,
        gid=name,
        zorder=3,
    )


def _heights(points: Sequence[CostPoint]) -> tuple[float, float]:
    """From the lowest interval to the highest, with room; from 0 where no interval says how large a difference is."""
    highest = max(point.interval.high if point.interval else point.iou for point in points)
    if not any(point.interval for point in points):
        return 0.0, 1.15 * highest + 0.01
    lowest = min(point.interval.low if point.interval else point.iou for point in points)
    room = 0.12 * (highest - lowest) + 0.01
    return max(0.0, lowest - room), min(1.0, highest + room)


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
