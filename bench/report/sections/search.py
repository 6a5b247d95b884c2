"""The search, folded: its best trials, how it went, which hyperparameters matter, its tuners and rungs."""

from collections.abc import Iterator

from bench import formats
from bench.analysis.run_analysis import Analysis
from bench.formats import plural
from bench.records import COMPLETED
from bench.report.blocks import Block, Folded
from bench.report.sections.best_trials import best_trials
from bench.report.sections.importance import importance
from bench.report.sections.progress import progress
from bench.report.sections.rungs import rungs
from bench.report.sections.tuners import tuners


def search(found: Analysis) -> Iterator[Block]:
    if not found.rows:
        return
    parts = (best_trials, progress, importance, tuners, rungs)
    blocks = tuple(block for part in parts for block in part(found))
    yield Folded("The search", _finding(found), blocks, "search")


def _finding(found: Analysis) -> str:
    counts = found.counts
    parts = [f"{count} {status.word}" for status, count in counts.items() if count or status == COMPLETED]
    best = (
        f"; best validation IoU {formats.rounded(found.ranked[0].iou)}, {found.ranked[0].model}" if found.ranked else ""
    )
    return f"{plural(len(found.rows), 'trial')}: {', '.join(parts)}{best}."
