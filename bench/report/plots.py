"""The figures of a page, in order. A new one is a series, a drawing, a sentence, and one line here."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.analysis import effects, importance, series
from bench.analysis.leaderboard import Row
from bench.analysis.series import Missing
from bench.records import Run
from bench.report import captions, factor_figures, figures, markdown, panels, pictures, style, tuners


@dataclass(frozen=True, slots=True)
class Plot:
    """`numbers` makes the series, `draw` the figure, `say` the sentence under it. `file` ends in .jpg for photographs."""

    title: str
    file: str
    numbers: Callable[[Run, Sequence[Row]], Any]
    draw: Callable[[Any], Any]
    say: Callable[[Any], str]


IMPORTANCE_PLOT = Plot(
    "Share by hyperparameter",
    "importance.png",
    importance.importances,
    factor_figures.draw_importances,
    captions.about_importances,
)
SCORE_PLOTS = (
    Plot("Effects", "effects.png", effects.effect_panels, factor_figures.draw_effects, captions.about_effects),
    Plot("By amount", "amounts.png", effects.scale_panels, factor_figures.draw_scales, captions.about_scales),
    Plot(
        "Score by factor",
        "factors.png",
        series.factor_scores,
        factor_figures.draw_factor_scores,
        captions.about_factor_scores,
    ),
    Plot(
        "Backbone and loss",
        "backbone-loss.png",
        series.score_grid,
        factor_figures.draw_score_grid,
        captions.about_score_grid,
    ),
    Plot("Search progress", "progress.png", series.progress, figures.draw_progress, captions.about_progress),
    Plot("Tuners", "tuners.png", tuners.compare_tuners, tuners.draw_tuners, tuners.about_tuners),
    Plot(
        "Training curves",
        "curves.png",
        series.learning_curves,
        figures.draw_learning_curves,
        captions.about_learning_curves,
    ),
    Plot(
        "Quality against cost",
        "cost.png",
        series.quality_against_cost,
        figures.draw_quality_against_cost,
        captions.about_quality_against_cost,
    ),
    Plot(
        "Worst, median and best prediction",
        "overlays.jpg",
        pictures.overlays,
        panels.draw_overlays,
        captions.about_overlays,
    ),
    Plot(
        "Augmentation",
        "augmentation.jpg",
        pictures.augmentation_grid,
        panels.draw_augmentation_grid,
        captions.about_augmentation_grid,
    ),
)
DATA_PLOTS = (
    Plot("Sample pictures", "samples.jpg", pictures.samples, panels.draw_samples, captions.about_samples),
    Plot(
        "Foreground share",
        "foreground.png",
        series.foreground_shares,
        figures.draw_foreground_shares,
        captions.about_foreground_shares,
    ),
)


def shown(plot: Plot, run: Run, rows: Sequence[Row], directory: Path) -> Iterator[str]:
    """A plot with its heading and sentence, or the reason why it is left out."""
    path = f"figures/{plot.file}"
    sentence = _draw(plot, run, rows, directory / path)
    yield f"### {plot.title}"
    if isinstance(sentence, Missing):
        yield left_out("figure", sentence.reason)
    else:
        yield markdown.image(plot.title, path)
        yield markdown.text(sentence)


def left_out(what: str, reason: str) -> str:
    return f"*No {what}: {markdown.text(reason)}.*"


def _draw(plot: Plot, run: Run, rows: Sequence[Row], path: Path) -> str | Missing:
    """Draws one plot into `path` and returns its sentence, or why there is none."""
    import matplotlib

    numbers = plot.numbers(run, rows)
    if isinstance(numbers, Missing):
        return numbers
    with matplotlib.rc_context(style.RC):
        style.save(plot.draw(numbers), path)
    return plot.say(numbers)
