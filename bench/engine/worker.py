"""A process that trains. It gets commands over a pipe, runs one at a time, and may die without harm to the search."""

import contextlib
import multiprocessing
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from bench import clock
from bench.engine.devices import Placement
from bench.engine.processes import cause_of_death, last_words, start_apart
from bench.engine.spec import EpochEnded, Event, Scored, TrialOutcome, TrialSetup, TrialSpec, failed
from bench.engine.worker_process import Elsewhere, run_worker
from bench.errors import DataError, ExperimentError, UserError
from bench.records import EpochRecord
from bench.records.environment import memory_limit
from search_spaces.space import cost_identity

_LOOK_S = 1.0
"""Interval at which a worker's memory is measured."""

SILENCE_S = 1800.0
"""A worker that sends nothing for this long hangs: the protocol bounds an epoch, and a graph compiles in a minute."""

OVERTIME_S = 300.0
"""A worker that is silent for this long after its trial's time limit hangs too: epochs and compiling take less."""

MEMORY_SHARE = 0.6
"""Workers that together have held more than this share of the machine's memory are replaced after their trial:
TensorFlow gives little back."""

TRIALS_A_PROCESS = 200
"""A process is replaced after this many trials, whatever its memory."""


class TrialWorker:
    """A worker process, started at once and replaced when it dies. Use as a context manager.

    Without a `setup` it imports what it needs, which takes seconds, and waits for `begin`.

    Either `run` a trial, or `submit` it and `receive` until its outcome comes; `connection` is readable when there is
    something.
    """

    def __init__(
        self,
        setup: TrialSetup | None,
        log: Path,
        placement: Placement = Placement(),  # noqa: B008  frozen
        *,
        memory_bytes: int | None = None,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._setup, self._log, self.placement = setup, log, placement
        self._memory_bytes = memory_bytes or int(MEMORY_SHARE * memory_limit())
        self._silence_s = silence_s
        self.starts = 0
        """Number of processes so far; a new one has no compiled graphs."""
        self.spec: TrialSpec | None = None
        """The running trial."""
        self.last: tuple[str, str] | None = None
        """The key of the trial that was submitted last."""
        self.compiled: set[object] = set()
        """Cost identities of the trials that the present process has trained."""
        self.elsewhere: str | None = None
        """The device of the present process, if it is not that of the first one."""
        self._device: str | None = None
        self._trials, self._peak_bytes, self._log_start = 0, 0, 0
        self._start()

    def __enter__(self) -> "TrialWorker":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def begin(self, setup: TrialSetup) -> None:
        """Sends the setup of all trials to a worker that started without one."""
        self._setup = setup
        with contextlib.suppress(ConnectionError):  # a dead process says so when it is listened to
            self._connection.send((setup, self._device))

    @property
    def process_id(self) -> int | None:
        return self._process.pid

    @property
    def connection(self) -> Connection:
        return self._connection

    def device(self) -> str:
        """The worker's device, in words. After this call a process that replaces it must compute on the same device."""
        self._device = str(self._ask("device"))
        return self._device

    def precision(self) -> str:
        """The worker's `bench.engine.devices.resolved_precision`."""
        return str(self._ask("precision"))

    def check_weights(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Loads every (backbone, encoder_weights) pair once. Raises ExperimentError, one line, for the first that is
        not available."""
        problem = self._ask("check_weights", tuple(pairs))
        if problem:
            raise ExperimentError(problem)

    def run(self, spec: TrialSpec, on_epoch: Callable[[EpochRecord], None] = lambda epoch: None) -> TrialOutcome:
        """Trains one trial. Any error in it, and the death of its process, is a FAILED outcome."""
        self.submit(spec)
        while True:
            event = self.receive(_LOOK_S)
            if isinstance(event, TrialOutcome):
                return event
            if event is not None:
                on_epoch(event.epoch)

    def submit(self, spec: TrialSpec) -> None:
        """Starts a trial, on a new process if the old one has trained too many or held too much memory."""
        if self._trials >= TRIALS_A_PROCESS or self._peak_bytes > self._memory_bytes:
            self.restart()
        self._trials += 1
        self._peak_bytes = 0
        self.compiled.add(cost_identity(spec.hyperparameters))
        self.spec, self.last, self._started_at = spec, spec.key, datetime.now(UTC).isoformat(timespec="seconds")
        self._started = self._last_seen = clock.now()
        self._log_start = self._log.stat().st_size if self._log.is_file() else 0
        with contextlib.suppress(ConnectionError):  # a dead process says so when it is listened to
            self._connection.send(("run", (spec,)))

    def receive(self, timeout_s: float = 0.0) -> Event | None:
        """The next event of the running trial, None if none comes within the time. A process that died or hung is an
        outcome too. Raises DataError if the run's pixels are gone."""
        assert self.spec is not None
        self._watch_memory()
        try:
            if not self._connection.poll(timeout_s):
                silent_s = clock.now() - self._last_seen
                hangs = silent_s > silence_limit_s(self.spec, self._last_seen - self._started, self._silence_s)
                return self._failed(f"no sign of life for {silent_s:.0f} s") if hangs else None
            answer = self._connection.recv()
        except (EOFError, OSError):  # a plain OSError: it died in the middle of a message
            self._process.join()
            return self._failed(cause_of_death(self._process.exitcode))
        self._last_seen = clock.now()
        if isinstance(answer, DataError):
            raise answer
        if isinstance(answer, Elsewhere):
            return self._outcome(self._moved(answer), crashed=True)
        if isinstance(answer, EpochRecord):
            return EpochEnded(spec=self.spec, epoch=answer)
        if isinstance(answer, str):
            return self._outcome(answer, crashed=False)
        self.spec = None
        self._peak_bytes = max(self._peak_bytes, answer.record.peak_memory_bytes or 0)
        return answer

    def model(self) -> bytes:
        """The last trial's weights, the content of a `.weights.h5` file. Raises WorkerDiedError."""
        return bytes(self._ask("model"))

    def score(self, spec: TrialSpec, model: bytes, ids: Sequence[str]) -> Scored | str:
        """A model's scores on images, or why there are none, in one line. Raises WorkerDiedError."""
        return self._ask("score", spec, model, tuple(ids))

    def restart(self) -> None:
        """Another process, with no graphs and no models."""
        self.stop()
        self._start()

    def stop(self) -> None:
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        arguments = (theirs, self.placement, self._memory_bytes, self._log)
        self._process = context.Process(target=run_worker, args=arguments, daemon=True)
        start_apart(self._process)
        theirs.close()
        if self._setup is not None:
            self.begin(self._setup)
        self.starts += 1
        self.last = None  # a new process holds no model
        self.compiled.clear()
        self._trials = 0
        self._peak_bytes = 0

    def _failed(self, cause: str) -> TrialOutcome:
        """The outcome of a process that died or hung; a new one replaces it."""
        self.stop()
        outcome = self._outcome(f"the worker process {cause}{last_words(self._log, self._log_start)}", crashed=True)
        self._start()
        return outcome

    def _outcome(self, error: str, *, crashed: bool) -> TrialOutcome:
        spec, self.spec = self.spec, None
        assert spec is not None
        return failed(
            spec,
            error,
            crashed=crashed,
            started_at=self._started_at,
            wall_s=clock.now() - self._started,
            peak_memory_bytes=self._peak_bytes or None,
        )

    def _moved(self, answer: Elsewhere) -> str:
        self.elsewhere = answer.device
        return f"the worker process computes on {answer.device} now, and on {self._device} before"

    def _watch_memory(self) -> None:
        """Measures the process's memory now: after its death it is not known."""
        with contextlib.suppress(psutil.Error):
            self._peak_bytes = max(self._peak_bytes, psutil.Process(self._process.pid).memory_info().rss)

    def _ask(self, method: str, *arguments: object) -> Any:
        try:
            self._connection.send((method, arguments))
            if not self._connection.poll(self._silence_s):
                self.stop()
            answer = self._connection.recv()
            if isinstance(answer, Elsewhere):
                raise WorkerDiedError(self._moved(answer))
            return answer
        except (EOFError, OSError) as error:
            self._process.join()
            cause = cause_of_death(self._process.exitcode)
            said = f"the worker process {cause}{last_words(self._log, self._log_start)}"
            self._start()
            raise WorkerDiedError(said) from error


def silence_limit_s(spec: TrialSpec, seen_after_s: float, silence_s: float) -> float:
    """The longest silence of a worker whose last sign came `seen_after_s` seconds into its trial: not far beyond the
    trial's time limit."""
    if spec.time_limit_s is None:
        return silence_s
    if spec.probe:
        return min(silence_s, max(0.0, spec.time_limit_s - seen_after_s))
    return min(silence_s, max(OVERTIME_S, spec.time_limit_s - seen_after_s + OVERTIME_S))


class WorkerDiedError(UserError):
    """The worker process ended by itself; the message says how, with the last lines that it printed."""
