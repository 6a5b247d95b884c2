"""Charts of what hyperparameters do: scores by level, their importance, the effect of each level, and curves over amounts."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from bench.analysis.effects import Effect
from bench.analysis.factors import Level
from bench.analysis.importance import RESAMPLES, Importances
from bench.analysis.series import FactorScores, ScoreGrid
from bench.formats import shortened
from bench.report.style import ACCENT, INK, MUTED, PALETTE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LABEL = 24
MAX_DOTS = 150
"""Of a level: more of them run together into a bar."""


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


def draw_factor_scores(series: FactorScores) -> "Figure":
    """One panel a factor: a dot a trial (of many, evenly spaced ones), a bar at the median."""
    mark = series.baseline
    top = max(level.ious[0] for _, levels in series.panels for level in levels)
    low = min(level.ious[-1] for _, levels in series.panels for level in levels)

    def draw(axes: "Axes", height: int, level: Level) -> None:
        ious = thinned(level.ious, MAX_DOTS)
        axes.scatter(
            ious, [height + _jitter(index) for index in range(len(ious))],
            s=20, color=ACCENT, alpha=0.55, linewidths=0, zorder=3,
        )  # fmt: skip
        axes.vlines(level.median or 0, height - 0.33, height + 0.33, color=INK, linewidth=2, zorder=4)

    limits = (low if mark is None else min(low, mark)) - 0.02, max(top, mark or 0) + 0.02
    title = "Validation IoU" + (" (dashed: mean training mask)" if mark is not None else "")
    return _factor_panels(series.panels, draw, limits=limits, mark=mark, title=title)


def draw_effects(series: Mapping[str, Sequence[Effect]]) -> "Figure":
    """A panel a factor, a line a level: its effect with its interval; filled where the interval leaves out 0."""
    low = min(one.low for levels in series.values() for one in levels)
    high = max(one.high for levels in series.values() for one in levels)
    room = 0.03 * (high - low)

    def draw(axes: "Axes", height: int, one: Effect) -> None:
        fill = ACCENT if one.low > 0 or one.high < 0 else "white"
        axes.hlines(height, one.low, one.high, color=ACCENT, linewidth=2, zorder=3)
        axes.scatter([one.value], [height], s=34, facecolors=fill, edgecolors=ACCENT, linewidths=1.4, zorder=4)

    title = "IoU against the mean of the factor"
    return _factor_panels(tuple(series.items()), draw, limits=(low - room, high + room), mark=0, title=title)


class _Level(Protocol):
    @property
    def label(self) -> str: ...
    @property
    def trials(self) -> int: ...


L = TypeVar("L", bound=_Level)


def _factor_panels(
    panels: Sequence[tuple[str, Sequence[L]]],
    draw: Callable[["Axes", int, L], None],
    *,
    limits: tuple[float, float],
    mark: float | None,
    title: str,
) -> "Figure":
    """A panel a factor, in two columns of about the same height; `draw` draws one level at its height, whose number of trials stands at
    the right. All share the x axis, its `title` and a dashed line at `mark`."""
    columns = _balanced(panels)
    figure = new_figure(0.25 * max(map(_height, columns)) + 0.5)
    grid = figure.add_gridspec(1, len(columns))
    for index, column in enumerate(columns):
        parts = grid[index].subgridspec(len(column), 1, height_ratios=[_height([panel]) for panel in column])
        for line, (factor, levels) in enumerate(column):
            axes = figure.add_subplot(parts[line])
            axes.set_title(factor)
            axes.set_xlim(*limits)
            if mark is not None:
                axes.axvline(mark, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
            for height, level in enumerate(levels):
                draw(axes, height, level)
                count, at = f"n={level.trials}", axes.get_yaxis_transform()
                axes.text(1.01, height, count, transform=at, va="center", fontsize=8, color=MUTED)
            axes.set_yticks(range(len(levels)), [shortened(level.label, MAX_LABEL) for level in levels], color=INK)
            axes.set_ylim(len(levels) - 0.45, -0.55)
            _quiet(axes)
            if line == len(column) - 1:
                axes.set_xlabel(title)
            else:
                axes.tick_params(labelbottom=False)
    return figure


def _balanced(panels: Sequence[tuple[str, Sequence[L]]]) -> list[list[tuple[str, Sequence[L]]]]:
    """The order is kept within each column."""
    columns: list[list[tuple[str, Sequence[L]]]] = [[], []]
    for panel in panels:
        min(columns, key=_height).append(panel)
    return [column for column in columns if column]


def _height(column: Sequence[tuple[str, Sequence[L]]]) -> float:
    """In lines, a title and a gap included."""
    return sum(len(levels) + 1.6 for _, levels in column)


def thinned(values: Sequence[float], most: int) -> Sequence[float]:
    """At most so many of them, evenly spaced by their place, with the first and the last."""
    if len(values) <= most:
        return values
    return [values[round(place * (len(values) - 1) / (most - 1))] for place in range(most)]


def _jitter(index: int) -> float:
    """Heights that keep neighbours apart without a random number: -0.2, 0.2, 0, ..."""
    return (-0.2, 0.2, 0.0, -0.1, 0.1)[index % 5]


def draw_score_grid(series: ScoreGrid) -> "Figure":
    """A heat map of medians; a cell that was never tried stays empty."""
    import numpy as np
    import seaborn

    figure = new_figure(0.42 * len(series.backbones) + 1.1)
    axes = figure.add_subplot()
    values = np.array([[np.nan if value is None else value for value in line] for line in series.medians], dtype=float)
    texts = [
        ["" if value is None else f"{value:.2f}  n={count}" for value, count in zip(line, counts, strict=True)]
        for line, counts in zip(series.medians, series.counts, strict=True)
    ]
    seaborn.heatmap(
        values, ax=axes, annot=np.array(texts), fmt="", cmap="Blues", vmin=0, vmax=max(0.1, float(np.nanmax(values))),
        linewidths=2, linecolor="white", cbar=False, annot_kws={"fontsize": 8.5},
    )  # fmt: skip
    axes.set_facecolor("#f4f4f4")
    axes.set_xticklabels([shortened(loss, MAX_LABEL) for loss in series.losses], color=INK, rotation=0)
    axes.set_yticklabels([shortened(backbone, MAX_LABEL) for backbone in series.backbones], color=INK, rotation=0)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.set_title("Median validation IoU by backbone and loss")
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
