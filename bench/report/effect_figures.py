"""Charts of what hyperparameters do: their importance, the effect of each level, and curves over amounts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bench.report.effects import Effect
from bench.report.figures import MAX_LABEL, balanced, rows_of
from bench.report.formats import shortened
from bench.report.importance import RESAMPLES, Importances
from bench.report.style import ACCENT, INK, MUTED, PALETTE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_importances(series: Importances) -> "Figure":
    """A bar a hyperparameter with its range over resamples; a line at what shuffled scores reach, pale where the bar does not pass it."""
    found = series.factors
    figure = new_figure(0.34 * len(found) + 1.2)
    axes = figure.add_subplot()
    heights = range(len(found))
    for height, one in enumerate(found):
        axes.barh(height, 100 * one.share, height=0.62, color=ACCENT, alpha=0.75 if one.beyond_chance else 0.25)
        axes.hlines(height, 100 * one.low, 100 * one.high, color=INK, linewidth=1.6, zorder=3)
    reached = 100 * max(one.chance for one in found)
    axes.axvline(
        reached, color=PALETTE[1], linewidth=1.6, zorder=2, label=f"the most in {RESAMPLES} shuffles of the scores"
    )
    axes.set_yticks(list(heights), [one.title for one in found], color=INK)
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"Share of the forest's variance (%), lowest and highest of {RESAMPLES} resamples")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
    _quiet(axes)
    return figure


def draw_effects(series: Mapping[str, Sequence[Effect]]) -> "Figure":
    """A panel a factor, a line a level: its effect with its interval; filled where the interval leaves out 0."""
    columns = balanced(tuple(series.items()))
    height = max(sum(rows_of(levels) for _, levels in column) for column in columns)
    figure = new_figure(0.25 * height + 0.5)
    grid = figure.add_gridspec(1, len(columns))
    low = min(one.low for levels in series.values() for one in levels)
    high = max(one.high for levels in series.values() for one in levels)
    room = 0.03 * (high - low)
    for index, column in enumerate(columns):
        parts = grid[index].subgridspec(len(column), 1, height_ratios=[rows_of(levels) for _, levels in column])
        for line, (title, levels) in enumerate(column):
            axes = figure.add_subplot(parts[line])
            axes.set_title(title)
            axes.set_xlim(low - room, high + room)
            axes.axvline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
            for at, one in enumerate(levels):
                clear = one.low > 0 or one.high < 0
                axes.hlines(at, one.low, one.high, color=ACCENT, linewidth=2, zorder=3)
                axes.scatter(
                    [one.value],
                    [at],
                    s=34,
                    facecolors=ACCENT if clear else "white",
                    edgecolors=ACCENT,
                    linewidths=1.4,
                    zorder=4,
                )
                axes.text(
                    1.01,
                    at,
                    f"n={one.trials}",
                    transform=axes.get_yaxis_transform(),
                    va="center",
                    fontsize=8,
                    color=MUTED,
                )
            axes.set_yticks(range(len(levels)), [shortened(one.label, MAX_LABEL) for one in levels], color=INK)
            axes.set_ylim(len(levels) - 0.45, -0.55)
            _quiet(axes)
            if line == len(column) - 1:
                axes.set_xlabel("IoU against the mean of the factor")
            else:
                axes.tick_params(labelbottom=False)
    return figure


def draw_scales(series: Mapping[str, Sequence[Effect]]) -> "Figure":
    """A panel an amount: the expected IoU at each level with the interval of its effect."""
    columns = min(3, len(series))
    lines = -(-len(series) // columns)
    figure = new_figure(2.6 * lines + 0.3)
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True)
    for axes in panels.flat[len(series) :]:
        axes.set_visible(False)
    for axes, (title, levels) in zip(panels.flat, series.items(), strict=False):
        at = list(range(len(levels)))
        shift = levels[0].mean - levels[0].value
        axes.fill_between(
            at,
            [one.low + shift for one in levels],
            [one.high + shift for one in levels],
            color=ACCENT,
            alpha=0.18,
            linewidth=0,
        )
        axes.plot(at, [one.mean for one in levels], color=ACCENT, marker="o", markersize=5, linewidth=1.8)
        crowded = sum(len(one.label) for one in levels) > 24
        axes.set_xticks(
            at, [one.label for one in levels], rotation=35 if crowded else 0, ha="right" if crowded else "center"
        )
        axes.set_xlim(-0.35, len(levels) - 0.65)
        axes.set_title(title)
    for axes in panels[:, 0]:
        axes.set_ylabel("Expected validation IoU")
    return figure


def _quiet(axes: "Axes") -> None:
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
