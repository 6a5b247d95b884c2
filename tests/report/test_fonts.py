"""Names of classes in any script, in the pictures of the markdown page: letters or a number, never boxes,
and no warning."""

import warnings

import numpy as np
import pytest

from bench.analysis.pictures import Case, Overlays
from bench.report.figures import fonts
from bench.report.figures.overlays import draw_overlays
from bench.report.figures.style import drawn, to_jpg, to_svg, written

NAMES = ("裂纹", "شرخ", "दरार", "🔥", "Riß")
"""Crack in Chinese, Arabic and Hindi, an emoji, crack in German."""


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch):
    """A machine that has nothing but what comes with Matplotlib."""
    monkeypatch.setattr(fonts, "_installed", dict)
    fonts._families.cache_clear()
    yield
    fonts._families.cache_clear()


def overlays() -> Overlays:
    blank = np.zeros((8, 8), np.uint8)
    case = Case(
        title="Best", id="照片/一.jpg", iou=0.5, image=np.zeros((8, 8, 3), np.uint8), truth=blank, outcome=blank
    )
    return Overlays(label="model", classes=NAMES, num_images=1, cases=(case,))


def legend_of(figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


@pytest.mark.usefixtures("no_fonts")
def test_names_that_no_font_has_are_numbers_in_pictures_and_themselves_in_the_page() -> None:
    figure = drawn(lambda: draw_overlays(overlays()))
    assert [name for name in legend_of(figure) if name != "found"][-5:] == [
        "class 1",
        "شرخ",
        "class 3",
        "class 4",
        "Riß",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert to_jpg(figure)[:2] == b"\xff\xd8"
    (label,) = [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()]
    assert label == "??/?.jpg"


@pytest.mark.usefixtures("no_fonts")
def test_svg_keeps_every_name_as_text_for_the_browsers_fonts() -> None:
    from bench.report.figures.style import new_figure

    figure = new_figure(2)
    figure.subplots().set_title(" ".join(NAMES))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page = to_svg(figure, "f", {}, "label")
    assert all(name in page for name in NAMES)


def test_a_font_of_this_machine_that_has_the_letters_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.font_manager import FontProperties, findfont

    path = findfont(FontProperties(family="STIXGeneral"))
    letter = min(fonts._letters(path) - fonts._letters_of_family())
    monkeypatch.setattr(fonts, "_installed", lambda: {"STIXGeneral": path})
    fonts._families.cache_clear()
    assert fonts._families(frozenset({letter, "裂"})) == ((fonts.FAMILY, "STIXGeneral"), frozenset({"裂"}))
    assert fonts._families(frozenset()) == ((fonts.FAMILY,), frozenset())
    fonts._families.cache_clear()
    assert written("dent", "class 1") == "dent"
