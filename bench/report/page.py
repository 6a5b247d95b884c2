"""A run to its page: the sections in order. Nothing is written here."""

from collections.abc import Iterator

from bench.analysis.run_analysis import Analysis
from bench.report.blocks import Block, Heading, Link, Page, Pair, Paragraph
from bench.report.sections import factors, predictions, ranking
from bench.report.sections.banners import banners
from bench.report.sections.certainty import certainty
from bench.report.sections.data import data
from bench.report.sections.failures import failures
from bench.report.sections.metrics import metrics
from bench.report.sections.next_steps import next_steps
from bench.report.sections.search import search
from bench.report.sections.setup import setup
from bench.report.sections.summary import facts_line, in_one_line, summary
from bench.report.sections.verdict import verdict

BROWSER_PAGE = "leaderboard.html"


def compose(found: Analysis) -> Page:
    """What the page of a run says; figures are drawn when it is rendered."""
    return Page(
        title=found.run.record.name,
        facts=facts_line(found),
        answer=in_one_line(found),
        blocks=tuple(_blocks(found)),
        brief=tuple(_brief(found)),
        summary=summary(found),
    )


def _blocks(found: Analysis) -> Iterator[Block]:
    yield from banners(found)
    yield Pair(verdict(found), next_steps(found))
    yield from ranking.ranking(found)
    yield from predictions.predictions(found)
    yield from factors.factors(found)
    yield Heading("Details")
    for section in (certainty, metrics, search, data, failures, setup):
        yield from section(found)


def _brief(found: Analysis) -> Iterator[Block]:
    """The markdown page: verdict, ranking, next steps, pictures, and where the rest is."""
    yield verdict(found)
    yield from banners(found)
    yield Heading("Next steps")
    yield next_steps(found)
    yield from ranking.brief(found)
    yield from factors.brief(found)
    yield from predictions.brief(found)
    yield Heading("Everything else")
    yield Paragraph(
        (
            "Predictions of any two models side by side, comparison by factor, statistics, search, data and setup: ",
            Link(BROWSER_PAGE, BROWSER_PAGE),
            ". Every table is in ",
            Link("tables/", "tables/"),
            ".",
        )
    )
