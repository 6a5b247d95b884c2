"""Markdown that reads well raw and on GitHub: text is escaped here, so what a trial or a file is called cannot break a page."""

import re
from collections.abc import Sequence
from urllib.parse import quote

_MEANT_BY_MARKDOWN = re.compile(r"[\\`*|<>~]|(?<=\])(?=\()|(?<![^\W_])_|_(?![^\W_])")


def text(value: object) -> str:
    """One line in which nothing is markup: line breaks become spaces, characters with a meaning are escaped."""
    line = " ".join(str(value).split())
    return _MEANT_BY_MARKDOWN.sub(lambda match: f"\\{match.group()}", line)


def table(head: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> str:
    """A pipe table, padded to be read raw. `right` are the numbers of the columns that align right; cells are escaped."""
    from tabulate import tabulate

    align = ["right" if index in right else "left" for index in range(len(head))]
    cells = [[text(cell) for cell in row] for row in rows]
    return tabulate(cells, headers=list(head), tablefmt="pipe", disable_numparse=True, colalign=align)


def details(summary: str, body: str) -> str:
    """A part that stays folded on GitHub. `body` is markdown."""
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def fence(content: str, language: str = "") -> str:
    """Content as it is, between fences longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{language}\n{content.rstrip()}\n{marks}"


def image(alternative: str, path: str) -> str:
    return f"![{text(alternative)}]({quote(path)})"


def link(label: str, path: str) -> str:
    return f"[{text(label)}]({quote(path)})"
