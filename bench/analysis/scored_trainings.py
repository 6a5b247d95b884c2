"""The trainings of a candidate, and what they scored: out of fold and on the held-out test images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from bench.analysis.labels import distinct_labels
from bench.analysis.leaderboard import Metrics
from bench.evaluation.metrics import dice, image_mean, iou, mean, pool, summarise
from bench.records import COMPLETED, OUT_OF_FOLD, Candidate, Evaluation, FinalsRecord, Run, TrainingRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A candidate and what its trainings scored: out of fold once for each seed, on the held-out test images once
    for each training."""

    candidate: Candidate
    label: str
    trainings: Sequence[TrainingRecord]
    out_of_fold: Sequence[Evaluation]
    test: Sequence[Evaluation]


def entries_of(
    standing: Sequence[Candidate], record: FinalsRecord, seeds: Sequence[int], known: Mapping[Any, TrainingRecord]
) -> Iterator[Entry]:
    labels = distinct_labels(standing)
    for candidate in standing:
        trainings = [known[unit] for unit in units_of(candidate, record) if unit[1] in seeds]
        yield Entry(
            candidate=candidate,
            label=labels[candidate.name],
            trainings=trainings,
            out_of_fold=out_of_fold(trainings, seeds),
            test=[_evaluation("test", each.seed, each.test) for each in trainings],
        )


def out_of_fold(trainings: Sequence[TrainingRecord], seeds: Sequence[int]) -> list[Evaluation]:
    """For each seed every image, scored by the training that did not see it."""
    return [
        _evaluation(
            OUT_OF_FOLD,
            seed,
            reduce(lambda all_of, each: {**all_of, **each.out_of_fold}, (t for t in trainings if t.seed == seed), {}),
        )
        for seed in seeds
    ]


def _evaluation(part: str, seed: int, counts: Mapping[str, Any]) -> Evaluation:
    return Evaluation(split=part, seed=seed, counts=counts)


def mean_metrics(evaluations: Sequence[Evaluation], classes: Sequence[str]) -> Metrics:
    each = [metrics_of(evaluation, classes) for evaluation in evaluations]
    return {name: mean(metrics[name] for metrics in each) for name in each[0]}


def metrics_of(evaluation: Evaluation, classes: Sequence[str]) -> Metrics:
    """Pooled over images, and `image_iou` and `image_dice`, in which every image weighs alike."""
    images = evaluation.counts.values()
    return {
        **summarise(pool(images), classes),
        "image_iou": image_mean(images, iou),
        "image_dice": image_mean(images, dice),
    }


def costs_of(trainings: Sequence[TrainingRecord]) -> dict[str, Any]:
    return {
        "train_s": mean(training.train_s for training in trainings),
        "num_params": trainings[0].num_params,
        "latency_s": min((t.latency_s for t in trainings if t.latency_s is not None), default=None),
        "peak_memory_bytes": max((t.peak_memory_bytes for t in trainings if t.peak_memory_bytes), default=None),
    }


def trainings_of(run: Run, candidate: Candidate) -> list[TrainingRecord]:
    """By configuration: a run that went on may have given it another name."""
    return [training for training in run.trainings if training.configuration == candidate.configuration]


def units_of(candidate: Candidate, record: FinalsRecord) -> list[tuple[str, int, int]]:
    return [(candidate.configuration, seed, fold) for seed in record.seeds for fold in range(record.folds)]


def is_of(training: TrainingRecord, record: FinalsRecord) -> bool:
    keys = {candidate.configuration for candidate in record.candidates}
    return training.configuration in keys and training.seed in record.seeds and training.fold < record.folds


def has_failed(training: TrainingRecord | None) -> bool:
    return training is not None and training.status != COMPLETED
