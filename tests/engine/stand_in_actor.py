"""A Ray worker that trains nothing: its trials are those of `StandInExecutor`."""

import os
import time
from collections.abc import Sequence
from typing import Any

import ray

from bench.engine.ray.actor import Greeting, News, Pixels
from bench.engine.spec import EpochEnded, Scored, TrialOutcome, TrialSetup, TrialSpec
from bench.records.environment import current_versions
from tests.engine.stand_in import StandInExecutor


class StandInActor:
    """As `bench.engine.ray.actor.TrialActor`, without a trainer. A trial takes `PACE_S`."""

    PACE_S = 0.05

    def __init__(self, setup: TrialSetup, pixels: Pixels, **reserved: Any) -> None:
        pixels.written()
        self._executor = StandInExecutor(
            val_ids=setup.val_ids, folds=setup.folds, test_ids=setup.test_ids, size=setup.evaluation_size
        )
        self._last: TrialSpec | None = None

    @ray.method(concurrency_group="compute")
    def greet(self, pairs: Sequence[tuple[str, str]]) -> Greeting:
        return Greeting(
            process_id=os.getpid(),
            device=self._executor.device(),
            precision=self._executor.precision(),
            versions=current_versions(),
            memory_bytes=2**40,
        )

    @ray.method(concurrency_group="compute")
    def run(self, spec: TrialSpec) -> TrialOutcome:
        time.sleep(self.PACE_S)
        self._last = spec
        self._executor.submit(spec)
        (outcome,) = (event for event in self._executor.events() if not isinstance(event, EpochEnded))
        return outcome

    @ray.method(concurrency_group="compute")
    def model(self) -> bytes:
        assert self._last is not None
        return self._executor.model(self._last)

    @ray.method(concurrency_group="compute")
    def score(self, spec: TrialSpec, model: bytes, ids: Sequence[str]) -> Scored:
        return self._executor.score(spec, model, ids)

    @ray.method(concurrency_group="listen")
    def listen(self) -> News:
        time.sleep(1.0)
        return News()
