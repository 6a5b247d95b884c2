"""Several runs to their common page: the sections in order. Nothing is written here."""

from collections.abc import Iterator, Sequence

from bench.analysis.across_runs import Across, across
from bench.formats import plural
from bench.records import Run
from bench.report.blocks import Block, Folded, Heading, Link, Page, Pair, Paragraph
from bench.report.page import BROWSER_PAGE
from bench.report.sections.across.average_ranks import ranks
from bench.report.sections.across.data_sets import data_sets
from bench.report.sections.across.next_steps import next_steps
from bench.report.sections.across.runs import runs
from bench.report.sections.across.verdict import banners, headline, verdict


def compose_across(of: Sequence[Run], name: str) -> Page:
    """Raises StoreError where runs of one data set do not compare."""
    compared = across(of)
    card = verdict(compared)
    return Page(
        title=name,
        facts=f"{plural(len(of), 'run')} on {plural(len(compared.datasets), 'data set')}",
        answer=f"{card.badge.capitalize()}. {headline(compared)}",
        blocks=tuple(_blocks(compared)),
        brief=tuple(_brief(compared)),
        summary={"kind": card.badge},
    )


def _blocks(compared: Across) -> Iterator[Block]:
    yield from banners(compared)
    yield Pair(verdict(compared), next_steps(compared))
    yield from ranks(compared)
    yield from data_sets(compared)
    yield from runs(compared)


def _brief(compared: Across) -> Iterator[Block]:
    yield verdict(compared)
    yield from banners(compared)
    yield Heading("Next steps")
    yield next_steps(compared)
    for block in (*ranks(compared), *data_sets(compared), *runs(compared)):
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
