"""The committed page with a keyboard, a screen reader and weak eyes: names, headings, landmarks and contrast, in both themes.

What axe-core would find serious in the page's markup and palette, without a browser. What scripts add is looked at in `test_html.py`.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "reports" / "reference" / "leaderboard.html"
STYLE = ROOT / "bench" / "report" / "render" / "assets" / "page.css"

VOID = {"meta", "link", "img", "input", "br", "hr", "wbr"}
CONTROLS = {"button", "select", "input", "a", "summary"}

TEXT = 4.5
"""Contrast that WCAG 2.1 AA asks of text."""

GRAPHICS = 3.0
"""Of large text, and of lines and marks that carry meaning."""


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    parent: "Element | None"
    children: list["Element"] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def get(self, name: str) -> str:
        return self.attributes.get(name, "")

    def within(self) -> "list[Element]":
        """This element and all below it, in their order."""
        return [self, *(each for child in self.children for each in child.within())]

    def text(self) -> str:
        """What is read aloud of it; text among children is taken as if it came first."""
        pictures = [self.get("alt"), self.get("aria-label")]
        own = "".join(self.words).strip()
        return " ".join(filter(None, [own, *pictures, *(child.text() for child in self.children)]))

    def above(self) -> "list[Element]":
        return [] if self.parent is None else [self.parent, *self.parent.above()]


class Reader(HTMLParser):
    """A page as a tree. Chart elements of XML close themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.root = self.open = Element("document", {}, None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self.open)
        self.open.children.append(element)
        if tag not in VOID:
            self.open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.children.append(Element(tag, {name: value or "" for name, value in attrs}, self.open))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.tag == tag, f"</{tag}> closes <{self.open.tag}>"
            assert self.open.parent is not None
            self.open = self.open.parent

    def handle_data(self, data: str) -> None:
        self.open.words.append(data)


@pytest.fixture(scope="module")
def elements() -> list[Element]:
    reader = Reader()
    reader.feed(PAGE.read_text(encoding="utf-8"))
    assert reader.open is reader.root
    return reader.root.within()


def of(elements: list[Element], *tags: str) -> list[Element]:
    return [each for each in elements if each.tag in tags]


def test_the_page_has_a_language_a_title_and_its_landmarks_once(elements: list[Element]) -> None:
    (html,) = of(elements, "html")
    assert html.get("lang") == "en"
    assert of(elements, "title")[0].text()
    for landmark in ("header", "main", "nav", "h1"):
        assert len(of(elements, landmark)) == 1, landmark
    assert of(elements, "nav")[0].get("aria-label")
    (viewport,) = [each for each in of(elements, "meta") if each.get("name") == "viewport"]
    assert "user-scalable" not in viewport.get("content")
    assert "maximum-scale" not in viewport.get("content")


def test_everything_visible_stands_in_a_landmark(elements: list[Element]) -> None:
    (body,) = of(elements, "body")
    assert {each.tag for each in body.children if each.get("class") != "skip"} <= {"header", "main", "script"}


def test_no_level_of_headings_is_passed_over(elements: list[Element]) -> None:
    levels = [int(each.tag[1]) for each in elements if re.fullmatch(r"h[1-6]", each.tag)]
    assert levels[0] == 1
    assert [(a, b) for a, b in pairwise(levels) if b > a + 1] == []
    assert all(each.text() for each in elements if re.fullmatch(r"h[1-6]", each.tag))


def test_an_id_stands_once_and_whatever_names_one_finds_it(elements: list[Element]) -> None:
    ids = Counter(each.get("id") for each in elements if each.get("id"))
    assert [name for name, count in ids.items() if count > 1] == []
    named = [each.get(kind) for each in elements for kind in ("aria-labelledby", "aria-describedby", "for")]
    anchors = [each.get("href")[1:] for each in of(elements, "a") if each.get("href").startswith("#")]
    assert anchors
    assert [name for text in (*named, *anchors) for name in text.split() if name not in ids] == []


def test_every_picture_says_what_it_shows(elements: list[Element]) -> None:
    assert [each.get("src")[:40] for each in of(elements, "img") if "alt" not in each.attributes] == []
    charts = [each for each in of(elements, "svg") if each.get("aria-hidden") != "true"]
    assert charts
    unnamed = [each for each in charts if each.get("role") != "img" or not each.get("aria-label").strip()]
    assert [each.attributes for each in unnamed] == []


def test_every_control_has_a_name(elements: list[Element]) -> None:
    labelled = {each.get("for") for each in of(elements, "label")}
    unnamed = [
        each
        for each in of(elements, *CONTROLS)
        if not each.text()
        and each.get("id") not in labelled
        and not any(above.tag == "label" and above.text() for above in each.above())
    ]
    assert [(each.tag, each.attributes) for each in unnamed] == []
    assert not [each for each in elements if each.get("tabindex") not in ("", "0", "-1")]


def test_no_control_stands_in_another(elements: list[Element]) -> None:
    nested = [
        each for each in of(elements, *CONTROLS) if any(above.tag in CONTROLS - {"summary"} for above in each.above())
    ]
    assert [(each.tag, each.attributes) for each in nested] == []


def test_what_scrolls_can_be_reached_with_a_keyboard_and_has_a_name(elements: list[Element]) -> None:
    scrolling = [each for each in of(elements, "div") if {"table", "chart"} & set(each.get("class").split())]
    assert scrolling
    assert all(each.get("tabindex") == "0" and each.get("role") == "region" for each in scrolling)
    assert all(each.get("aria-label") for each in scrolling)
    assert all(each.get("tabindex") == "0" for each in of(elements, "pre"))


def test_every_column_of_a_table_has_a_heading(elements: list[Element]) -> None:
    for table in of(elements, "table"):
        heads = [each for each in table.within() if each.tag == "th"]
        assert all(each.get("scope") and each.text() for each in heads)
        rows = [each for each in table.within() if each.tag == "tr"]
        assert {len([cell for cell in row.children if cell.tag in ("td", "th")]) for row in rows} == {len(heads)}


def test_lists_hold_items_alone(elements: list[Element]) -> None:
    for each in of(elements, "ul", "ol"):
        assert {child.tag for child in each.children} <= {"li"}
    for each in of(elements, "dl"):
        assert {child.tag for child in each.children} <= {"div", "dt", "dd"}


def palettes() -> dict[str, dict[str, str]]:
    """Theme -> variable -> colour: the light one, and over it the dark one, as the button and as the system choose it, and that of print."""
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
