"""Colours of the page for weak eyes, in both themes and on paper. axe-core looks at the rest in a browser
(`test_html.py`); it does not know the contrast of marks, nor that of text which no test's page happens to show."""

import re
from pathlib import Path

import pytest

STYLE = Path(__file__).parents[2] / "bench" / "report" / "render" / "assets" / "page.css"

TEXT = 4.5
"""Contrast that WCAG 2.1 AA asks of text."""

GRAPHICS = 3.0
"""Of large text, and of lines and marks that carry meaning."""


def palettes() -> dict[str, dict[str, str]]:
    """Theme -> variable -> colour: the light one, and over it the dark one, as the button and
    as the system choose it, and that of print."""
    blocks = re.findall(r"(:root[^{]*)\{([^{}]*)\}", STYLE.read_text(encoding="utf-8"))
    read = [(head.strip(), dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", body))) for head, body in blocks]
    (light,) = [colours for head, colours in read if head == ":root"]
    themes = {"light": light}
    themes |= {head: light | colours for head, colours in read if head != ":root" and colours}
    return themes


def contrast(first: str, second: str) -> float:
    """WCAG 2.1: 1 to 21."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", palettes())
def test_text_and_marks_stand_out_from_what_is_behind_them(theme: str) -> None:
    colour = palettes()[theme]
    grounds = ("paper", "band", "good-ground", "unsure-ground", "bad-ground")
    pairs = [(front, ground, TEXT) for front in ("ink", "muted") for ground in grounds]
    pairs += [("link", ground, TEXT) for ground in ("paper", "band", "unsure-ground")]
    pairs += [("paper", badge, TEXT) for badge in ("good", "unsure", "bad", "muted")]
    pairs += [(f"c{number}", "paper", GRAPHICS) for number in range(7)]
    weak = {(front, ground): round(contrast(colour[front], colour[ground]), 2) for front, ground, least in pairs
            if contrast(colour[front], colour[ground]) < least}  # fmt: skip
    assert weak == {}


def test_both_ways_into_the_dark_theme_have_its_colours_and_paper_has_the_light_ones() -> None:
    light, *others = palettes().values()
    dark = [colours for colours in others if colours != light]
    assert len(dark) == 2
    assert dark[0] == dark[1]
    assert len(others) == 3
