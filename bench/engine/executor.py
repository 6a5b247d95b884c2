"""Where trials run: one interface, and worker processes on this machine behind it.

A caller asks for a free worker slot, submits a trial, and waits for events of running trials. Executors know nothing of
oracles and records; callers know nothing of processes and machines.
"""

import multiprocessing.connection
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from bench.engine.devices import Placement
from bench.engine.spec import Event, Scored, TrialOutcome, TrialSetup, TrialSpec
from bench.engine.worker import MEMORY_SHARE, SILENCE_S, TrialWorker, WorkerDiedError
from bench.errors import ExperimentError, StoreError
from bench.formats import plural
from bench.records.environment import memory_limit
from search_spaces.space import cost_identity

_LOOK_S = 1.0


class Executor(Protocol):
    """Worker slots for trials. Use as a context manager: leaving it ends every process, and abandons running trials."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def slots(self) -> int:
        """How many trials can run at once."""

    @property
    def free_slots(self) -> int:
        """How many more trials can be submitted now."""

    def device(self) -> str:
        """The devices of the trials, in words. Raises ExperimentError if they are not those of the plan."""

    def precision(self) -> str:
        """The precision of all trials, to which the protocol's "auto" resolves here. Raises ExperimentError."""

    def check_weights(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Checks that every (backbone, encoder_weights) pair is available. Raises ExperimentError, one line."""

    def is_warm(self, spec: TrialSpec) -> bool:
        """Whether a free slot has this trial's graph compiled."""

    def submit(self, spec: TrialSpec) -> None:
        """Starts a trial in a free slot, if possible in one with its graph compiled."""

    def events(self) -> Iterator[Event]:
        """Yields events of running trials as they come; ends after an outcome, so that its slot can be filled."""

    def model(self, spec: TrialSpec) -> bytes:
        """The weights of the trial whose outcome was the last event. Raises UserError if they are gone."""

    def score(self, spec: TrialSpec, model: bytes, ids: Sequence[str]) -> Scored:
        """Scores saved weights on images. Raises StoreError if that fails."""


class _HasGraphs(Protocol):
    compiled: set[object]


_Worker = TypeVar("_Worker", bound=_HasGraphs)


def warmest(workers: Iterable[_Worker], spec: TrialSpec) -> _Worker:
    """The worker with the trial's graph compiled, else the one with the fewest graphs. `workers` is not empty."""
    wanted = cost_identity(spec.hyperparameters)
    return min(workers, key=lambda each: (wanted not in each.compiled, len(each.compiled)))


class LocalExecutor:
    """A worker process for each placement, on this machine. Without a `setup` they start and wait for `begin`. If a
    slot's new process computes on another device than the old one, the slot is closed, and `note` gets a line."""

    def __init__(
        self,
        setup: TrialSetup | None,
        logs: Path,
        placements: Sequence[Placement],
        *,
        silence_s: float = SILENCE_S,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._note = note
        self._displaced: list[TrialSpec] = []
        memory_bytes = int(MEMORY_SHARE * memory_limit() / len(placements))
        self._stack = ExitStack()
        self._workers = [
            self._stack.enter_context(
                TrialWorker(
                    setup, logs / f"worker{number}.log", placement, memory_bytes=memory_bytes, silence_s=silence_s
                )
            )
            for number, placement in enumerate(placements)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def slots(self) -> int:
        return len(self._workers)

    @property
    def free_slots(self) -> int:
        return max(0, sum(worker.spec is None for worker in self._workers) - len(self._displaced))

    def begin(self, setup: TrialSetup) -> None:
        """Sends the setup of all trials to workers that started without one."""
        for worker in self._workers:
            worker.begin(setup)

    @property
    def process_ids(self) -> list[int | None]:
        return [worker.process_id for worker in self._workers]

    def device(self) -> str:
        devices = [worker.device() for worker in self._workers]
        for worker, device in zip(self._workers, devices, strict=True):
            if worker.placement.gpu is not None and not device.startswith("GPU"):
                raise ExperimentError(
                    f"TensorFlow does not see GPU {worker.placement.gpu}, which nvidia-smi lists: install "
                    "'segbench[gpu]', or set CUDA_VISIBLE_DEVICES to nothing to use the CPU"
                )
        return devices[0] if len(devices) == 1 else f"{len(devices)} workers on {', '.join(dict.fromkeys(devices))}"

    def precision(self) -> str:
        found = list(dict.fromkeys(worker.precision() for worker in self._workers))
        if len(found) > 1:
            raise ExperimentError(f"the GPUs here would compute in {' and '.join(found)}: set the protocol's precision")
        return found[0]

    def check_weights(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._workers[0].check_weights(pairs)

    def is_warm(self, spec: TrialSpec) -> bool:
        return any(cost_identity(spec.hyperparameters) in worker.compiled for worker in self._free_workers())

    def submit(self, spec: TrialSpec) -> None:
        warmest(self._free_workers(), spec).submit(spec)

    def events(self) -> Iterator[Event]:
        while busy := self._busy():
            multiprocessing.connection.wait([worker.connection for worker in busy], _LOOK_S)
            for worker in busy:
                spec, event = worker.spec, worker.receive()
                if worker.elsewhere is not None and spec is not None:
                    self._close(worker)
                    self._displaced.append(spec)
                    continue
                if event is not None:
                    yield event
                if isinstance(event, TrialOutcome):
                    return

    def model(self, spec: TrialSpec) -> bytes:
        return next(worker for worker in self._workers if worker.last == spec.key).model()

    def score(self, spec: TrialSpec, model: bytes, ids: Sequence[str]) -> Scored:
        worker = warmest(self._free_workers(), spec)
        answer: Scored | str = ""
        for _ in range(2):
            try:
                answer = worker.score(spec, model, ids)
            except WorkerDiedError as death:  # another process has its place already
                answer = str(death)
            else:
                if isinstance(answer, Scored):
                    return answer
                worker.restart()  # a new process has what memory the old one lacked
        raise StoreError(f"cannot score the model of trial {'/'.join(spec.key)}: {answer}")

    def _busy(self) -> list[TrialWorker]:
        """Workers with a running trial. First, trials of closed slots are submitted again."""
        while self._displaced and any(worker.spec is None for worker in self._workers):
            self.submit(self._displaced.pop(0))
        return [worker for worker in self._workers if worker.spec is not None]

    def _close(self, worker: TrialWorker) -> None:
        """Closes the slot of a worker on another device, where trials would cost and score otherwise. Raises
        ExperimentError, one line, if it was the last slot."""
        worker.stop()
        self._workers.remove(worker)
        said = (
            f"a worker's new process computes on {worker.elsewhere}: the GPU that the old one had is gone (look at "
            "nvidia-smi and the driver's log)"
        )
        if not self._workers:
            raise ExperimentError(f"{said}; what was finished is kept, go on with --resume when it is back")
        self._note(f"{said}; {plural(len(self._workers), 'worker')} left")

    def _free_workers(self) -> Iterator[TrialWorker]:
        return (worker for worker in self._workers if worker.spec is None)
