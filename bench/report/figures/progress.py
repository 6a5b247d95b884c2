"""Best score so far over the search."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.analysis.series import Progress, ProgressLine
from bench.report.figures.style import PALETTE, baseline, baseline_label, end_labels, new_figure

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
