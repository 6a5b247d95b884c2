"""From the trainings of the final evaluation to a ranking: which candidate is better on other images and when trained
again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bench.analysis.annotators import Annotators, annotators
from bench.analysis.external import NO_EXTERNALS, Externals, externals
from bench.analysis.fold_search import searched_folds
from bench.analysis.leaderboard import REFERENCES, Metrics, leaderboard, ranked, reference_evaluation, score_interval
from bench.analysis.scored_trainings import (
    Entry,
    costs_of,
    entries_of,
    has_failed,
    is_of,
    mean_metrics,
    metrics_of,
    units_of,
)
from bench.evaluation.metrics import background_share, pool, summarise
from bench.evaluation.resampling import SEED, counts_array
from bench.evaluation.statistics import Comparison, Difference, Interval, compare, holm
from bench.evaluation.variance import VarianceComponents, variance_components
from bench.formats import plural
from bench.records import DEFAULT, OUT_OF_FOLD, Candidate, Evaluation, FinalsRecord, Run, TrainingRecord, TrialRecord

LEAST_FOLDS = 2
"""Of a comparison of levels: scores of one fold rest on a third of the images, and on one training each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedCandidate:
    """A candidate's place. `score` is its IoU out of fold, pooled over all images, the mean over seeds; `test` the
    same on the held-out test images, the mean over all trainings, None where they hold nothing to find. `group`
    counts from 1: candidates of one group do not differ significantly from its leader."""

    candidate: Candidate
    label: str
    group: int
    score: float
    interval: Interval
    first_probability: float
    metrics: Metrics
    test: float | None
    test_interval: Interval | None
    to_default: Difference | None
    train_s: float | None
    num_params: int | None
    latency_s: float | None
    peak_memory_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedBaseline:
    """A predictor without training, made on each fold's other folds. `leader_ahead` is the leader minus it."""

    label: str
    score: float
    interval: Interval
    metrics: Metrics
    test: float | None
    test_interval: Interval | None
    leader_ahead: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Finals:
    """`ranking` is best first. `seeds` are those for which every training of every standing candidate is on record;
    `out` are candidates of which a training failed, with the reason. Of the `scored` images `choosing` were those that
    the search chose by. `background_share` is the pixel accuracy of predicting nothing on them. `all_folds` is how many
    there are: `record.folds` may be fewer. `newer` is the best trial of the search where it came after the
    evaluation. `external` are models of other tools beside the candidates."""

    record: FinalsRecord
    ranking: tuple[RankedCandidate, ...]
    references: tuple[RankedBaseline, ...]
    comparison: Comparison
    pairs: tuple[tuple[RankedCandidate, RankedCandidate, Difference, float], ...]
    variance: VarianceComponents | None
    seeds: tuple[int, ...]
    out: Mapping[str, str]
    planned: int
    trained: int
    choosing: int
    scored: int
    all_folds: int
    newer: TrialRecord | None
    background_share: float | None
    annotators: Annotators | None
    external: Externals = NO_EXTERNALS

    @property
    def winner(self) -> RankedCandidate | None:
        """The candidate that is significantly better than every other; None in a tie, and where there is no other."""
        return self.ranking[0] if self.comparison.winner is not None and len(self.ranking) > 1 else None

    @property
    def held_out(self) -> str:
        """How its images were scored, for people."""
        if self.record.folds == self.all_folds:
            return "cross-validated"
        return f"on {self.record.folds} of {self.all_folds} folds"

    def rank_of(self, candidate: RankedCandidate) -> int:
        """Its group; where models of other tools are ranked too, its rank among all of them."""
        return self.external.ranks.get(candidate.candidate.name, candidate.group)

    def of_role(self, role: str) -> RankedCandidate | None:
        return next((each for each in self.ranking if role in each.candidate.roles), None)


@dataclass(frozen=True, slots=True)
class NoFinals:
    """Why there is no ranking; `out` as in `Finals`."""

    reason: str
    out: Mapping[str, str] = field(default_factory=dict)


