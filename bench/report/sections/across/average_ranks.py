"""Candidates over data sets: average ranks, the search against the recipes, and which differ significantly."""

from collections.abc import Iterator, Mapping

from bench.analysis.across_runs import CHOICE, Across, RankTable
from bench.analysis.labels import role_title
from bench.evaluation.ranks import Ranks
from bench.formats import MISSING, plural, signed
from bench.records import DEFAULT
from bench.report import cells
from bench.report.blocks import (
    Block,
    Column,
    Data,
    Figure,
    Heading,
    Table,
    paragraph,
)
from bench.report.figures.ranks import draw_ranks


def ranks(compared: Across) -> Iterator[Block]:
    if len(compared.ranking) < 2:
        return
    yield Heading("Across data sets", anchor="across")
    yield paragraph(
        "Cross-validated IoU of the final evaluations. Candidates are matched by their hyperparameters, models of "
        "other tools by their name; only those evaluated on every data set are ranked. Wins are first places, shared "
        "where scores are equal."
    )
    yield _table(compared.configurations, "Average ranks")
    yield from _diagram(compared.configurations, "ranks", "Average ranks")
    yield Heading("The search against the recipes", level=3)
    yield paragraph(
        f"What each search chose, taken as one candidate: {CHOICE} is the candidate with the best validation IoU in "
        f"the search, named before the final evaluation."
    )
    yield _table(compared.roles, "Average ranks of the search and the recipes")
    gain = _gain(compared.roles)
    if gain:
        yield paragraph(gain)
    yield from _diagram(compared.roles, "roles", "Average ranks of the search and the recipes")
    for name, table in (("configurations", compared.configurations), ("roles", compared.roles)):
        if table.ranks is not None:
            yield Data(f"pairs-of-{name}.csv", _pairs(table, table.ranks), ("first", "second"))


def _table(table: RankTable, name: str) -> Table:
    ranks = table.ranks
    columns = (
        Column("Candidate", "name"),
        Column("Average rank", "average", cells.rounded, number=True),
        Column("Wins", "wins", lambda value: f"{value:g}" if isinstance(value, float | int) else MISSING, number=True),
        *(Column(data, f"data {number}", cells.rounded, number=True) for number, data in enumerate(table.datasets)),
    )
    records = [
        {
            "name": role_title(name),
            "average": ranks.average[place] if ranks and place < table.complete else None,
            "wins": ranks.wins[place] if ranks and place < table.complete else None,
        }
        | {f"data {number}": score for number, score in enumerate(table.scores[place])}
        for place, name in enumerate(table.candidates)
    ]
    return Table(name, columns, records)


def _pairs(table: RankTable, ranks: Ranks) -> list[Mapping[str, object]]:
    return [
        {
            "first": role_title(table.candidates[pair.first]),
            "second": role_title(table.candidates[pair.second]),
            "median_difference": pair.difference,
            "p": pair.p,
            "p_holm": pair.p_holm,
        }
        for pair in ranks.pairs
    ]


def _diagram(table: RankTable, name: str, title: str) -> Iterator[Block]:
    if table.ranks is not None:
        yield Figure(name, title, about_ranks(table, table.ranks), lambda: draw_ranks(table))


def about_ranks(table: RankTable, ranks: Ranks) -> str:
    """The sentence under the diagram."""
    first, last = (
        f"{ranks.average[place]:.2f} ({role_title(table.candidates[place])})" for place in (0, table.complete - 1)
    )
    line = f"Average ranks go from {first} to {last}"
    if ranks.friedman_p is not None:
        line += f"; the hypothesis that all are equal has p {_p(ranks.friedman_p)} (Friedman)"
    if not ranks.can_tell:
        return f"{line}. The bar joins all: with so few data sets no difference is significant."
    apart = sum(pair.is_significant for pair in ranks.pairs)
    bars = (
        "; a bar joins neighbours that do not differ significantly"
        if any(len(group) > 1 for group in ranks.groups)
        else ""
    )
    return f"{line}. {apart} of {plural(len(ranks.pairs), 'pair')} differ significantly (Wilcoxon, Holm, 5 %){bars}."


def _gain(table: RankTable) -> str:
    """How far the search's choice is ahead of the default configuration, data set by data set."""
    if not {CHOICE, DEFAULT} <= set(table.candidates):
        return ""
    chosen, default = (table.scores[table.candidates.index(name)] for name in (CHOICE, DEFAULT))
    gains = [a - b for a, b in zip(chosen, default, strict=True) if a is not None and b is not None]
    if not gains:
        return ""
    ahead, level = sum(gain > 0 for gain in gains), sum(gain == 0 for gain in gains)
    same = f", equal on {level}" if level else ""
    return (
        f"The search's choice is ahead of the default configuration on {ahead} of "
        f"{plural(len(gains), 'data set')}{same}, "
        f"by {signed(sum(gains) / len(gains))} on average ({signed(min(gains))} to {signed(max(gains))})."
    )


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.3f}"
