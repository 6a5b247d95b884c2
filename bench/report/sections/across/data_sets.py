"""Each data set's ranking."""

from collections.abc import Iterator, Mapping

from bench.analysis.across_runs import Across
from bench.analysis.final_evaluation import Finals
from bench.analysis.labels import role_title
from bench.analysis.pooled_runs import DataSet
from bench.formats import listing, plural
from bench.report.blocks import (
    Block,
    Data,
    Folded,
    Heading,
    paragraph,
)
from bench.report.sections.across.verdict import winner
from bench.report.sections.candidate_table import candidate_table

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
    if compared.ranking:
        yield Data("candidates.csv", candidate_records(compared), ("data", "candidate"), "Every candidate")


def _finding(each: DataSet, compared: Across) -> str:
    return winner(each, compared) if isinstance(each.held, Finals) else f"no final evaluation: {each.held.reason}."


def _data_set(each: DataSet, compared: Across) -> Iterator[Block]:
    if not isinstance(each.held, Finals):
        yield paragraph(f"No final evaluation: {each.held.reason}.")
        return
    found = compared.ranking_on(each)
    held = [name for name, run in each.runs.items() if run.finals]
    pooled = f" of the runs {listing(held)} together" if len(held) > 1 else ""
    yield paragraph(
        f"The final evaluation{pooled}: {plural(len(found.ranking), 'candidate')} on "
        f"{plural(found.comparison.num_images, 'image')} with "
        f"{plural(len(found.seeds), 'seed')} each. Candidates with the same rank do not differ significantly from "
        f"the best of that rank (5 %, Holm)."
    )
    yield candidate_table(found, name=f"Ranking of the candidates and baselines on {each.label}")


def candidate_records(compared: Across) -> list[Mapping[str, object]]:
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
        for data, of in compared.ranking.items()
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
        for data in compared.ranking
        for each in compared.held_on(data).external.ranking
    ]
    return [*own, *others]
