"""Where trials run: one interface, and worker processes on this machine behind it.

The search asks whether a worker slot is free, submits a trial, and waits for what the trials under way have to say.
Nothing about oracles or records is known here, and nothing about processes or machines outside.
"""

import multiprocessing.connection
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from bench.engine.devices import Placement
from bench.engine.spec import Event, Scored, TrialOutcome, TrialSetup, TrialSpec, family
from bench.engine.worker import MEMORY_SHARE, SILENCE_S, TrialWorker, WorkerDiedError
from bench.errors import ExperimentError, StoreError
from bench.formats import plural
from bench.records.environment import memory_limit

_LOOK_S = 1.0


class Executor(Protocol):
    """Worker slots for trials. Use as a context manager: leaving it ends every process, and abandons what is under
    way."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def places(self) -> int:
        """How many trials may be under way at once."""

    @property
    def free(self) -> int:
        """How many more may be submitted now."""

    def device(self) -> str:
        """What trials compute on, for people. Raises ExperimentError where it is not what was planned with."""

    def precision(self) -> str:
        """In which precision trials compute, all in one: what the protocol's "auto" comes to here. Raises
        ExperimentError."""

    def check_weights(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Makes sure that every (backbone, encoder_weights) pair can be had. Raises ExperimentError, one line."""

    def is_warm(self, spec: TrialSpec) -> bool:
        """Whether a free slot has this trial's graph compiled."""

    def submit(self, spec: TrialSpec) -> None:
        """Begins a trial in a free slot, one that has its graph compiled if there is any."""

    def events(self) -> Iterator[Event]:
        """Waits until a trial under way has something to say, and gives it; ends after an outcome, so that its slot
        can be filled."""

    def model(self, spec: TrialSpec) -> bytes:
        """The weights of a trial whose outcome was the last event. Raises UserError where they are gone."""

    def score(self, spec: TrialSpec, model: bytes, ids: Sequence[str]) -> Scored:
        """What saved weights say about images. Raises StoreError where they cannot be scored."""


class _HasGraphs(Protocol):
    compiled: set[object]


_Worker = TypeVar("_Worker", bound=_HasGraphs)


def warmest(workers: Iterable[_Worker], spec: TrialSpec) -> _Worker:
    """Of at least one worker the one that has the trial's graph compiled, else the one with the fewest graphs."""
    wanted = family(spec.hyperparameters)
    return min(workers, key=lambda each: (wanted not in each.compiled, len(each.compiled)))


class LocalExecutor:
    """A worker process for each placement, on this machine. Without a `setup` they start, and wait for `begin`. A place
    whose new process no longer computes on what the old one did is closed, which `note` hears."""

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
    def places(self) -> int:
        return len(self._workers)

    @property
    def free(self) -> int:
        return max(0, sum(worker.spec is None for worker in self._workers) - len(self._displaced))

    def begin(self, setup: TrialSetup) -> None:
        """Says what the trials have in common, where the workers were started before that was known."""
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
        return any(family(spec.hyperparameters) in worker.compiled for worker in self._free_workers())

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
        """Those with a trial under way; one whose place was closed goes on at the next free one."""
        while self._displaced and any(worker.spec is None for worker in self._workers):
            self.submit(self._displaced.pop(0))
        return [worker for worker in self._workers if worker.spec is not None]

    def _close(self, worker: TrialWorker) -> None:
        """A place where trials would cost and score otherwise. Raises ExperimentError, one line, where it was the last
        one."""
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
