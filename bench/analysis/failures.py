"""Why a trial has no score that counts, in one line."""

from collections import Counter
from collections.abc import Sequence

from bench import formats
from bench.analysis.leaderboard import Row
from bench.evaluation.collapse import collapse_of_trial
from bench.formats import fraction
from bench.records import COLLAPSED, COMPLETED, FAILED, PRUNED, STOPPED

_REASON_LENGTH = 100


def why_unfinished(row: Row) -> str:
    """The whole reason on one line; '' for a trial that completed with a score and found foreground."""
    trial = row.trial
    if trial.status == STOPPED:
        reached = "" if row.iou is None else f" at validation IoU {fraction(row.iou)}"
        by = (
            error_line(trial.error)
            if trial.error
            else f"{row.tuner} after {trial.epochs_run} of {formats.plural(trial.epochs_planned, 'epoch')}"
        )
        return f"stopped by {by}{reached}"
    if trial.status == COLLAPSED:
        reached = "" if row.iou is None else f"; best validation IoU {fraction(row.iou)}"
        return f"stopped as collapsed: {error_line(trial.error)}{reached}"
    if trial.status == PRUNED:
        return f"{error_line(trial.error)}; validation IoU {fraction(row.iou)}"
    if trial.status != COMPLETED:
        return error_line(trial.error)
    if row.iou is None:
        return "completed without a validation IoU"
    if row.collapsed:
        return f"collapsed: {collapse_of_trial(trial)} in its best epoch"
    return ""


def repeated_errors(rows: Sequence[Row]) -> list[tuple[str, int]]:
    """Errors that several trials failed with, cut to a line, most frequent first."""
    failed = Counter(cut(error_line(row.trial.error)) for row in rows if row.trial.status == FAILED)
    return [(error, count) for error, count in failed.most_common() if count > 1]


def error_line(error: str | None) -> str:
    """What an error says: the last line of a traceback, else all of it on one line."""
    lines = [line.strip() for line in (error or "").splitlines() if line.strip()]
    if not lines:
        return "no reason was recorded"
    return lines[-1] if lines[0].startswith("Traceback") else " ".join(lines)


def cut(reason: str) -> str:
    """At most a line."""
    return reason if len(reason) <= _REASON_LENGTH else f"{reason[: _REASON_LENGTH - 1]}…"
