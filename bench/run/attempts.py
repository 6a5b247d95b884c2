"""Each attempt is recorded before it starts, so that a trial that takes the whole machine down is not started for ever.

A run sees that one of its workers died, and tries the trial again (`retries`). If the run itself dies with its
container or machine, only a line on disk tells the next session which trial was running. After as many such losses as
attempts are allowed, the trial counts as failed, with the reason.
"""

import contextlib
import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from bench.engine.executor import Executor
from bench.engine.spec import Event, Scored, TrialOutcome, TrialSpec, failed
from bench.errors import StoreError
from bench.records import BEGAN, ENDED, AttemptRecord, configuration_name
from bench.records.store import RunStore

Unit = tuple[str, str]
"""Study, and the name of what is trained in it."""


class OnRecord:
    """An executor that records which trials are running. `earlier` are the attempts of the run's earlier sessions. A
    trial that was lost more than `retries` times fails."""

    def __init__(self, executor: Executor, store: RunStore, earlier: Sequence[AttemptRecord], retries: int) -> None:
        self._executor, self._store, self._retries = executor, store, retries
        self._lost: Counter[Unit] = Counter()
        for attempt in earlier:  # one that came to an end clears those that were lost before it
            unit = attempt.study_id, attempt.unit
            self._lost[unit] = self._lost[unit] + 1 if attempt.event == BEGAN else 0
        self._running: dict[tuple[str, str], TrialSpec] = {}
        self._given_up: list[TrialOutcome] = []
        self._held: list[TrialSpec] = []
        """Suspected trials, waiting until nothing else runs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Does nothing: the code that made the executor ends its processes."""

    @property
    def slots(self) -> int:
        return self._executor.slots

    @property
    def free_slots(self) -> int:
        """0 while a suspected trial waits or runs: it trains alone, since trials beside it would be lost with it."""
        suspected = any(self._is_suspected(spec) for spec in self._running.values())
        return 0 if self._held or suspected else self._executor.free_slots

    def _is_suspected(self, spec: TrialSpec) -> bool:
        """Whether it was running when a whole session died. It may or may not be the cause."""
        return self._lost[spec.study_id, unit_of(spec)] > 0

    def device(self) -> str:
        return self._executor.device()

    def precision(self) -> str:
        return self._executor.precision()

    def check_weights(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._executor.check_weights(pairs)

    def is_warm(self, spec: TrialSpec) -> bool:
        return self._executor.is_warm(spec)

    def submit(self, spec: TrialSpec) -> None:
        """Starts a trial when its attempt is on disk, or fails it, or holds it until it can run alone."""
        lost = self._lost[spec.study_id, unit_of(spec)]
        if lost > self._retries:
            error = (
                f"{lost} attempts ended with the whole run, without a word: its process, container or machine was "
                "killed while this was trained (out of memory, most often); it is not begun again"
            )
            self._given_up.append(failed(spec, error, crashed=False, started_at=_now(), wall_s=0.0))
            return
        if self._running and self._is_suspected(spec):
            self._held.append(spec)
            return
        self._begin(spec)

    def _begin(self, spec: TrialSpec) -> None:
        self._write(spec, BEGAN)
        self._running[spec.key] = spec
        self._executor.submit(spec)

    def events(self) -> Iterator[Event]:
        if self._given_up:
            yield self._given_up.pop(0)
            return
        if self._held and not self._running and self._executor.free_slots:  # a cluster may have lost all machines
            self._begin(self._held.pop(0))
        for event in self._executor.events():
            if isinstance(event, TrialOutcome):
                spec = self._running.pop((event.record.study_id, event.record.trial_id), None)
                if spec is not None:
                    self._write(spec, ENDED)
            yield event

    def model(self, spec: TrialSpec) -> bytes:
        return self._executor.model(spec)

    def score(self, spec: TrialSpec, model: bytes, ids: Sequence[str]) -> Scored:
        return self._executor.score(spec, model, ids)

    def let_go(self) -> None:
        """The run ends in order: its running trials end too, and none of them is to blame."""
        for spec in self._running.values():
            with contextlib.suppress(StoreError):  # the run ends for a reason of its own, perhaps this disk
                self._write(spec, ENDED)
        self._running.clear()

    def _write(self, spec: TrialSpec, event: str) -> None:
        self._store.append(
            AttemptRecord(
                study_id=spec.study_id,
                unit=unit_of(spec),
                event=event,
                attempt=spec.attempt,
                at=_now(),
                process=os.getpid(),
                host=platform.node(),
            )
        )


def unit_of(spec: TrialSpec) -> str:
    """The name of what is trained, the same in every session. A training of the final evaluation and the last one on
    all images are named by their configuration: with more trials, another candidate may get this one's name."""
    network = f"{configuration_name(spec.hyperparameters)}-seed{spec.seed}"
    if spec.refit:
        return f"{network}-all"
    if spec.fold is None:
        return spec.trial_id
    return f"{network}-fold{spec.fold + 1}-share{spec.train_share:g}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
