"""Trials of a search and trainings of the final evaluation as one kind of record, which other tools call a run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.evaluation.metrics import pool, summarise
from bench.records import EpochRecord, HyperparameterValue, Run, Status, TrainingRecord, TrialRecord, configuration_of

FINAL = "final evaluation"
"""The group of its trainings, beside the studies of the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One training on record.

    `metrics` are fractions 0-1 and times by name, those that exist. `score` is the IoU on images that did not train it:
    of validation in a search, of its fold in the final evaluation. `about` describes it in words and numbers.
    """

    group: str
    name: str
    status: Status
    hyperparameters: Mapping[str, HyperparameterValue]
    score: float | None
    metrics: Mapping[str, float]
    curve: tuple[EpochRecord, ...]
    started_at: datetime
    wall_s: float
    about: Mapping[str, str | int | float]

    @property
    def ended_at(self) -> datetime:
        return self.started_at + timedelta(seconds=self.wall_s)


def entries(run: Run) -> Iterator[Entry]:
    """Trials in the order in which they ended, then trainings."""
    for trial in run.trials:
        yield _of_trial(trial)
    for training in run.trainings:
        yield _of_training(run, training)


def _of_trial(trial: TrialRecord) -> Entry:
    return Entry(
        group=trial.study_id,
        name=f"trial {trial.trial_id}",
        status=trial.status,
        hyperparameters=configuration_of(trial.hyperparameters),
        score=trial.val_metrics.get("iou"),
        metrics=_known({**{f"val_{name}": value for name, value in trial.val_metrics.items()}, **_costs(trial)}),
        curve=trial.curve,
        started_at=_moment(trial.started_at),
        wall_s=trial.wall_s or 0.0,
        about=_about(trial, seed=trial.seed, epochs=trial.epochs_run),
    )


def _of_training(run: Run, training: TrainingRecord) -> Entry:
    parts = {"fold": training.out_of_fold, "test": training.test}
    scored = {
        f"{part}_{name}": value
        for part, counts in parts.items()
        if counts
        for name, value in summarise(pool(counts.values()), run.dataset.classes).items()
    }
    return Entry(
        group=FINAL,
        name=f"{training.candidate}, seed {training.seed}, fold {training.fold + 1}",
        status=training.status,
        hyperparameters=configuration_of(training.hyperparameters),
        score=scored.get("fold_iou"),
        metrics=_known({**scored, **_costs(training)}),
        curve=(),
        started_at=_moment(training.started_at),
        wall_s=training.wall_s or 0.0,
        about=_about(training, seed=training.seed, fold=training.fold + 1, candidate=training.candidate),
    )


def _costs(of: TrialRecord | TrainingRecord) -> dict[str, float | int | None]:
    names = ("train_s", "wall_s", "latency_s", "peak_memory_bytes", "num_params")
    return {name: getattr(of, name) for name in names}


def _about(of: TrialRecord | TrainingRecord, **more: str | int) -> dict[str, str | int | float]:
    return {"status": of.status.value, **more, **({"error": of.error} if of.error else {})}


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None}


def _moment(said: str) -> datetime:
    """Records have ISO 8601 with a zone; UTC where one has none."""
    moment = datetime.fromisoformat(said)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
