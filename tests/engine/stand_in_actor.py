"""A Ray worker that trains nothing: its trials are those of `StandInExecutor`."""

import os
import time
from collections.abc import Sequence
from typing import Any

import psutil
import ray

from bench.engine.ray.actor import Pixels, Update, WorkerInfo, log_of_this_process, num_bytes_of
from bench.engine.spec import EpochEnded, Scored, TrialOutcome, TrialSetup, TrialSpec
from bench.records.environment import current_versions
from tests.engine.stand_in import StandInExecutor


class StandInActor:
    """As `bench.engine.ray.actor.TrialActor`, without a trainer. A trial takes `PACE_S`, and `EPOCH_S` for each
    of its epochs."""

    PACE_S, EPOCH_S = 0.05, 0.0

    def __init__(self, setup: TrialSetup, pixels: Pixels, **reserved: Any) -> None:
        pixels.written()
        self._executor = StandInExecutor(
            val_ids=setup.val_ids, folds=setup.folds, test_ids=setup.test_ids, size=setup.evaluation_size
        )
        self._last: TrialSpec | None = None
        self._ended: list[EpochEnded] = []
        self._log_start = 0

    @ray.method(concurrency_group="compute")
    def set_up(self, pairs: Sequence[tuple[str, str]]) -> WorkerInfo:
        return WorkerInfo(
            process_id=os.getpid(),
            device=self._executor.device(),
            precision=self._executor.precision(),
            versions=current_versions(),
            memory_bytes=2**40,
            log=log_of_this_process(),
        )

    @ray.method(concurrency_group="compute")
    def run(self, spec: TrialSpec) -> TrialOutcome:
        self._last, self._log_start = spec, num_bytes_of(log_of_this_process())
        time.sleep(self.PACE_S)
        self._executor.submit(spec)
        (outcome,) = (event for event in self._executor.events() if not isinstance(event, EpochEnded))
        for epoch in outcome.record.curve if self.EPOCH_S else ():
            time.sleep(self.EPOCH_S)
            self._ended.append(EpochEnded(spec=spec, epoch=epoch))
        return outcome

    @ray.method(concurrency_group="compute")
    def model(self) -> bytes:
        assert self._last is not None
        return self._executor.model(self._last)

    @ray.method(concurrency_group="compute")
    def score(self, spec: TrialSpec, model: bytes, ids: Sequence[str]) -> Scored:
        return self._executor.score(spec, model, ids)

    @ray.method(concurrency_group="listen")
    def listen(self) -> Update:
        time.sleep(0.2 if self.EPOCH_S else 1.0)
        epochs, self._ended = self._ended, []
        held_bytes = psutil.Process().memory_info().rss
        return Update(epochs=epochs, held_bytes=held_bytes, log_start=self._log_start)


class SlowActor(StandInActor):
    """One whose trials last, so that something can happen to them, and which tells of their epochs."""

    EPOCH_S = 0.05
