"""The ranking at full precision, for the files of tables/."""

from collections.abc import Mapping

from bench.analysis.decision import Choice
from bench.analysis.external import RankedTool
from bench.analysis.final_evaluation import Finals, RankedBaseline, RankedCandidate
from bench.analysis.labels import role_title
from bench.analysis.leaderboard import Metrics
from bench.analysis.run_analysis import Analysis
from bench.evaluation.statistics import Interval
from bench.report.sections.metrics import METRICS, probability_records


def candidate_records(found: Analysis, held: Finals) -> list[Mapping[str, object]]:
    """Every row of the ranking: candidates, which have all columns, the delivered model, baselines, models of other
    tools and people."""
    rows = [_candidate(each, found, held) for each in held.ranking]
    if found.delivered is not None:
        rows.append(_delivered(found.delivered))
    rows += [_baseline(each, held) for each in held.references]
    rows += [_other_tool(each, held) for each in held.external.ranking]
    if held.annotators:
        rows.append({"candidate": held.annotators.label, "roles": "annotators", "iou": held.annotators.iou})
    return rows


def _candidate(each: RankedCandidate, found: Analysis, held: Finals) -> Mapping[str, object]:
    return {
        "rank": held.rank_of(each),
        "candidate": each.label,
        "roles": ", ".join(map(role_title, each.candidate.roles)),
        "study_id": each.candidate.study_id,
        "trial_id": each.candidate.trial_id,
        **_with_limits("iou", each.score, each.interval),
        "best_probability": each.first_probability,
        **_metrics(each.metrics),
        "background_share": held.background_share,
        **probability_records(found.probabilities.get(each.candidate.name)),
        **_with_limits("test_iou", each.test, each.test_interval),
        "search_iou": each.candidate.search_iou,
        "num_params": each.num_params,
        "train_s": each.train_s,
        "latency_s": each.latency_s,
        "peak_memory_bytes": each.peak_memory_bytes,
    }


def _delivered(choice: Choice) -> Mapping[str, object]:
    return {
        "candidate": choice.label,
        "roles": "delivered",
        "latency_s": choice.latency_s,
        **_with_limits("iou", choice.iou, choice.interval),
        **_with_limits("test_iou", choice.test, choice.test_interval),
        **_metrics(choice.metrics),
    }


def _baseline(each: RankedBaseline, held: Finals) -> Mapping[str, object]:
    return {
        "candidate": each.label,
        "roles": "baseline",
        **_with_limits("iou", each.score, each.interval),
        **_with_limits("test_iou", each.test, each.test_interval),
        **_metrics(each.metrics),
        "background_share": held.background_share,
    }


def _other_tool(each: RankedTool, held: Finals) -> Mapping[str, object]:
    return {
        "rank": each.rank,
        "candidate": each.label,
        "roles": "other tool",
        **_with_limits("iou", each.score, each.interval),
        **_with_limits("test_iou", each.test, each.test_interval),
        **_metrics(each.metrics),
        "background_share": held.background_share if each.whole else None,
    }


def _with_limits(name: str, value: float | None, interval: Interval | None) -> Mapping[str, object]:
    low, high = (interval.low, interval.high) if interval else (None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _metrics(values: Metrics) -> Mapping[str, object]:
    return {name: values.get(name) for name in METRICS}


def pair_records(held: Finals) -> list[Mapping[str, object]]:
    return [
        {
            "first": a.label,
            "second": b.label,
            "difference": d.value,
            "low": d.interval.low,
            "high": d.interval.high,
            "p": d.p,
            "p_holm": p,
            "detectable": d.detectable,
        }
        for a, b, d, p in held.pairs
    ]
