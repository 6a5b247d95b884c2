"""The ranking as a picture: every candidate with its intervals, and its difference to the default configuration."""

from typing import TYPE_CHECKING

from bench.analysis.external import RankedTool
from bench.analysis.final_evaluation import Finals, RankedBaseline, RankedCandidate
from bench.evaluation.statistics import Interval
from bench.formats import shortened
from bench.records import DEFAULT
from bench.report.figures.style import ACCENT, INK, MUTED, PALETTE, PAPER, WIDTH_IN, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_intervals(found: Finals) -> "Figure":
    """Left two lines a candidate, first at the top: its IoU out of fold and on the held-out test set, with their
    intervals; models of other tools and the baselines below in grey. Right, where any was compared with it, its
    difference to the default configuration."""
    lines: list[RankedCandidate | RankedTool | RankedBaseline] = [
        *found.ranking,
        *found.external.ranking,
        *found.references,
    ]
    figure = new_figure(0.42 * len(lines) + 1.3, WIDTH_IN)
    is_compared = any(standing.to_default is not None for standing in found.ranking)
    left, *others = figure.subplots(
        1, 1 + is_compared, sharey=True, squeeze=False, width_ratios=(3, 2)[: 1 + is_compared]
    )[0]
    for right in others:
        _differences(right, found)
    for height, each in enumerate(lines):
        colours = (ACCENT, PALETTE[1]) if isinstance(each, RankedCandidate) else (MUTED, MUTED)
        named = (None, None) if height else (found.held_out, "held-out test set")
        _with_interval(left, each.score, each.interval, height - 0.14, colours[0], "o", label=named[0])
        _with_interval(left, each.test, each.test_interval, height + 0.14, colours[1], "D", label=named[1])
    left.set_yticks(range(len(lines)), [shortened(each.label, 60) for each in lines])
    left.set_ylim(len(lines) - 0.5, -0.5)
    left.set_xlim(left=min(0.0, left.get_xlim()[0]))
    left.set_xlabel("IoU, with 95 % interval")
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=8)
    for axes in (left, *others):
        axes.grid(axis="y", visible=False)
    return figure


def _differences(axes: "Axes", found: Finals) -> None:
    for height, standing in enumerate(found.ranking):
        _over_default(axes, standing, height)
    axes.axvline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.set_xlabel("Difference to the default")
    axes.margins(x=0.2)  # for the words at 0


def _with_interval(
    axes: "Axes",
    iou: float | None,
    interval: Interval | None,
    height: float,
    colour: str,
    marker: str,
    label: str | None,
) -> None:
    at = float("nan") if iou is None else iou  # unseen, but in the legend
    if interval is not None:
        axes.hlines(height, max(0.0, interval.low), min(1.0, interval.high), color=colour, linewidth=1.6, zorder=3)
    faces = colour if marker == "o" else PAPER
    axes.scatter(
        at, height, s=30, marker=marker, facecolors=faces, edgecolors=colour, linewidths=1.3, zorder=5, label=label
    )


def _over_default(axes: "Axes", standing: RankedCandidate, height: int) -> None:
    if standing.to_default is not None:
        interval = standing.to_default.interval
        axes.hlines(height, interval.low, interval.high, color=INK, linewidth=2, zorder=3)
        axes.scatter(standing.to_default.value, height, s=42, color=INK, zorder=4)
    elif DEFAULT in standing.candidate.roles:
        box = {"facecolor": PAPER, "edgecolor": "none", "pad": 2}
        said = "reference point"
        axes.text(0, height, said, ha="center", va="center", fontsize=8, color=MUTED, bbox=box, zorder=3)
