"""Several runs on one page: average ranks over data sets, the search against the recipes, and each data set's
ranking."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bench.analysis.across_runs import CHOICE, Across, RankTable
from bench.analysis.final_evaluation import Finals
from bench.analysis.labels import role_title
from bench.analysis.pooled_runs import DataSet
from bench.evaluation.ranks import FEWEST, Ranks
from bench.formats import MISSING, decimals, limits, listing, plural, rounded, signed, signed_within, within
from bench.records import DEFAULT
from bench.report.blocks import (
    Banner,
    Block,
    Colour,
    Column,
    Data,
    Figure,
    Folded,
    Heading,
    NextSteps,
    Step,
    Table,
    Tile,
    VerdictCard,
    paragraph,
)
from bench.report.figures.ranks import draw_ranks
from bench.report.sections.ranking import candidate_table
from bench.report.sections.search import label


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
        ahead = ranks.can_tell and all(pair.apart for pair in ranks.pairs if pair.first == 0)
        return ("good", "clear winner") if ahead else ("unsure", "no clear winner")
    held = [each.held for each in compared.datasets if isinstance(each.held, Finals)]
    if not held:
        return "unsure", "not confirmed"
    return ("good", "clear winner") if all(each.winner for each in held) else ("unsure", "no clear winner")


MOST_TILES = 4


def _tiles(compared: Across) -> Iterator[Tile]:
    """How good the best candidate is on each data set; with one data set also on the held-out test images."""
    held = [(each.label, each.held) for each in compared.datasets if isinstance(each.held, Finals)]
    for data, found in held[:MOST_TILES]:
        leader = found.standings[0]
        low, high = leader.interval.low, leader.interval.high
        yield Tile(rounded(leader.score, decimals(low, high)), f"IoU of the best on {data}", limits(low, high))
    if len(held) == 1:
        yield from _more_of_one(held[0][1])


def _more_of_one(found: Finals) -> Iterator[Tile]:
    leader = found.standings[0]
    if leader.test is not None and leader.test_interval is not None:
        low, high = leader.test_interval.low, leader.test_interval.high
        yield Tile(rounded(leader.test, decimals(low, high)), "IoU, held-out test set", limits(low, high))
    best = max(found.references, key=lambda each: each.score, default=None)
    if best is not None:
        yield Tile(rounded(best.score), f"IoU of the best baseline without a model: {best.label}")


def banners(compared: Across) -> Iterator[Banner]:
    for each in compared.found:
        if each.run.record.status != "finished":
            yield Banner(f"Run {each.label} is not finished (status: {each.run.record.status}).", "runs")


def next_steps(compared: Across) -> NextSteps:
    return NextSteps(tuple(_steps(compared)))


def _steps(compared: Across) -> Iterator[Step]:
    for each in compared.found[:MOST_TILES]:
        name = shlex.quote(each.run.record.name)
        if each.run.delivery is not None:
            yield Step(f"Use the model of {each.label}", f"python -m bench predict {name} photos -o masks")
    first = shlex.quote(compared.found[0].run.record.name)
    yield Step(
        "See one run in full", f"python -m bench report {first}", "Its page has predictions, factors and the search."
    )
    if len(compared.datasets) < FEWEST:
        yield Step(
            "Compare on more data sets",
            "python -m bench run --data photos",
            f"From {FEWEST} data sets on, average ranks can be tested." if len(compared.datasets) > 1 else "",
        )


def _beside_other_tools(found: Finals) -> str:
    """How the best model of another tool compares with the leading candidate; '' without one."""
    best = next((each for each in found.external.standings if each.whole), None)
    if best is None or best.leader_ahead is None or best.score is None:
        return ""
    by = best.leader_ahead.turned()
    return (
        f" {best.label}, of another tool, scores {rounded(best.score)} on the same images: "
        f"{signed_within(by.value, by.interval.low, by.interval.high)} against it."
    )


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
    return " ".join((f"{each.label}: " if several else "") + _winner(each, compared) for each in held)


def _winner(each: DataSet, compared: Across) -> str:
    held = relabelled(each, compared)
    first = held.standings[0]
    score = within(first.score, first.interval.low, first.interval.high)
    if held.winner:
        return (
            f"{first.label} is significantly better than every other candidate: {held.held_out} IoU {score}."
            f"{_beside_other_tools(held)}"
        )
    tied = [one.label for one in held.standings if one.group == 1 and one is not first]
    said = f", statistically tied with {listing(tied)}" if tied else ""
    return f"{first.label} leads with {held.held_out} IoU {score}{said}.{_beside_other_tools(held)}"


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


def leader(table: RankTable, ranks: Ranks) -> str:
    first = [
        name for name, average in zip(table.candidates, ranks.average, strict=False) if average == ranks.average[0]
    ]
    over = f"average rank, {ranks.average[0]:.2f} of {table.complete} over {plural(ranks.num_datasets, 'data set')}"
    if len(first) > 1:
        return f"{listing([_named(name) for name in first])} share the best {over}: none is ahead."
    line = f"{_named(table.candidates[0])} has the best {over}, and is first on {ranks.wins[0]:g}"
    if not ranks.can_tell:
        return f"{line}; with so few data sets no difference is significant."
    level = [_named(table.candidates[pair.second]) for pair in ranks.pairs if pair.first == 0 and not pair.apart]
    said = (
        "it differs significantly from every other"
        if not level
        else f"it does not differ significantly from {listing(level)}"
    )
    return f"{line}; {said} (5 %, Holm)."


def _named(candidate: str) -> str:
    return role_title(candidate)


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
    apart = sum(pair.apart for pair in ranks.pairs)
    return (
        f"By Wilcoxon's signed-rank test over {n} data sets, corrected by Holm, {apart} of {pairs} differ "
        f"significantly."
    )


def runs(compared: Across) -> Iterator[Block]:
    trials = sum(each.trials for each in compared.found)
    finding = f"{plural(len(compared.found), 'run')} with {plural(trials, 'trial')}."
    yield Folded("Runs", finding, tuple(_runs(compared)), "runs")


def _runs(compared: Across) -> Iterator[Block]:
    yield paragraph(
        "The best trial of each search has the highest validation IoU, which is optimistically biased; the held-out "
        "test images were scored afterwards, with "
        "the interval over images of one training."
    )
    columns = (
        Column("Run", "run"),
        Column("Data", "data"),
        Column("Trials", "trials", number=True),
        Column("Candidates × folds × seeds", "held", wide=True),
        Column("Best of the search", "configuration"),
        Column(
            "Validation IoU", "val_iou", lambda value: rounded(value if isinstance(value, float) else None), number=True
        ),
        Column("Held-out test set", "test", number=True),
    )
    records: list[Mapping[str, object]] = []
    for each in compared.found:
        best, record = each.best, each.run.finals
        test = (best.test or {}).get("iou") if best else None
        interval = best.test_interval if best else None
        records.append(
            {
                "run": each.label,
                "data": each.dataset,
                "data_fingerprint": each.run.dataset.fingerprint,
                "split_fingerprint": each.run.split.fingerprint,
                "trials": each.trials,
                "study_id": best.trial.study_id if best else None,
                "trial_id": best.trial.trial_id if best else None,
                "val_iou": best.iou if best else None,
                "test_iou": test,
                "test_iou_low": interval.low if interval else None,
                "test_iou_high": interval.high if interval else None,
                "held": f"{len(record.candidates)} × {record.folds} × {len(record.seeds)}" if record else MISSING,
                "configuration": label(best) if best else MISSING,
                "test": within(test, interval.low, interval.high) if test is not None and interval else rounded(test),
            }
        )
    yield Table("Runs", columns, records)
    page_only = ("held", "configuration", "test")
    yield Data(
        "runs.csv",
        [{key: value for key, value in record.items() if key not in page_only} for record in records],
        ("run",),
    )


def ranks(compared: Across) -> Iterator[Block]:
    if len(compared.standings) < 2:
        return
    yield Heading("Across data sets", anchor="across")
    yield paragraph(
        "Cross-validated IoU of the final evaluations. Candidates are matched by their hyperparameters, models of other "
        "tools by their name; only those evaluated on every data set are ranked. Wins are "
        "first places, shared where scores are equal."
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


def _pairs(table: RankTable, ranks: Ranks) -> list[Mapping[str, object]]:
    return [
        {
            "first": _named(table.candidates[pair.first]),
            "second": _named(table.candidates[pair.second]),
            "median_difference": pair.difference,
            "p": pair.p,
            "p_holm": pair.p_holm,
        }
        for pair in ranks.pairs
    ]


def _table(table: RankTable, name: str) -> Table:
    ranks = table.ranks
    columns = (
        Column("Candidate", "name"),
        Column(
            "Average rank", "average", lambda value: rounded(value if isinstance(value, float) else None), number=True
        ),
        Column("Wins", "wins", lambda value: f"{value:g}" if isinstance(value, float | int) else MISSING, number=True),
        *(
            Column(
                data, f"data {number}", lambda value: rounded(value if isinstance(value, float) else None), number=True
            )
            for number, data in enumerate(table.datasets)
        ),
    )
    records = [
        {
            "name": _named(name),
            "average": ranks.average[place] if ranks and place < table.complete else None,
            "wins": ranks.wins[place] if ranks and place < table.complete else None,
        }
        | {f"data {number}": score for number, score in enumerate(table.scores[place])}
        for place, name in enumerate(table.candidates)
    ]
    return Table(name, columns, records)


def _diagram(table: RankTable, name: str, title: str) -> Iterator[Block]:
    if table.ranks is not None:
        yield Figure(name, title, about_ranks(table, table.ranks), lambda: draw_ranks(table))


def about_ranks(table: RankTable, ranks: Ranks) -> str:
    """The sentence under the diagram."""
    first, last = (
        f"{ranks.average[place]:.2f} ({_named(table.candidates[place])})" for place in (0, table.complete - 1)
    )
    line = f"Average ranks go from {first} to {last}"
    if ranks.friedman_p is not None:
        line += f"; the hypothesis that all are equal has p {_p(ranks.friedman_p)} (Friedman)"
    if not ranks.can_tell:
        return f"{line}. The bar joins all: with so few data sets no difference is significant."
    apart = sum(pair.apart for pair in ranks.pairs)
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


MOST_OPEN = 3
"""So many data sets stand open; of more, each is folded."""


def data_sets(compared: Across) -> Iterator[Block]:
    for number, each in enumerate(compared.datasets, start=1):
        blocks = tuple(_data_set(each, compared))
        if len(compared.datasets) <= MOST_OPEN:
            yield Heading(f"Ranking on {each.label}", anchor=f"data-set-{number}")
            yield from blocks
        else:
            yield Folded(f"Ranking on {each.label}", _finding(each, compared), blocks, f"data-set-{number}")
    if compared.standings:
        yield Data("candidates.csv", _candidates(compared), ("data", "candidate"), "Every candidate")


def _finding(each: DataSet, compared: Across) -> str:
    return _winner(each, compared) if isinstance(each.held, Finals) else f"no final evaluation: {each.held.reason}."


def _data_set(each: DataSet, compared: Across) -> Iterator[Block]:
    if not isinstance(each.held, Finals):
        yield paragraph(f"No final evaluation: {each.held.reason}.")
        return
    found = relabelled(each, compared)
    held = [name for name, run in each.runs.items() if run.finals]
    pooled = f" of the runs {listing(held)} together" if len(held) > 1 else ""
    yield paragraph(
        f"The final evaluation{pooled}: {plural(len(found.standings), 'candidate')} on "
        f"{plural(found.comparison.num_images, 'image')} with "
        f"{plural(len(found.seeds), 'seed')} each. Candidates with the same rank do not differ significantly from "
        f"the best of that rank (5 %, Holm)."
    )
    yield candidate_table(found, name=f"Ranking of the candidates and baselines on {each.label}")


def relabelled(each: DataSet, compared: Across) -> Finals:
    """The final evaluation of a data set with the labels of this page."""
    assert isinstance(each.held, Finals)
    named = tuple(replace(standing, label=name) for name, standing in compared.standings[each.label].items())
    return replace(each.held, standings=named)


def _candidates(compared: Across) -> list[Mapping[str, object]]:
    own = [
        {
            "data": data,
            "candidate": name,
            "roles": ", ".join(map(role_title, each.candidate.roles)),
            "rank": compared.held_on(data).rank_of(each),
            "iou": each.score,
            "iou_low": each.interval.low,
            "iou_high": each.interval.high,
            "best_probability": each.first_probability,
            "test_iou": each.test,
            **each.candidate.hyperparameters,
        }
        for data, of in compared.standings.items()
        for name, each in of.items()
    ]
    others = [
        {
            "data": data,
            "candidate": each.label,
            "roles": "other tool",
            "rank": each.rank,
            "iou": each.score,
            "iou_low": each.interval.low if each.interval else None,
            "iou_high": each.interval.high if each.interval else None,
            "test_iou": each.test,
        }
        for data in compared.standings
        for each in compared.held_on(data).external.standings
    ]
    return [*own, *others]


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.3f}"
