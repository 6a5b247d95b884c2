"""The loop that runs every training: it starts wanted trainings while a worker slot is free, and hands back outcomes.

A search (`search.py`) and a final evaluation (`final_evaluation.py`) are its sources. They say what comes next, what
fits into the time, and what becomes of an outcome.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from bench.engine.executor import Executor
from bench.engine.spec import EpochEnded, TrialOutcome, TrialSpec
from bench.progress import Progress


class Source(Protocol):
    """Trainings that are wanted. `running` are the running ones, by trial id."""

    def next(self, running: Mapping[str, TrialSpec]) -> TrialSpec | None:
        """The one to start now, with its limits; None where none is left or none can end in time."""

    def is_over(self, running: Mapping[str, TrialSpec]) -> bool:
        """Whether nothing will be wanted any more."""

    def take_again(self, spec: TrialSpec) -> bool:
        """Keeps a training whose process died for another attempt; False where there is no time for one."""

    def ended(self, spec: TrialSpec, outcome: TrialOutcome) -> None:
        """Makes an outcome durable, and learns from it."""


def dispatch(source: Source, executor: Executor, progress: Progress, *, retries: int, called: str) -> None:
    """Trains what `source` wants until it is over. A training whose process died is tried again, at most `retries`
    times. `called` is the word for a training in warnings."""
    running: dict[str, TrialSpec] = {}
    _start(source, executor, progress, running)
    while running or not source.is_over(running):
        for event in executor.events():
            if isinstance(event, EpochEnded):
                progress.epoch_ended(event.spec.trial_id, event.epoch)
                continue
            spec = running.pop(event.record.trial_id)
            again = replace(spec, attempt=spec.attempt + 1)
            if event.crashed and spec.attempt <= retries and source.take_again(again):
                progress.warning(f"{called} {spec.trial_id}: {event.record.error}; it is tried again")
                continue
            outcome = replace(event, record=replace(event.record, attempts=spec.attempt))
            source.ended(spec, outcome)
            progress.trial_ended(outcome.record)
        _start(source, executor, progress, running)


def _start(source: Source, executor: Executor, progress: Progress, running: dict[str, TrialSpec]) -> None:
    while executor.free_slots and (spec := source.next(running)) is not None:
        running[spec.trial_id] = spec
        progress.trial_started(spec.trial_id, hyperparameters=spec.hyperparameters, epochs=spec.epochs_planned)
        executor.submit(spec)
