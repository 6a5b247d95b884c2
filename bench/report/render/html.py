"""Blocks to one file for a browser: nothing is loaded from anywhere, text is escaped by the template, scripts and
styles are named by hash."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bench import formats
from bench.formats import printable
from bench.report.blocks import Column, Data, Dots, Figure, Folded, Heading, Interval, Page, Picture, Table
from bench.report.render.csv import to_csv

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_HERE = Path(__file__).parent

EMBED_BYTES = 150_000
"""A larger CSV file stays beside the page, which links to it."""

DRAWN_PX = 160
"""Width of a drawn cell."""


def to_html(page: Page) -> str:
    from markupsafe import Markup

    style, script = (_asset(name) for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri "
        f"'none'; form-action 'none'"
    )
    return _environment().get_template("page.html.j2").render(
        page=page, policy=policy, style=Markup(style), script=Markup(script), contents=tuple(contents(page))
    )  # fmt: skip


def contents(page: Page) -> Iterator[tuple[str, str]]:
    """Anchor and title of each section, those that are folded too."""
    for block in page.blocks:
        if isinstance(block, Heading) and block.level == 2 and block.anchor:
            yield block.anchor, block.text
        elif isinstance(block, Folded) and block.anchor:
            yield block.anchor, block.title


_UNIT = re.compile(r"(?<=\d) (?=%|ms\b|s\b|min\b|h\b|px\b|M\b|MB\b|GiB\b)")


def prose(text: str) -> str:
    """A sentence in which no line ends between a number and its unit."""
    return _UNIT.sub("\N{NO-BREAK SPACE}", text)


@cache
def _environment() -> "Environment":
    """Everything that a template writes is escaped, strings of records above all; only what this module marks is
    not."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: object) -> object:
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
    )
    environment.tests["a"] = lambda value, name: type(value).__name__ == name
    environment.filters["prose"] = prose
    environment.globals.update(
        scale=scale,
        chart=chart,
        picture=picture,
        download=download,
        json_of=json_of,
        target=target,
        spoken=spoken,
        is_drawn=is_drawn,
    )
    return environment


def _asset(name: str) -> str:
    return (_HERE / "assets" / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def json_of(data: Mapping[str, object]) -> "Markup":
    """JSON inside a script element: no '<', so that nothing in it ends the element."""
    from markupsafe import Markup

    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def target(link: str) -> str:
    """Of a link, if it stays on the page or in the report's folder; else nowhere."""
    from urllib.parse import quote

    outside = link.startswith("/") or ".." in Path(link).parts or ":" in link or "\\" in link
    return "#" if outside else quote(link, safe="#/")


def chart(figure: Figure) -> "Markup":
    """The figure as an SVG element whose colours follow the theme."""
    from markupsafe import Markup

    from bench.report.figures.style import drawn, to_svg

    return Markup(to_svg(drawn(figure.draw), figure.name, dict(figure.titles), figure.title))


def picture(of: Picture) -> str:
    """A photograph as a data URI."""
    from bench.report.figures.photos import webp

    return webp(of.pixels)


@dataclass(frozen=True, slots=True)
class Download:
    name: str
    href: str
    rows: int


def download(data: Data) -> Download:
    content = to_csv(data).encode("utf-8")
    if len(content) > EMBED_BYTES:
        return Download(data.file, f"tables/{data.file}", len(data.records))
    return Download(
        data.file, f"data:text/csv;charset=utf-8;base64,{base64.b64encode(content).decode()}", len(data.records)
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """Positions in a drawn cell for the values from `low` to `high`."""

    low: float
    high: float

    def x(self, value: float) -> str:
        """In pixels, with one decimal."""
        share = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1.0)
        return f"{formats.settled(6 + share * (DRAWN_PX - 12)):.1f}"

    @property
    def ticks(self) -> Sequence[float]:
        """Round values, three to six of them."""
        width = self.high - self.low
        step = next((each for each in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if width / each <= 5), 1.0)
        first = -(-self.low // step)
        return [
            step * (first + number) for number in range(int(width / step) + 1) if step * (first + number) <= self.high
        ]


def scale(table: Table, column: Column) -> Scale:
    """From the values that the column draws: IoUs from 0, differences on both sides of 0."""
    values: list[float] = []
    for record in table.records:
        cell = record.get(column.key)
        for own in (cell, getattr(cell, "also", None)):
            if isinstance(own, Interval):
                values += [value for value in (own.value, own.low, own.high) if value is not None]
            elif isinstance(own, Dots):
                values += own.values
    values += [] if column.mark is None else [column.mark]
    low, high = min(values, default=0.0), max(values, default=1.0)
    if column.mark is None:  # a score
        return Scale(0.0, min(1.0, max(0.05, 1.04 * high)))
    room = 0.05 * (high - low) or 0.05
    return Scale(low - room, high + room)


def spoken(cell: Interval | Dots) -> str:
    """A drawn cell for a screen reader."""
    if isinstance(cell, Dots):
        return (
            f"{formats.plural(len(cell.values), 'score')}, {_from_to(min(cell.values), max(cell.values))}"
            if cell.values
            else "no score"
        )
    if cell.value is None:
        return "no score"
    own = formats.rounded(cell.value)
    return own if cell.low is None or cell.high is None else f"{own}, 95 % interval {_from_to(cell.low, cell.high)}"


def _from_to(low: float, high: float) -> str:
    return f"{formats.rounded(low)} to {formats.rounded(high)}"


def is_drawn(table: Table, column: Column) -> bool:
    """Whether a column's cells are pictures."""
    return any(isinstance(record.get(column.key), Interval | Dots) for record in table.records)
