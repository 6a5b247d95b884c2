"""Several runs to their common page: the sections in order. Nothing is written here."""

from collections.abc import Iterator, Sequence

from bench.analysis.across_runs import Across, across
from bench.formats import plural
from bench.records import Run
from bench.report.blocks import Block, Folded, Heading, Link, Page, Pair, Paragraph
from bench.report.page import BROWSER_PAGE
from bench.report.sections import across as sections


def compose_across(runs: Sequence[Run], name: str) -> Page:
    """Raises StoreError where runs of one data set do not compare."""
    compared = across(runs)
    card = sections.verdict(compared)
    return Page(
        title=name,
        facts=f"{plural(len(runs), 'run')} on {plural(len(compared.datasets), 'data set')}",
        answer=f"{card.badge.capitalize()}. {sections.headline(compared)}",
        blocks=tuple(_blocks(compared)),
        brief=tuple(_brief(compared)),
        summary={"kind": card.badge},
    )


def _blocks(compared: Across) -> Iterator[Block]:
    yield from sections.banners(compared)
    yield Pair(sections.verdict(compared), sections.next_steps(compared))
    yield from sections.ranks(compared)
    yield from sections.data_sets(compared)
    yield from sections.runs(compared)


def _brief(compared: Across) -> Iterator[Block]:
    yield sections.verdict(compared)
    yield from sections.banners(compared)
    yield Heading("Next steps")
    yield sections.next_steps(compared)
    for block in (*sections.ranks(compared), *sections.data_sets(compared), *sections.runs(compared)):
        yield from unfolded(block)
    yield Heading("Everything else")
    yield Paragraph(
        (
            "The same with tables that sort: ",
            Link(BROWSER_PAGE, BROWSER_PAGE),
            ". Every table is in ",
            Link("tables/", "tables/"),
            ".",
        )
    )


def unfolded(block: Block) -> Iterator[Block]:
    """Markdown folds nothing: a heading in its place."""
    if isinstance(block, Folded):
        yield Heading(block.title)
        yield from block.blocks
    else:
        yield block
