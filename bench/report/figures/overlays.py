"""Predictions laid over their images, for the markdown page: the worst, the median and the best."""

from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.pictures import (
    BACKGROUND,
    FALSE_ALARM,
    MISSED,
    PADDING,
    RIGHT,
    WRONG_CLASS,
    Case,
    Overlays,
)
from bench.formats import shortened
from bench.report.figures.style import MUTED, PADDING_GREY, WIDTH_IN, new_figure, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

OUTCOMES = {
    RIGHT: ("found", "#56B4E9"),
    FALSE_ALARM: ("false alarm", "#D55E00"),
    MISSED: ("missed", "#F0E442"),
    WRONG_CLASS: ("wrong class", "#CC79A7"),
}
"""Told apart by hue and by lightness, on a picture without colours of its own."""

CLASSES = ("#009E73", "#E69F00", "#0072B2", "#CC79A7", "#56B4E9", "#D55E00")

_KEYS = {"frameon": False, "fontsize": 8.5, "handlelength": 1.2, "columnspacing": 1.5}


def draw_overlays(series: Overlays) -> "Figure":
    """A row a case: the image, the true classes, and what became of each pixel, with the outline of the truth in
    white."""
    figure = new_figure(len(series.cases) * (WIDTH_IN / 3 + 0.12) + 0.3, WIDTH_IN)
    grid = figure.subplots(len(series.cases), 3, squeeze=False)
    for line, case in zip(grid, series.cases, strict=True):
        pictures = (_greyed(case.image, case), _truth(case), _prediction(case))
        titles = (f"{case.title}: IoU {case.iou:.3f}", "Truth", "Prediction")
        for axes, picture, title in zip(line, pictures, titles, strict=True):
            _show(axes, picture)
            axes.set_title(title, fontsize=9, fontweight="bold" if axes is line[0] else "normal")
        _outline(line[2], np.where(case.outcome == PADDING, BACKGROUND, case.truth))
        line[0].set_xlabel(shortened(case.id, 44), fontsize=7.5, color=MUTED, labelpad=2)
    found = {int(code) for case in series.cases for code in np.unique(case.outcome)}
    keys = [_key(colour, name) for code, (name, colour) in OUTCOMES.items() if code in found]
    figure.legend(handles=keys, loc="outside lower right", ncols=len(keys), **_KEYS)
    if len(series.classes) > 1:
        names = [
            _key(_class_colour(number), written(name, f"class {number}"))
            for number, name in enumerate(series.classes, start=1)
        ]
        figure.legend(handles=names, loc="outside upper right", ncols=min(len(names), 6), **_KEYS)
    return figure


def _truth(case: Case) -> np.ndarray:
    picture = _dimmed(case.image)
    for class_id in np.unique(case.truth[case.truth > 0]):
        picture = _painted(picture, case.truth == class_id, _class_colour(int(class_id)))
    return _greyed(picture, case)


def _prediction(case: Case) -> np.ndarray:
    picture = _dimmed(case.image)
    for code, (_, colour) in OUTCOMES.items():
        picture = _painted(picture, case.outcome == code, colour)
    return _greyed(picture, case)


def _dimmed(image: np.ndarray) -> np.ndarray:
    """Grey and a little dark, so that the only colours are those laid over it."""
    grey = image.astype(float) @ (0.299, 0.587, 0.114)
    return np.repeat((0.65 * grey)[..., None], 3, axis=2).astype(np.uint8)


def _painted(picture: np.ndarray, where: np.ndarray, colour: str, strength: float = 0.85) -> np.ndarray:
    painted = picture.copy()
    painted[where] = ((1 - strength) * picture[where] + strength * np.array(_rgb(colour))).astype(np.uint8)
    return painted


def _greyed(picture: np.ndarray, case: Case) -> np.ndarray:
    return _painted(picture, case.outcome == PADDING, PADDING_GREY, strength=1.0)


def _class_colour(class_id: int) -> str:
    return CLASSES[(class_id - 1) % len(CLASSES)]


def _key(colour: str, name: str) -> "Patch":
    from matplotlib.patches import Patch

    return Patch(facecolor=colour, edgecolor="#888888", label=shortened(name, 24))


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def _show(axes: "Axes", picture: np.ndarray) -> None:
    axes.imshow(picture, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _outline(axes: "Axes", classes: np.ndarray) -> None:
    foreground = classes != BACKGROUND
    if foreground.any() and not foreground.all():
        axes.contour(foreground, levels=[0.5], colors="white", linewidths=1.1)
