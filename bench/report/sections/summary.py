"""The verdict in a line and for programs: for the list of reports, the end of a run and summary.json."""

from datetime import datetime

from bench import formats
from bench.analysis.final_evaluation import Finals
from bench.analysis.labels import configuration_label
from bench.analysis.run_analysis import Analysis
from bench.evaluation.statistics import Interval
from bench.formats import first_few, plural, shortened
from bench.records import Candidate
from bench.report import estimates
from bench.report.sections.verdict import answer, how_scored

UNNAMED = "foreground"
"""What a data set calls its only class where nothing names it."""

FIRST = 5
"""Rows of the ranking in a summary."""

LONGEST_CLASSES = 60
"""Characters of the names of classes above the page."""


def in_one_line(found: Analysis) -> str:
    """The verdict as the list of reports and the end of a run print it."""
    decision = found.decision
    choice = decision.choice
    said = f"{decision.kind.capitalize()}. {answer(decision)}"
    if choice is None:
        return f"{said} {decision.reason}".strip()
    scores = [
        f"{estimates.score(value, interval)} {where}"
        for value, interval, where in (
            (choice.iou, choice.interval, how_scored(found)),
            (choice.test, choice.test_interval, "on the held-out test set"),
        )
        if value is not None
    ]
    if choice.is_refit:
        scores.reverse()
    return f"{said} IoU {'; '.join(scores)}." if scores else said


def facts_line(found: Analysis) -> str:
    run = found.run
    day = datetime.fromisoformat(run.record.started_at)
    status = "" if run.record.status == "finished" else f" · {run.record.status}"
    named = [name for name in run.dataset.classes if name != UNNAMED]
    classes = f" ({shortened(first_few(named), LONGEST_CLASSES)})" if named else ""
    held_out = f", {len(run.split.test)} held out" if run.split.test else ""
    return (
        f"{run.dataset.name}{classes} · {plural(run.dataset.num_images, 'image')}{held_out} · "
        f"{day.day} {day:%b %Y} · "
        f"{formats.duration(run.record.wall_s)} on {run.environment.device}{status}"
    )


def summary(found: Analysis) -> dict[str, object]:
    """The verdict and the first of the ranking for programs, at full precision."""
    decision, choice = found.decision, found.decision.choice
    facts: dict[str, object] = {"kind": decision.kind, "model": None, "iou": None, "ranking": _first_ranked(found)}
    if choice is None:
        return facts
    return facts | {
        "model": choice.label,
        "iou": choice.iou,
        "iou_low": choice.interval.low if choice.interval else None,
        "iou_high": choice.interval.high if choice.interval else None,
        "test_iou": choice.test,
    }


def _first_ranked(found: Analysis) -> list[dict[str, object]]:
    """Candidates of the final evaluation and then baselines, or trials where there was none: `FIRST` of them."""
    if isinstance(found.final, Finals):
        candidates = [
            _ranked(found.final.rank_of(each), each.label, each.score, each.interval, each.test, each.latency_s)
            for each in found.final.ranking
        ]
        best_first = sorted(found.final.references, key=lambda each: -each.score)
        baselines = [_ranked(None, each.label, each.score, each.interval, each.test, None) for each in best_first]
        return [*candidates, *baselines][:FIRST]
    return [
        _ranked(
            row.rank,
            configuration_label(Candidate(name=row.name, roles=(), hyperparameters=row.trial.hyperparameters)),
            row.iou,
            None,
            (row.test or {}).get("iou"),
            row.trial.latency_s,
        )
        for row in found.ranked[:FIRST]
    ]


def _ranked(
    rank: int | None,
    model: str,
    iou: float | None,
    interval: Interval | None,
    test: float | None,
    latency_s: float | None,
) -> dict[str, object]:
    return {
        "rank": rank,
        "model": model,
        "iou": iou,
        "iou_low": interval.low if interval else None,
        "iou_high": interval.high if interval else None,
        "test_iou": test,
        "latency_s": latency_s,
    }
