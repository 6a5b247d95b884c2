"""The first screen of several runs: which candidate is best on average, or on each data set, and how sure that is."""

from collections.abc import Iterator

from bench.analysis.across_runs import Across, RankTable
from bench.analysis.final_evaluation import Finals
from bench.analysis.labels import role_title
from bench.analysis.pooled_runs import DataSet
from bench.evaluation.ranks import FEWEST, Ranks
from bench.formats import listing, plural, rounded
from bench.report import estimates
from bench.report.blocks import (
    Banner,
    Colour,
    Tile,
    VerdictCard,
)

MOST_TILES = 4


def verdict(compared: Across) -> VerdictCard:
    kind, badge = _kind(compared)
    answer, *sure = headline(compared).split("; ", 1)
    return VerdictCard(
        kind=kind,
        badge=badge,
        answer=f"{answer.removesuffix('.')}.",
        reasons=(*(f"{said[:1].upper()}{said[1:]}" for said in sure), *qualifications(compared)),
        tiles=tuple(_tiles(compared)),
    )


def _kind(compared: Across) -> tuple[Colour, str]:
    table = compared.configurations if compared.configurations.ranks else compared.roles
    ranks = table.ranks
    if ranks is not None:
        ahead = ranks.can_tell and all(pair.is_significant for pair in ranks.pairs if pair.first == 0)
        return ("good", "clear winner") if ahead else ("unsure", "no clear winner")
    held = [each.held for each in compared.datasets if isinstance(each.held, Finals)]
    if not held:
        return "unsure", "not confirmed"
    return ("good", "clear winner") if all(each.winner for each in held) else ("unsure", "no clear winner")


def _tiles(compared: Across) -> Iterator[Tile]:
    """How good the best candidate is on each data set; with one data set also on the held-out test images."""
    held = [(each.label, each.held) for each in compared.datasets if isinstance(each.held, Finals)]
    for data, found in held[:MOST_TILES]:
        leader = found.ranking[0]
        yield Tile(
            estimates.digits(leader.score, leader.interval),
            f"IoU of the best on {data}",
            estimates.limits(leader.interval),
        )
    if len(held) == 1:
        yield from _more_of_one(held[0][1])


def _more_of_one(found: Finals) -> Iterator[Tile]:
    leader = found.ranking[0]
    if leader.test is not None and leader.test_interval is not None:
        held_out = estimates.digits(leader.test, leader.test_interval)
        yield Tile(held_out, "IoU, held-out test set", estimates.limits(leader.test_interval))
    best = max(found.references, key=lambda each: each.score, default=None)
    if best is not None:
        yield Tile(rounded(best.score), f"IoU of the best baseline without a model: {best.label}")


def banners(compared: Across) -> Iterator[Banner]:
    for each in compared.found:
        if each.run.record.status != "finished":
            yield Banner(f"Run {each.label} is not finished (status: {each.run.record.status}).", "runs")


def headline(compared: Across) -> str:
    """The best average rank; of one data set its ranking's leader; without final evaluations, what is compared in
    their place."""
    table = compared.configurations if compared.configurations.ranks else compared.roles
    if table.ranks is not None:
        return leader(table, table.ranks)
    held = [each for each in compared.datasets if isinstance(each.held, Finals)]
    if not held:
        return (
            "No run has a final evaluation: single trainings are compared, the best of each search, on the held-out "
            "test images."
        )
    several = len(compared.datasets) > 1
    return " ".join((f"{each.label}: " if several else "") + winner(each, compared) for each in held)


def winner(each: DataSet, compared: Across) -> str:
    held = compared.ranking_on(each)
    first = held.ranking[0]
    score = estimates.score(first.score, first.interval)
    if held.winner:
        return (
            f"{first.label} is significantly better than every other candidate: {held.held_out} IoU {score}."
            f"{_beside_other_tools(held)}"
        )
    tied = [one.label for one in held.ranking if one.group == 1 and one is not first]
    said = f", statistically tied with {listing(tied)}" if tied else ""
    return f"{first.label} leads with {held.held_out} IoU {score}{said}.{_beside_other_tools(held)}"


def _beside_other_tools(found: Finals) -> str:
    """How the best model of another tool compares with the leading candidate; '' without one."""
    best = next((each for each in found.external.ranking if each.whole), None)
    if best is None or best.leader_ahead is None or best.score is None:
        return ""
    by = best.leader_ahead.reversed()
    return (
        f" {best.label}, of another tool, scores {rounded(best.score)} on the same images: "
        f"{estimates.difference(by)} against it."
    )


def leader(table: RankTable, ranks: Ranks) -> str:
    first = [
        name for name, average in zip(table.candidates, ranks.average, strict=False) if average == ranks.average[0]
    ]
    over = f"average rank, {ranks.average[0]:.2f} of {table.complete} over {plural(ranks.num_datasets, 'data set')}"
    if len(first) > 1:
        return f"{listing([role_title(name) for name in first])} share the best {over}: none is ahead."
    line = f"{role_title(table.candidates[0])} has the best {over}, and is first on {ranks.wins[0]:g}"
    if not ranks.can_tell:
        return f"{line}; with so few data sets no difference is significant."
    level = [
        role_title(table.candidates[pair.second]) for pair in ranks.pairs if pair.first == 0 and not pair.is_significant
    ]
    said = (
        "it differs significantly from every other"
        if not level
        else f"it does not differ significantly from {listing(level)}"
    )
    return f"{line}; {said} (5 %, Holm)."


def qualifications(compared: Across) -> list[str]:
    """Sentences that stand under the headline."""
    without = [each.label for each in compared.datasets if not isinstance(each.held, Finals)]
    held = len(compared.datasets) - len(without)
    lines = []
    if held and without:
        lines.append(f"Without a final evaluation, and so without a rank: {listing(without)}.")
    if held == 1:
        lines.append("The final evaluation on one data set says nothing about others.")
    if held > 1 and compared.configurations.ranks is None:
        lines.append(
            f"Fewer than two configurations were evaluated on all {held} data sets; the search's choice and the "
            f"recipes are ranked instead."
        )
    ranks = compared.configurations.ranks or compared.roles.ranks
    return [*lines, *([_power(ranks)] if ranks else [])]


def _power(ranks: Ranks) -> str:
    """What the tests could have shown, said before what they show."""
    pairs, n = plural(len(ranks.pairs), "pair"), ranks.num_datasets
    if n < FEWEST:
        return (
            f"{plural(n, 'data set')} are too few for a test over data sets (fewer than {FEWEST}): ranks describe "
            f"these data sets and no others."
        )
    if not ranks.can_tell:
        return (
            f"If one candidate were ahead of another on all {n} data sets, Wilcoxon's p for {pairs}, corrected, would "
            f"still be {ranks.smallest_p:.3f}: no pair "
            "can differ significantly."
        )
    apart = sum(pair.is_significant for pair in ranks.pairs)
    return (
        f"By Wilcoxon's signed-rank test over {n} data sets, corrected by Holm, {apart} of {pairs} differ "
        f"significantly."
    )
