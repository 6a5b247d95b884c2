"""Blocks to markdown that reads well raw and on GitHub. Text is escaped here, so that no name of a record can break
the page."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from bench.formats import printable
from bench.report.blocks import (
    Banner,
    Block,
    Code,
    Facts,
    Figure,
    Heading,
    Inline,
    Items,
    Link,
    Listing,
    NextSteps,
    Page,
    Paragraph,
    Strong,
    Table,
    VerdictCard,
)

_MEANT_BY_MARKDOWN = re.compile(r"[\\`*|<>~]|(?<=\])(?=\()|(?<![^\W_])_|_(?![^\W_])")


def text(value: object) -> str:
    """One line in which nothing is markup: line breaks become spaces, characters with a meaning are escaped."""
    line = " ".join(printable(str(value)).split())
    return _MEANT_BY_MARKDOWN.sub(lambda match: f"\\{match.group()}", line)


def to_markdown(page: Page) -> str:
    blocks = [f"# {text(page.title)}", text(page.facts), *map(block, page.brief)]
    return "\n\n".join(part for part in blocks if part) + "\n"


def block(of: Block) -> str:
    """One block; '' for one that only a browser shows."""
    match of:
        case Heading():
            return f"{'#' * of.level} {text(of.text)}"
        case Paragraph():
            return _inline(of.parts)
        case Items():
            return "\n".join(f"- {_inline(item)}" for item in of.items)
        case Facts():
            return "\n".join(f"- **{text(name)}:** {text(value)}" for name, value in of.pairs)
        case Listing():
            return fence(of.text, of.language)
        case Table():
            return _table(of)
        case Figure():
            return f"{image(of.title, figure_path(of))}\n\n{text(of.caption)}"
        case Banner():
            return f"**Note:** {text(of.text)}"
        case VerdictCard():
            return _verdict(of)
        case NextSteps():
            return "\n\n".join(f"{text(step.title)}:\n\n{fence(step.command, 'sh')}" for step in of.steps)
        case _:
            return ""


def figure_path(figure: Figure) -> str:
    """Where the figure of a markdown page lies in the report's folder."""
    return f"figures/{figure.name}.{'jpg' if figure.photo else 'png'}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> str:
    """A pipe table, padded to be read raw. `right` are the numbers of the columns that align right; cells are
    escaped."""
    from tabulate import tabulate

    align = ["right" if index in right else "left" for index in range(len(head))]
    cells = [[text(cell) for cell in row] for row in rows]
    return tabulate(cells, headers=list(map(text, head)), tablefmt="pipe", disable_numparse=True, colalign=align)


def fence(content: str, language: str = "") -> str:
    """Content as it is, between fences longer than any run of backticks in it."""
    content = printable(content)
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{language}\n{content.rstrip()}\n{marks}"


def code(value: str) -> str:
    """Between more backticks than it has."""
    line = " ".join(printable(value).split()) or " "
    marks = "`" * (1 + max((len(run) for run in re.findall(r"`+", line)), default=0))
    pad = " " if "`" in line else ""
    return f"{marks}{pad}{line}{pad}{marks}"


def image(alternative: str, path: str) -> str:
    return f"![{text(alternative)}]({quote(path)})"


def link(label: str, path: str) -> str:
    return f"[{text(label)}]({quote(path, safe='/#')})"


def _inline(parts: Sequence[Inline]) -> str:
    return "".join(map(_part, parts))


def _part(part: Inline) -> str:
    match part:
        case Code():
            return code(part.text)
        case Strong():
            return f"**{text(part.text)}**"
        case Link():
            return link(part.text, part.target)
        case _:
            escaped = text(part)  # a part that begins or ends with a space keeps it
            return f"{' ' if part[:1] == ' ' else ''}{escaped}{' ' if part[-1:] == ' ' and len(part) > 1 else ''}"


def _table(of: Table) -> str:
    shown = [column for column in of.shown if not _is_drawn(of, column.key)]
    head = [column.title for column in shown]
    rows = [[_cell(record.get(column.key), column.text(record)) for column in shown] for record in of.records]
    return table(head, rows, right=[place for place, column in enumerate(shown) if column.number])


def _is_drawn(of: Table, key: str) -> bool:
    from bench.report.blocks import Dots, Interval

    return any(isinstance(record.get(key), Interval | Dots) for record in of.records)


def _cell(value: object, shown: str) -> str:
    badges = getattr(value, "badges", ())
    return f"{shown} ({', '.join(badges)})" if badges else shown


def _verdict(of: VerdictCard) -> str:
    tiles = table([tile.label for tile in of.tiles], [[_tile(tile.value, tile.detail) for tile in of.tiles]])
    said = " ".join(map(text, of.reasons))
    return "\n\n".join(
        filter(None, [f"**{text(of.badge.capitalize())}.** **{text(of.answer)}**", tiles if of.tiles else "", said])
    )


def _tile(value: str, detail: str) -> str:
    return f"{value} ({detail})" if detail else value