def finals(run: Run) -> Finals | NoFinals:
    """The ranking, or in words why there is none."""
    record = run.finals
    if record is None:
        asked = not run.protocol or run.protocol.get("finalists", 0)
        return NoFinals(
            "the run has not come to them, or there was no time for them" if asked else "none was asked for"
        )
    known = {training.unit: training for training in run.trainings}
    out = {
        candidate.name: failed[0]
        for candidate in record.candidates
        if (
            failed := [
                known[unit].error or "failed" for unit in units_of(candidate, record) if has_failed(known.get(unit))
            ]
        )
    }
    begun = [candidate for candidate in record.candidates if (candidate.configuration, record.seeds[0], 0) in known]
    standing = [candidate for candidate in begun if candidate.name not in out]
    if record.balanced:
        standing = _on_enough_folds(record, standing, known)
    record = _as_far_as_all(record, standing, known)
    seeds = tuple(
        seed
        for seed in record.seeds
        if all((each.configuration, seed, fold) in known for each in standing for fold in range(record.folds))
    )
    if not standing or not seeds:
        reason = f"{plural(len(run.trainings), 'training')} on record, which make no candidate complete for one seed"
        return NoFinals(reason, out)
    try:
        return _ranked(run, record, standing, seeds, known, out)
    except ValueError as error:
        return NoFinals(str(error), out)


def _on_enough_folds(
    record: FinalsRecord, standing: Sequence[Candidate], known: Mapping[Any, TrainingRecord]
) -> list[Candidate]:
    """Those of a comparison that were trained on `LEAST_FOLDS` folds: a level for which there was no time does not take
    images from the others. All of them, where these are no comparison."""
    folds = range(min(LEAST_FOLDS, record.folds))
    enough = [each for each in standing if all((each.configuration, record.seeds[0], fold) in known for fold in folds)]
    return enough if len(enough) > 1 and any(DEFAULT in each.roles for each in enough) else list(standing)


def _as_far_as_all(
    record: FinalsRecord, standing: Sequence[Candidate], known: Mapping[Any, TrainingRecord]
) -> FinalsRecord:
    """The plan cut to the folds on which all have been trained with the first seed: in a budget the leaders are
    trained on more of them than the others, and scores compare on equal images alone. Candidates that had no time for
    one take no part."""
    done = [
        next(
            (fold for fold in range(record.folds) if (each.configuration, record.seeds[0], fold) not in known),
            record.folds,
        )
        for each in standing
    ]
    names = {each.name for each in standing}
    return replace(
        record,
        folds=min(done, default=record.folds) or record.folds,
        candidates=tuple(each for each in record.candidates if each.name in names) or record.candidates,
    )


def _ranked(
    run: Run,
    record: FinalsRecord,
    standing: Sequence[Candidate],
    seeds: tuple[int, ...],
    known: Mapping[Any, TrainingRecord],
    out: Mapping[str, str],
) -> Finals:
    entries = list(entries_of(standing, record, seeds, known))
    comparison = compare(counts_array([each.out_of_fold for each in entries]), np.random.default_rng(SEED))
    on_test, variance = _on_test([each.test for each in entries], [each.fold for each in entries[0].trainings])
    placed = _placed(entries, comparison, on_test, run.dataset.classes)
    leader = entries[int(np.argmax(comparison.scores))].out_of_fold
    images = leader[0].counts
    corrected = holm([difference.p for difference in comparison.differences])
    return Finals(
        record=record,
        ranking=tuple(sorted(placed, key=lambda each: -each.score)),
        references=_references(run, leader),
        comparison=comparison,
        pairs=tuple(
            (placed[d.first], placed[d.second], d, p) for d, p in zip(comparison.differences, corrected, strict=True)
        ),
        variance=variance,
        seeds=seeds,
        out=out,
        planned=len(record.candidates) * record.folds * len(record.seeds),
        trained=sum(is_of(training, record) for training in run.trainings),
        choosing=len({*(sum(searched_folds(run), ()) or run.split.val)} & set(images)),
        scored=comparison.num_images,
        all_folds=len(run.split.folds),
        newer=_newer(run, record),
        background_share=background_share(pool(images.values())),
        annotators=annotators(run),
        external=externals(
            run.external,
            {entry.candidate.name: entry.out_of_fold for entry in entries},
            leader=entries[int(np.argmax(comparison.scores))].candidate.name,
            default=next((each.candidate.name for each in entries if DEFAULT in each.candidate.roles), None),
            classes=run.dataset.classes,
        ),
    )


