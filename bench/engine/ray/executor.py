"""Worker slots on a Ray cluster: an actor for each, on machines that may come late and go early.

The oracle, the records and the budget stay with the driver. A machine that joins gets workers at the next look; one
that is lost gives its trials back as crashed, and the study tries them again elsewhere.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import GetTimeoutError, RayError

from bench import clock
from bench.engine.executor import warmest
from bench.engine.ray.actor import Pixels, WorkerInfo
from bench.engine.ray.cluster import Node, Reservation, connect, nodes_of, reservation
from bench.engine.ray.worker import RayWorker, cause_of_death, log_tail, problem_of, start_actor
from bench.engine.spec import EpochEnded, Event, Scored, TrialOutcome, TrialSetup, TrialSpec
from bench.engine.worker import SILENCE_S, WorkerDiedError, silence_limit_s
from bench.errors import ExperimentError, StoreError
from search_spaces.space import cost_identity

_LOOK_S = 1.0
_CLUSTER_S = 5.0
"""How often the cluster is asked for its machines."""

PATIENCE_S = 600.0
"""How long a run waits for its first worker: a cluster that grows on demand needs minutes for a machine."""

_SETTLE_S = 30.0
"""How long the first worker waits for the others, so that a run begins with all of them."""

FAILED_STARTS = 3
"""A machine on which so many workers in a row did not come up is left alone."""


class RayExecutor:
    """Joins `cluster` ("local", "auto", HOST:PORT or ray://HOST:PORT) and leaves it at the end. `workers` is the most
    trials at once (None: one for each GPU of the cluster, or machine). `note` gets a line when a machine comes or
    goes."""

    def __init__(
        self,
        setup: TrialSetup,
        cluster: str,
        *,
        workers: int | None = None,
        note: Callable[[str], None] = lambda line: None,
        silence_s: float = SILENCE_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._setup, self._cluster, self._limit, self._note = setup, cluster, workers, note
        self._silence_s, self._patience_s = silence_s, patience_s
        self._workers: list[RayWorker] = []
        self._reservation: Reservation | None = None
        self._pairs: tuple[tuple[str, str], ...] = ()
        self._failed_starts: Counter[str] = Counter()
        self._refused: dict[str, str] = {}
        self._precision: str | None = None
        self._looked = float("-inf")
        self._waiting = False
        connect(cluster)
        try:
            self._pixels = Pixels.put(Path(setup.cache_directory))
        except BaseException:
            ray.shutdown()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            with contextlib.suppress(Exception):  # a connection that is lost ends them too
                ray.kill(worker.actor)
        self._workers.clear()
        ray.shutdown()

    @property
    def slots(self) -> int:
        return sum(worker.info is not None for worker in self._workers)

    @property
    def free_slots(self) -> int:
        return sum(worker.is_free for worker in self._workers)

    @property
    def process_ids(self) -> list[int]:
        return [worker.info.process_id for worker in self._workers if worker.info is not None]

    def device(self) -> str:
        self._await_slot(_SETTLE_S)
        devices = [worker.info.device for worker in self._workers if worker.info is not None]
        said = ", ".join(dict.fromkeys(devices))
        return f"{len(devices)} Ray worker{'s' if len(devices) > 1 else ''} on {said}"

    def precision(self) -> str:
        self._await_slot(_SETTLE_S)
        assert self._precision is not None
        return self._precision

    def check_weights(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = tuple(pairs)
        if self._pairs:
            for worker in self._workers:
                worker.info = None
                worker.setting_up = worker.actor.set_up.remote(self._pairs)
                worker.pairs = self._pairs
            self._await_slot(_SETTLE_S)

    def is_warm(self, spec: TrialSpec) -> bool:
        return any(cost_identity(spec.hyperparameters) in worker.compiled for worker in self._free_workers())

    def submit(self, spec: TrialSpec) -> None:
        worker = warmest(self._free_workers(), spec)
        if worker.needs_restart:
            worker = self._renewed(worker)
        worker.submit(spec)

    def events(self) -> Iterator[Event]:
        """As `Executor.events`. While no trial runs it waits a moment for a slot, and ends without an event."""
        while True:
            idle = all(worker.spec is None for worker in self._workers)
            done = self._wait()
            for worker in list(self._workers):
                yield from self._epochs_of(worker, done)
                spec, event = worker.spec, self._ended(worker, done)
                if event is not None and spec is not None:
                    for epoch in event.record.curve[worker.epochs_sent :]:
                        yield EpochEnded(spec=spec, epoch=epoch)
                    yield event
                    return
            if idle:
                self._note_waiting()
                return

    def model(self, spec: TrialSpec) -> bytes:
        worker = next((worker for worker in self._workers if worker.last == spec.key and worker.info), None)
        if worker is None:
            raise WorkerDiedError("its worker is gone")
        try:
            return ray.get(worker.actor.model.remote(), timeout=self._silence_s)
        except (RayError, GetTimeoutError) as error:
            raise WorkerDiedError(cause_of_death(worker, error)) from error

    def score(self, spec: TrialSpec, model: bytes, ids: Sequence[str]) -> Scored:
        answer: Any = None
        for is_last in (False, True):  # a machine may be lost meanwhile, or have no memory left
            self._await_slot()
            worker = warmest(self._free_workers(), spec)
            try:
                answer = ray.get(worker.actor.score.remote(spec, ray.put(model), tuple(ids)), timeout=self._silence_s)
            except (RayError, GetTimeoutError) as error:
                answer = cause_of_death(worker, error)
            if isinstance(answer, Scored):
                return answer
            if not is_last:
                self._drop(worker)
        raise StoreError(f"cannot score the model of trial {'/'.join(spec.key)}: {answer}")

    def _free_workers(self) -> Iterator[RayWorker]:
        return (worker for worker in self._workers if worker.is_free)

    def _await_slot(self, settle_s: float = 0.0) -> None:
        """Waits until a worker is up and free, and up to `settle_s` for those that are starting. Raises
        ExperimentError, one line, if none comes."""
        began = clock.now()
        while not self.free_slots or (self.slots < len(self._workers) and clock.now() - began < settle_s):
            done = self._wait()
            for worker in list(self._workers):
                self._ended(worker, done)
            if self._refused and not self._workers:
                reason = next(iter(self._refused.values()))
                raise ExperimentError(f"no machine of the Ray cluster {self._cluster!r} is of use; {reason}")
            if not self.free_slots and clock.now() - began > self._patience_s:
                raise ExperimentError(
                    f"no worker came up on the Ray cluster {self._cluster!r} within {self._patience_s:.0f} s; "
                    "look at its free CPUs and GPUs with: ray status"
                )

    def _note_waiting(self) -> None:
        if not self.slots and not self._waiting:
            self._note("no worker is up; waiting for a machine to join the Ray cluster")
        self._waiting = not self.slots

    def _wait(self) -> set[Any]:
        """Waits a moment and returns the references that are done."""
        try:
            self._look_at_cluster()
            awaited = [reference for worker in self._workers for reference in worker.awaited]
            if not awaited:
                time.sleep(_LOOK_S)
                return set()
            ray.wait(awaited, num_returns=1, timeout=_LOOK_S)
            return set(ray.wait(awaited, num_returns=len(awaited), timeout=0)[0])
        except ConnectionError as error:
            raise ExperimentError(
                f"the connection to the Ray cluster {self._cluster!r} is lost; go on with --resume"
            ) from error

    def _look_at_cluster(self) -> None:
        """Starts workers where there is room for them."""
        if time.monotonic() - self._looked < _CLUSTER_S:
            return
        self._looked = time.monotonic()
        nodes = nodes_of(ray.nodes())
        if self._reservation is None and nodes:
            self._reservation = reservation(nodes, self._limit)
        for node in nodes:
            if self._reservation is None or node.node_id in self._refused:
                continue
            room = self._reservation.room(node) - sum(worker.node.node_id == node.node_id for worker in self._workers)
            left = room if self._limit is None else min(room, self._limit - len(self._workers))
            self._workers.extend(self._start(node, self._reservation) for _ in range(left))

    def _start(self, node: Node, reserved: Reservation) -> RayWorker:
        actor = start_actor(self._setup, self._pixels, node, reserved)
        return RayWorker(actor, node, self._pairs)

    def _renewed(self, worker: RayWorker) -> RayWorker:
        """Replaces a worker's process. Calls to the new one wait until it is up."""
        assert self._reservation is not None
        self._drop(worker)
        new = self._start(worker.node, self._reservation)
        new.info = worker.info
        self._workers.append(new)
        return new

    def _epochs_of(self, worker: RayWorker, done: set[Any]) -> Iterator[EpochEnded]:
        """The epochs that a worker has sent."""
        if worker.listening not in done:
            return
        try:
            update = ray.get(worker.listening)
        except RayError:
            return
        worker.listening = worker.actor.listen.remote()
        if worker.spec is not None:
            worker.take_note(update)
        for event in update.epochs:
            if worker.spec is not None and event.spec.key == worker.spec.key:
                worker.last_seen = clock.now()
                worker.epochs_sent += 1
                yield event

    def _ended(self, worker: RayWorker, done: set[Any]) -> TrialOutcome | None:
        """Notes that a worker is up, has an outcome, or is dead. Returns the outcome of its trial if that is over."""
        try:
            if worker.setting_up in done:
                self._came_up(worker, ray.get(worker.setting_up))
            if worker.running in done:
                return self._outcome(worker, ray.get(worker.running))
            if worker.listening in done:
                ray.get(worker.listening)
        except RayError as error:
            return self._lost(worker, cause_of_death(worker, error))
        silent_s = clock.now() - worker.last_seen
        if worker.spec is not None and silent_s > silence_limit_s(
            worker.spec, worker.last_seen - worker.started, self._silence_s
        ):
            return self._lost(worker, f"the worker on {worker.node.host} gave no sign of life for {silent_s:.0f} s")
        return None

    def _came_up(self, worker: RayWorker, info: WorkerInfo) -> None:
        """A worker is up. It is refused if it has a problem; if it started before `check_weights`, it loads the
        weights."""
        worker.setting_up = None
        problem = problem_of(info, self._precision)
        if problem is not None:
            self._refuse(worker.node, f"{worker.node.host}: {problem}")
            return
        self._precision = info.precision
        if worker.pairs != self._pairs:
            worker.pairs = self._pairs
            worker.setting_up = worker.actor.set_up.remote(self._pairs)
        else:
            worker.info = info
            worker.listening = worker.listening or worker.actor.listen.remote()
            self._failed_starts[worker.node.node_id] = 0

    def _outcome(self, worker: RayWorker, answer: TrialOutcome | str) -> TrialOutcome:
        spec = worker.spec
        assert spec is not None
        if isinstance(answer, str):
            return worker.failed(answer, crashed=False)
        worker.spec = worker.running = None
        worker.peak_bytes = answer.record.peak_memory_bytes or 0
        return answer

    def _lost(self, worker: RayWorker, cause: str) -> TrialOutcome | None:
        """A worker is dead or useless. Returns the outcome of its trial, if it had one."""
        node = worker.node
        self._drop(worker)
        if worker.info is None:
            self._failed_starts[node.node_id] += 1
            if self._failed_starts[node.node_id] >= FAILED_STARTS:
                self._refuse(node, cause)
        return None if worker.spec is None else worker.failed(f"{cause}{log_tail(worker)}", crashed=True)

    def _refuse(self, node: Node, reason: str) -> None:
        if node.node_id not in self._refused:
            self._note(f"{reason}; that machine is left alone")
        self._refused[node.node_id] = reason
        for worker in [worker for worker in self._workers if worker.node == node and worker.info is None]:
            self._drop(worker)

    def _drop(self, worker: RayWorker) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
        with contextlib.suppress(RayError):
            ray.kill(worker.actor)
