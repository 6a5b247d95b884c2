"""Series to charts. Each function draws one named series and returns the figure; nothing is computed here but positions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.analysis.final_evaluation import Finals, ReferenceStanding, Standing
from bench.analysis.series import (
    CostPanel,
    CostPoint,
    ForegroundShares,
    LearningCurves,
    Progress,
    ProgressLine,
)
from bench.evaluation.statistics import Interval
from bench.formats import shortened
from bench.records import DEFAULT
from bench.report.style import ACCENT, INK, MUTED, PALETTE, baseline, baseline_label, end_labels, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_progress(series: Progress) -> "Figure":
    """Best so far by wall seconds (left) and by epochs trained (right)."""
    from matplotlib.ticker import MaxNLocator

    height_in = 3.3
    figure = new_figure(height_in)
    left, right = figure.subplots(1, 2, sharey=True)
    longest_s = max(line.spent_s[-1] for line in series.lines)
    unit, divisor = ("min", 60) if longest_s > 180 else ("s", 1)
    tuners = sorted({line.tuner for line in series.lines})
    labels = []
    for line in series.lines:
        colour = PALETTE[tuners.index(line.tuner) % len(PALETTE)]
        _progress_steps(left, line, [spent_s / divisor for spent_s in line.spent_s], colour)
        _progress_steps(right, line, line.epochs, colour)
        labels.append((line.best[-1] or 0.0, _study_label(line, series.lines), colour))
    for axes in (left, right):
        axes.set_xlim(left=0)
        baseline(axes, series.baseline)
    left.set_ylim(bottom=0)
    left.set_title("By time on the clock")
    left.set_xlabel(f"Time ({unit})")
    left.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))
    left.set_ylabel("Validation IoU, best so far")
    right.set_title("By epochs trained")
    right.set_xlabel("Epochs, of all trials so far")
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    end_labels(right, labels + baseline_label(series.baseline), height_in)
    return figure


def _progress_steps(axes: "Axes", line: ProgressLine, x: Sequence[float], colour: str) -> None:
    points = [(at, value) for at, value in zip(x, line.best, strict=True) if value is not None]
    axes.step(
        [at for at, _ in points], [value for _, value in points], where="post", color=colour, linewidth=2, zorder=3
    )
    own = [(at, value) for at, value in zip(x, line.ious, strict=True) if value is not None]
    axes.scatter(
        [at for at, _ in own],
        [value for _, value in own],
        s=14,
        color=colour,
        alpha=0.4,
        linewidths=0,
        zorder=2,
        clip_on=False,
    )


def _study_label(line: ProgressLine, lines: Sequence[ProgressLine]) -> str:
    alone = sum(other.tuner == line.tuner for other in lines) == 1
    return line.tuner if alone else f"{line.tuner}, seed {line.seed}"


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


def draw_quality_against_cost(series: tuple[CostPanel, ...]) -> "Figure":
    """A panel a cost; the points that nothing beats in both are joined and carry their rank."""
    figure = new_figure(3.4)
    grid = figure.subplots(1, len(series), squeeze=False, sharey=True)[0]
    for axes, panel in zip(grid, series, strict=True):
        _cost_panel(axes, panel)
    grid[0].set_ylabel("Validation IoU (numbers: rank)")
    grid[0].set_ylim(0, max(point.iou for panel in series for point in panel.points) * 1.12 + 0.01)
    return figure


def _cost_panel(axes: "Axes", panel: CostPanel) -> None:
    front = set(panel.front)
    others = [point for point in panel.points if point not in front]
    axes.scatter(
        [p.cost for p in others], [p.iou for p in others], s=22, color=MUTED, alpha=0.5, linewidths=0, clip_on=False
    )
    axes.plot(
        [p.cost for p in panel.front], [p.iou for p in panel.front], color=ACCENT, drawstyle="steps-post",
        marker="o", markersize=5, linewidth=1.5,
    )  # fmt: skip
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
            xytext=(-4, 4),
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


def draw_foreground_shares(series: ForegroundShares) -> "Figure":
    """A histogram a part over the same bins, with a bar at the median."""
    import numpy as np
    import seaborn
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(0.95 * len(series.parts) + 0.7)
    panels = figure.subplots(len(series.parts), 1, sharex=True, squeeze=False)[:, 0]
    highest = max(max(shares) for _, shares in series.parts)
    edges = np.linspace(0, 100 * max(highest, 0.01), 31)
    for axes, (name, shares) in zip(panels, series.parts, strict=True):
        middle = 100 * float(np.median(shares))
        seaborn.histplot(x=100 * np.array(shares), bins=edges, ax=axes, color=ACCENT, alpha=0.6, edgecolor="white")
        axes.axvline(middle, color=INK, linewidth=2)
        axes.set_title(f"{name}: {len(shares)} images, median {middle:.1f} %", fontweight="normal", fontsize=9)
        axes.set_ylabel("images")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        axes.grid(visible=False, axis="x")
    panels[-1].set_xlabel("Foreground share of the image (%)")
    return figure


def draw_standings(found: Finals) -> "Figure":
    """Left two lines a contestant, first at the top: its IoU out of fold and on the locked test set, with their intervals; the references
    below in grey. Right what it is ahead of the default recipe."""
    lines: list[Standing | ReferenceStanding] = [*found.standings, *found.references]
    figure = new_figure(0.42 * len(lines) + 1.3)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for height, standing in enumerate(found.standings):
        _over_default(right, standing, height)
    for height, each in enumerate(lines):
        colours = (ACCENT, PALETTE[1]) if isinstance(each, Standing) else (MUTED, MUTED)
        named = (None, None) if height else (found.held_out, "locked test")
        _with_interval(left, each.score, each.interval, height - 0.14, colours[0], "o", label=named[0])
        _with_interval(left, each.test, each.test_interval, height + 0.14, colours[1], "D", label=named[1])
    left.set_yticks(range(len(lines)), [shortened(each.label, 60) for each in lines])
    left.set_ylim(len(lines) - 0.5, -0.5)
    left.set_xlim(left=min(0.0, left.get_xlim()[0]))
    left.set_xlabel("IoU, with 95 % interval")
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=8)
    right.axvline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    right.set_xlabel("IoU over the default recipe")
    right.margins(x=0.2)  # for the words at 0, where nobody is far ahead
    for axes in (left, right):
        axes.grid(axis="y", visible=False)
    return figure


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
    faces = colour if marker == "o" else "white"
    axes.scatter(
        at, height, s=30, marker=marker, facecolors=faces, edgecolors=colour, linewidths=1.3, zorder=5, label=label
    )


def _over_default(axes: "Axes", standing: Standing, height: int) -> None:
    if standing.to_default is not None:
        interval = standing.to_default.interval
        axes.hlines(height, interval.low, interval.high, color=INK, linewidth=2, zorder=3)
        axes.scatter(standing.to_default.value, height, s=42, color=INK, zorder=4)
    elif DEFAULT in standing.contestant.roles:
        box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
        said = "reference point"
        axes.text(0, height, said, ha="center", va="center", fontsize=8, color=MUTED, bbox=box, zorder=3)