def _placed(
    entries: Sequence[Entry], comparison: Comparison, on_test: Comparison | None, classes: Sequence[str]
) -> list[RankedCandidate]:
    """In the order of the entries, which is that of the comparison's positions."""
    group_of = {position: number for number, group in enumerate(comparison.groups, start=1) for position in group}
    default = next((position for position, each in enumerate(entries) if DEFAULT in each.candidate.roles), None)
    to_default = {} if default is None else {each.first: each for each in comparison.differences_to(default)}
    return [
        RankedCandidate(
            candidate=entry.candidate,
            label=entry.label,
            group=group_of[position],
            score=comparison.scores[position],
            interval=comparison.intervals[position],
            first_probability=comparison.first_probability[position],
            metrics=mean_metrics(entry.out_of_fold, classes),
            test=on_test.scores[position] if on_test else mean_metrics(entry.test, classes)["iou"],
            test_interval=on_test.intervals[position] if on_test else None,
            to_default=to_default.get(position),
            **costs_of(entry.trainings),
        )
        for position, entry in enumerate(entries)
    ]


def _newer(run: Run, record: FinalsRecord) -> TrialRecord | None:
    best = next(iter(ranked(leaderboard(run))), None)
    if best is None:
        return None
    trial, own = best.trial, best.trial.configuration
    held = any((each.study_id, each.trial_id) == trial.key or each.configuration == own for each in record.candidates)
    return None if held else trial


def _on_test(
    counts: Sequence[Sequence[Evaluation]], folds: Sequence[int]
) -> tuple[Comparison | None, VarianceComponents | None]:
    """None where one test image, or nothing to find on them, leaves nothing to compare."""
    array = counts_array(counts)
    try:
        compared = compare(array, np.random.default_rng(SEED), folds=folds)
        return compared, variance_components(array, np.random.default_rng(SEED), folds=folds)
    except ValueError:
        return None, None


def _references(run: Run, leader: Sequence[Evaluation]) -> tuple[RankedBaseline, ...]:
    """All on the same resamples as the leader, which are the costly part."""
    known = {name: reference_evaluation(run, name, OUT_OF_FOLD) for name in REFERENCES}
    scored = {name: own for name, own in known.items() if own is not None}
    if not scored:
        return ()
    images = leader[0].counts  # of fewer than all folds where the time was short
    scored = {name: replace(own, counts={image: own.counts[image] for image in images}) for name, own in scored.items()}
    counts = counts_array([leader, *([own] * len(leader) for own in scored.values())])
    compared = compare(counts, np.random.default_rng(SEED))
    leader_ahead = {each.second: each for each in compared.differences if each.first == 0}
    found = []
    for position, (name, own) in enumerate(scored.items(), start=1):
        on_test = reference_evaluation(run, name, "test")
        found.append(
            RankedBaseline(
                label=REFERENCES[name],
                score=compared.scores[position],
                interval=compared.intervals[position],
                metrics=metrics_of(own, run.dataset.classes),
                test=summarise(pool(on_test.counts.values()), run.dataset.classes)["iou"] if on_test else None,
                test_interval=score_interval(on_test) if on_test else None,
                leader_ahead=leader_ahead[position],
            )
        )
    return tuple(found)
