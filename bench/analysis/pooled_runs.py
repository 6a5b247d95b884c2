"""Runs by the data set that they are of; the final evaluations of all runs of one data set pooled into one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from bench.analysis.final_evaluation import Finals, NoFinals, finals
from bench.errors import StoreError
from bench.records import COMPLETED, Candidate, FinalsRecord, Run, TrainingRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """The runs of one data set, by their label, and the final evaluation of all of them together."""

    label: str
    runs: Mapping[str, Run]
    held: Finals | NoFinals


def data_sets(runs: Sequence[Run]) -> tuple[DataSet, ...]:
    """By data fingerprint, in the order of the runs. Raises StoreError for a run given twice, and where runs of one
    data set were not split, scored and trained alike."""
    named = _named(runs)
    by_data: dict[str, dict[str, Run]] = {}
    for label, run in named.items():
        by_data.setdefault(run.dataset.fingerprint, {})[label] = run
    names = [next(iter(group.values())).dataset.name for group in by_data.values()]
    found = []
    for (fingerprint, group), name in zip(by_data.items(), names, strict=True):
        for (first, a), (second, b) in combinations(group.items(), 2):
            _require_alike(name, first, a, second, b)
        label = name if names.count(name) == 1 else f"{name} {fingerprint[:8]}"
        found.append(DataSet(label=label, runs=group, held=finals(_pooled(group))))
    return tuple(found)


def _named(runs: Sequence[Run]) -> dict[str, Run]:
    """By name; by folder where two have the same."""
    names = [run.record.name for run in runs]
    labels = [name if names.count(name) == 1 else run.directory for name, run in zip(names, runs, strict=True)]
    for label in labels:
        if labels.count(label) > 1:
            raise StoreError(f"run {label!r} is named twice; a leaderboard across runs needs different ones")
    return dict(zip(labels, runs, strict=True))


def _require_alike(name: str, first: str, a: Run, second: str, b: Run) -> None:
    for what, of in _ALIKE.items():
        if None not in (of(a), of(b)) and of(a) != of(b):
            raise StoreError(
                f"runs {first!r} and {second!r} are of the same data ({name}) and differ in {what} ({_short(of(a))} "
                f"and {_short(of(b))}): "
                "their scores do not compare"
            )


def _of_protocol(name: str) -> Callable[[Run], object]:
    return lambda run: run.protocol.get(name)


def _scored_pixels(run: Run) -> object:
    """How many pixels count on a split that every run scores: other for another evaluation size."""
    for evaluation in run.evaluations:
        if evaluation.reference == "predict_nothing" and evaluation.split == "val":
            return sum(c.tp + c.fp + c.fn + c.tn for per_class in evaluation.counts.values() for c in per_class[:1])
    return None


_ALIKE: Mapping[str, Callable[[Run], object]] = {
    "the fingerprint of their split": lambda run: run.split.fingerprint,
    "the folds of their final evaluations": lambda run: run.split.folds or None,
    "the classes": lambda run: run.dataset.classes,
    "how masks are shrunk": lambda run: run.dataset.mask_resize,
    "the pixels scored on validation": _scored_pixels,
    "the threshold": _of_protocol("threshold"),
    "the steps of a training": _of_protocol("steps"),
    "the steps of an epoch": _of_protocol("steps_per_epoch"),
    "their batch statistics": _of_protocol("batch_norm"),
    "their precision": lambda run: run.environment.precision,
    "the epochs of their final evaluations": lambda run: run.finals.epochs if run.finals else None,
}
"""What must be equal for scores on the same data to compare; None where a run does not say."""


def _short(value: object) -> str:
    if isinstance(value, str):
        return value[:12]
    return f"{len(value)} of them" if isinstance(value, tuple) else str(value)


def _pooled(runs: Mapping[str, Run]) -> Run:
    """One run with the candidates and trainings of all whose final evaluation came to a result; the first run where
    none or one did. Seeds are numbered by their place in each run: which seeds are paired is of no importance, how many
    trainings there are is. A training that failed in one of them has failed."""
    held = {label: run for label, run in runs.items() if isinstance(finals(run), Finals)}
    if len(held) < 2:
        return next(iter((held or runs).values()))
    first = next(iter(held.values()))
    records = {label: run.finals for label, run in held.items() if run.finals}
    trainings: dict[tuple[str, int, int], TrainingRecord] = {}
    for label, run in held.items():
        places = {seed: place for place, seed in enumerate(records[label].seeds)}
        for training in run.trainings:
            unit = training.configuration, places.get(training.seed, -1), training.fold
            if training.seed in places and (unit not in trainings or trainings[unit].status == COMPLETED):
                trainings[unit] = replace(training, seed=places[training.seed])
    record = FinalsRecord(
        candidates=_candidates(records),
        folds=min(each.folds for each in records.values()),
        seeds=tuple(range(max(len(each.seeds) for each in records.values()))),
        epochs=max(each.epochs for each in records.values()),
        rule=f"those of {len(records)} runs",
        balanced=all(each.balanced for each in records.values()),
    )
    external = tuple(scored for run in held.values() for scored in run.external)
    return replace(first, finals=record, trainings=tuple(trainings.values()), external=external)


def _candidates(records: Mapping[str, FinalsRecord]) -> tuple[Candidate, ...]:
    """By configuration: one that was in several final evaluations takes part once, with all its roles and its best
    score in a search."""
    found: dict[str, Candidate] = {}
    for label, record in records.items():
        for each in record.candidates:
            key = each.configuration
            there = found.get(key)
            if there is None:
                found[key] = replace(each, name=f"{each.name} of {label}")
                continue
            seen = [iou for iou in (there.search_iou, each.search_iou) if iou is not None]
            found[key] = replace(
                there, roles=tuple(dict.fromkeys((*there.roles, *each.roles))), search_iou=max(seen, default=None)
            )
    return tuple(found.values())
