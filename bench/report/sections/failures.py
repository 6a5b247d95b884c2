"""Trials and trainings that failed, collapsed, were stopped or pruned, with their reasons."""

from collections.abc import Iterator

from bench import formats
from bench.analysis.failures import cut, error_line, repeated_errors, why_unfinished
from bench.analysis.final_evaluation import Finals
from bench.analysis.leaderboard import Row
from bench.analysis.run_analysis import Analysis
from bench.formats import plural
from bench.records import TROUBLES
from bench.report.blocks import Block, Column, Data, Folded, Items, Table, paragraph
from bench.report.sections.best_trials import label

MOST = 50
"""So many stand on the page; the file has all."""


def failures(found: Analysis) -> Iterator[Block]:
    troubled = [row for row in found.rows if why_unfinished(row)]
    out = found.final.out
    if not troubled and not out:
        return
    yield Folded("Failures", _finding(found), tuple(_blocks(found, troubled)), "failures")


def _finding(found: Analysis) -> str:
    counts = found.counts
    parts = [f"{counts[status]} {status.reason}" for status in TROUBLES if counts[status]]
    trials = f"Of {plural(len(found.rows), 'trial')}, {formats.listing(parts)}. " if parts else ""
    out = f"Left out of the final evaluation: {', '.join(found.final.out)}." if found.final.out else ""
    return f"{trials}{out}".strip()


def _blocks(found: Analysis, troubled: list[Row]) -> Iterator[Block]:
    out = found.final.out
    if out:
        where = (
            "the final evaluation" if isinstance(found.final, Finals) else "a final evaluation that came to no ranking"
        )
        yield paragraph(f"Left out of {where}:")
        yield Items(tuple((f"{name}: {cut(error_line(reason))}",) for name, reason in out.items()))
    if not troubled:
        return
    repeated = repeated_errors(troubled)
    if repeated:
        yield Items(tuple((f"{count} times: {error}",) for error, count in repeated))
    columns = (
        Column("Trial", "trial"),
        Column("Status", "status"),
        Column("Configuration", "configuration"),
        Column("Reason", "reason"),
    )
    records = [
        {
            "trial": row.name,
            "status": row.trial.status.word,
            "configuration": label(row),
            "reason": cut(why_unfinished(row)),
        }
        for row in troubled[:MOST]
    ]
    yield Table("Trials that did not complete with a score", columns, records)
    whole = [
        {
            "study_id": row.trial.study_id,
            "trial_id": row.trial.trial_id,
            "status": row.trial.status,
            "configuration": label(row),
            "reason": why_unfinished(row),
            "error": row.trial.error,
        }
        for row in troubled
    ]
    yield Data("unfinished.csv", whole, (), "All of them with whole error texts")
