"""The ranking at full precision, for the files of tables/."""

from collections.abc import Mapping

from bench.analysis.final_evaluation import Finals
from bench.analysis.labels import role_title
from bench.analysis.run_analysis import Analysis
from bench.report.sections.metrics import METRICS, probability_records


def candidate_records(found: Analysis, held: Finals) -> list[Mapping[str, object]]:
    rows: list[Mapping[str, object]] = [
        {
            "rank": held.rank_of(each),
            "candidate": each.label,
            "roles": ", ".join(map(role_title, each.candidate.roles)),
            "study_id": each.candidate.study_id,
            "trial_id": each.candidate.trial_id,
            "iou": each.score,
            "iou_low": each.interval.low,
            "iou_high": each.interval.high,
            "best_probability": each.first_probability,
            **{name: each.metrics.get(name) for name in METRICS},
            "background_share": held.background_share,
            **probability_records(found.probabilities.get(each.candidate.name)),
            "test_iou": each.test,
            "test_iou_low": each.test_interval.low if each.test_interval else None,
            "test_iou_high": each.test_interval.high if each.test_interval else None,
            "search_iou": each.candidate.search_iou,
            "num_params": each.num_params,
            "train_s": each.train_s,
            "latency_s": each.latency_s,
            "peak_memory_bytes": each.peak_memory_bytes,
        }
        for each in held.standings
    ]
    choice = found.delivered
    if choice is not None:
        rows.append(
            {
                "candidate": choice.label,
                "roles": "delivered",
                "iou": choice.iou,
                "test_iou": choice.test,
                "latency_s": choice.latency_s,
                "iou_low": choice.interval.low if choice.interval else None,
                "iou_high": choice.interval.high if choice.interval else None,
                "test_iou_low": choice.test_interval.low if choice.test_interval else None,
                "test_iou_high": choice.test_interval.high if choice.test_interval else None,
                **{name: choice.metrics.get(name) for name in METRICS},
            }
        )
    rows += [
        {
            "candidate": each.label,
            "roles": "baseline",
            "iou": each.score,
            "iou_low": each.interval.low,
            "iou_high": each.interval.high,
            "test_iou": each.test,
            "test_iou_low": each.test_interval.low if each.test_interval else None,
            "test_iou_high": each.test_interval.high if each.test_interval else None,
            **{name: each.metrics.get(name) for name in METRICS},
            "background_share": held.background_share,
        }
        for each in held.references
    ]
    rows += [
        {
            "rank": each.rank,
            "candidate": each.label,
            "roles": "other tool",
            "iou": each.score,
            "iou_low": each.interval.low if each.interval else None,
            "iou_high": each.interval.high if each.interval else None,
            "test_iou": each.test,
            "test_iou_low": each.test_interval.low if each.test_interval else None,
            "test_iou_high": each.test_interval.high if each.test_interval else None,
            **{name: each.metrics.get(name) for name in METRICS},
            "background_share": held.background_share if each.whole else None,
        }
        for each in held.external.standings
    ]
    if held.annotators:
        rows.append({"candidate": held.annotators.label, "roles": "annotators", "iou": held.annotators.iou})
    return rows


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
