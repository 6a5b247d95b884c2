"""Models of other tools in the ranking: scored once from their masks, on the images of the candidates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.leaderboard import Metrics, score_interval
from bench.evaluation.metrics import pool, summarise
from bench.evaluation.resampling import SEED, counts_array
from bench.evaluation.statistics import Comparison, Difference, Interval, compare
from bench.records import OUT_OF_FOLD, ClassCounts, Evaluation, ExternalRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedTool:
    """A model of another tool. `score` is its IoU out of fold, pooled over the `images` that it was given for; `whole`
    if these are all on which the candidates are ranked, and only then it has a `rank` (from 1, among candidates and
    other tools together). Differences are paired by image: `leader_ahead` is the leading candidate minus it,
    `to_default` it minus the default configuration. What was not given is None."""

    record: ExternalRecord
    rank: int | None
    whole: bool
    images: int
    score: float | None
    interval: Interval | None
    metrics: Metrics
    test: float | None
    test_interval: Interval | None
    leader_ahead: Difference | None
    to_default: Difference | None

    @property
    def label(self) -> str:
        return self.record.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Externals:
    """`ranking` is best first. `ranks` are those of the candidates, by name, once models of other tools count too;
    empty where none does."""

    ranking: tuple[RankedTool, ...]
    ranks: Mapping[str, int]


NO_EXTERNALS = Externals(ranking=(), ranks={})


def externals(
    records: Sequence[ExternalRecord],
    candidates: Mapping[str, Sequence[Evaluation]],
    *,
    leader: str,
    default: str | None,
    classes: Sequence[str],
) -> Externals:
    """`candidates` have by name their evaluations out of fold, one a seed, all of the same images; `leader` and
    `default` name two of them. Of records of one name the last counts."""
    latest = {record.name: record for record in records}
    if not latest:
        return NO_EXTERNALS
    images = set(candidates[leader][0].counts)
    whole = [record for record in latest.values() if images <= set(record.out_of_fold)]
    ranks = _joint_ranks(whole, candidates, images)
    found = [
        _standing(
            record,
            rank=ranks.get((True, record.name)),
            images=images & set(record.out_of_fold),
            whole=record in whole,
            leader=candidates[leader],
            default=candidates[default] if default is not None else None,
            classes=classes,
        )
        for record in latest.values()
    ]
    return Externals(
        ranking=tuple(sorted(found, key=lambda each: (not each.whole, -(each.score or 0.0)))),
        ranks={name: rank for (is_external, name), rank in ranks.items() if not is_external},
    )


def _joint_ranks(
    whole: Sequence[ExternalRecord], candidates: Mapping[str, Sequence[Evaluation]], images: set[str]
) -> Mapping[tuple[bool, str], int]:
    """Ranks of candidates and models of other tools by the one comparison of them all, by whether it is of another tool
    and its name."""
    if not whole:
        return {}
    seeds = len(next(iter(candidates.values())))
    entries = [((False, name), own) for name, own in candidates.items()]
    entries += [((True, record.name), _of_every_seed(record, images, seeds)) for record in whole]
    compared = _compared([own for _, own in entries])
    groups = compared.groups if compared else ()
    return {entries[place][0]: number for number, group in enumerate(groups, start=1) for place in group}


def _standing(
    record: ExternalRecord,
    *,
    rank: int | None,
    images: set[str],
    whole: bool,
    leader: Sequence[Evaluation],
    default: Sequence[Evaluation] | None,
    classes: Sequence[str],
) -> RankedTool:
    shown = _evaluation(OUT_OF_FOLD, {name: record.out_of_fold[name] for name in sorted(images)})
    on_test = _evaluation("test", record.test)
    metrics = _metrics(shown, classes)
    return RankedTool(
        record=record,
        rank=rank,
        whole=whole,
        images=len(images),
        score=metrics.get("iou"),
        interval=score_interval(shown) if images else None,
        metrics=metrics,
        test=_metrics(on_test, classes).get("iou"),
        test_interval=score_interval(on_test) if record.test else None,
        leader_ahead=_ahead(leader, record, images),
        to_default=_reversed(_ahead(default, record, images)) if default is not None else None,
    )


def _ahead(candidate: Sequence[Evaluation], record: ExternalRecord, images: set[str]) -> Difference | None:
    """The candidate minus the model of the other tool; None without an image of both."""
    if not images:
        return None
    own = [replace(each, counts={name: each.counts[name] for name in images}) for each in candidate]
    compared = _compared([own, _of_every_seed(record, images, len(own))])
    return compared.differences[0] if compared else None


def _of_every_seed(record: ExternalRecord, images: set[str], seeds: int) -> list[Evaluation]:
    """Its one training stands beside every training of a candidate, as a baseline's does."""
    return [_evaluation(OUT_OF_FOLD, {name: record.out_of_fold[name] for name in images})] * seeds


def _evaluation(part: str, counts: Mapping[str, tuple[ClassCounts, ...]]) -> Evaluation:
    return Evaluation(split=part, seed=0, counts=counts)


def _metrics(evaluation: Evaluation, classes: Sequence[str]) -> Metrics:
    return summarise(pool(evaluation.counts.values()), classes) if evaluation.counts else {}


def _reversed(difference: Difference | None) -> Difference | None:
    return None if difference is None else difference.reversed()


def _compared(evaluations: Sequence[Sequence[Evaluation]]) -> Comparison | None:
    """None where one image, or nothing to find, leaves nothing to compare."""
    try:
        return compare(counts_array(evaluations), np.random.default_rng(SEED))
    except ValueError:
        return None
