"""The child of a `TrialWorker` that trains nothing: a process of its own, started and ended as a real one, whose trials
are those of `StandInExecutor`. It imports no TensorFlow, and so it is up at once."""

import contextlib
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from bench.engine.devices import Placement
from bench.engine.processes import end_with_parent
from bench.engine.spec import EpochEnded, Scored, TrialOutcome, TrialSetup, TrialSpec
from bench.engine.worker_process import serve
from bench.records import EpochRecord
from tests.engine.stand_in import StandInExecutor

EPOCH_S = 0.01


DEVICE = "device"
"""A file beside the worker's log that says what there is to compute on; without it that is nothing."""


def serve_stand_in(connection: Connection, placement: Placement, memory_bytes: int, log: Path) -> None:
    """In the place of `bench.engine.worker_process.run_worker`."""
    end_with_parent()
    with contextlib.suppress(EOFError, ConnectionError):
        setup, device = connection.recv()
        listed = log.with_name(DEVICE)
        here = listed.read_text() if listed.is_file() else "nothing"
        serve(connection, StandInTrainer(setup, connection.send, here), device)


class StandInTrainer:
    """As `bench.engine.training.trainer.Trainer`."""

    def __init__(self, setup: TrialSetup, tell: Callable[[EpochRecord], None], device: str) -> None:
        self._executor = StandInExecutor(
            val_ids=setup.val_ids, folds=setup.folds, test_ids=setup.test_ids, size=setup.evaluation_size
        )
        self._tell, self._device = tell, device
        self._last: TrialSpec | None = None

    def device(self) -> str:
        return self._device

    def precision(self) -> str:
        return self._executor.precision()

    def check_weights(self, pairs: Sequence[tuple[str, str]]) -> None:
        return None

    def run(self, spec: TrialSpec) -> TrialOutcome:
        self._last = spec
        self._executor.submit(spec)
        for event in self._executor.events():
            if not isinstance(event, EpochEnded):
                return event
            time.sleep(EPOCH_S)
            self._tell(event.epoch)
        raise AssertionError("a trial has an outcome")

    def model(self) -> bytes:
        assert self._last is not None
        return self._executor.model(self._last)

    def score(self, spec: TrialSpec, model: bytes, ids: Sequence[str]) -> Scored:
        return self._executor.score(spec, model, ids)
