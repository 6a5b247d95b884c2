"""Best score so far over the search, on one of two clocks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.analysis.series import Progress, ProgressLine
from bench.report.figures.style import BASELINE, PALETTE, baseline, named_below, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_progress_by_time(series: Progress) -> "Figure":
    """Best so far by wall seconds."""
    from matplotlib.ticker import MaxNLocator

    longest_s = max(line.spent_s[-1] for line in series.lines)
    unit, divisor = ("min", 60) if longest_s > 180 else ("s", 1)
    figure, axes = _drawn(series, [[spent_s / divisor for spent_s in line.spent_s] for line in series.lines])
    axes.set_xlabel(f"Time ({unit})")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    return figure


def draw_progress_by_epochs(series: Progress) -> "Figure":
    """Best so far by epochs trained."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = _drawn(series, [line.epochs for line in series.lines])
    axes.set_xlabel("Epochs, of all trials so far")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    return figure


def _drawn(series: Progress, at: Sequence[Sequence[float]]) -> "tuple[Figure, Axes]":
    """`at` has the places of each line's trials."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(2.8)
    axes = figure.add_subplot()
    tuners = sorted({line.tuner for line in series.lines})
    names = {BASELINE: BASELINE}
    for index, (line, own) in enumerate(zip(series.lines, at, strict=True)):
        _steps(axes, line, own, PALETTE[tuners.index(line.tuner) % len(PALETTE)], f"study-{index}")
        names[f"study-{index}"] = _study_label(line, series.lines)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.08 * max(0.01, *(line.best[-1] or 0.0 for line in series.lines), series.baseline or 0.0))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    baseline(axes, series.baseline)
    axes.set_ylabel("Validation IoU, best so far")
    named_below(figure, axes, names)
    return figure, axes


def _steps(axes: "Axes", line: ProgressLine, x: Sequence[float], colour: str, name: str) -> None:
    points = [(at, value) for at, value in zip(x, line.best, strict=True) if value is not None]
    axes.step(
        [at for at, _ in points],
        [value for _, value in points],
        where="post",
        color=colour,
        linewidth=2,
        zorder=3,
        gid=name,
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
