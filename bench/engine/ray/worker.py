"""One Ray worker as the driver sees it: its actor's start, its problems, its running trial, and the cause of its
death."""

import re
from datetime import UTC, datetime
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from bench import clock
from bench.engine.processes import LOG_LINES
from bench.engine.ray.actor import Pixels, TrialActor, Update, WorkerInfo, end_of_log
from bench.engine.ray.cluster import Node, Reservation
from bench.engine.spec import TrialOutcome, TrialSetup, TrialSpec, failed
from bench.engine.worker import TRIALS_A_PROCESS
from bench.records.environment import current_versions
from search_spaces.space import cost_identity

_DEATH = re.compile(r"The actor (?:is dead|died) because its (.+?)(?= Some common causes|$)")
_CAUSE_LENGTH = 300

_READ_S = 20.0
"""The longest time to read the log's end of a dead worker: its machine starts a process for that."""


def start_actor(setup: TrialSetup, pixels: Pixels, node: Node, reserved: Reservation) -> Any:
    """A handle of a `TrialActor` that starts on `node`."""
    cores = reserved.cores or node.cores
    remote: Any = ray.remote
    kind = remote(concurrency_groups={"compute": 1, "listen": 1})(TrialActor)
    options = {
        "num_cpus": cores if reserved.gpu_share is None else 0,
        "num_gpus": reserved.gpu_share or 0,
        "scheduling_strategy": NodeAffinitySchedulingStrategy(node.node_id, soft=False),
    }
    return kind.options(**options).remote(
        setup,
        pixels,
        share=1 / reserved.room(node),
        memory_bytes=node.memory_bytes,
        gpu_share=reserved.gpu_share,
        threads=cores,
    )


class RayWorker:
    """An actor and its running trial."""

    def __init__(self, actor: Any, node: Node, pairs: tuple[tuple[str, str], ...]) -> None:
        self.actor, self.node, self.pairs = actor, node, pairs
        self.setting_up: Any = actor.set_up.remote(pairs)
        self.listening: Any = None
        self.running: Any = None
        self.info: WorkerInfo | None = None
        self.spec: TrialSpec | None = None
        self.last: tuple[str, str] | None = None
        self.compiled: set[object] = set()
        self.trials = self.epochs_sent = self.peak_bytes = self.log_start = 0
        self.last_seen = self.started = clock.now()
        self.started_at = ""

    @property
    def is_free(self) -> bool:
        return self.info is not None and self.spec is None

    @property
    def awaited(self) -> list[Any]:
        return [reference for reference in (self.setting_up, self.listening, self.running) if reference is not None]

    @property
    def needs_restart(self) -> bool:
        """Whether its process has trained too many trials or held too much memory."""
        assert self.info is not None
        return self.trials >= TRIALS_A_PROCESS or self.peak_bytes > self.info.memory_bytes

    def submit(self, spec: TrialSpec) -> None:
        self.spec, self.last, self.epochs_sent, self.peak_bytes = spec, spec.key, 0, 0
        self.trials += 1
        self.compiled.add(cost_identity(spec.hyperparameters))
        self.started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self.last_seen = self.started = clock.now()
        self.running = self.actor.run.remote(spec)

    def take_note(self, update: Update) -> None:
        """Keeps the memory and the log's position of the running trial."""
        self.peak_bytes, self.log_start = max(self.peak_bytes, update.held_bytes), update.log_start

    def failed(self, error: str, *, crashed: bool) -> TrialOutcome:
        spec, self.spec, self.running = self.spec, None, None
        assert spec is not None
        wall_s = clock.now() - self.started
        return failed(
            spec,
            error,
            crashed=crashed,
            started_at=self.started_at,
            wall_s=wall_s,
            peak_memory_bytes=self.peak_bytes or None,
        )


def cause_of_death(worker: RayWorker, error: Exception) -> str:
    """Why a worker died, in one line, as far as Ray knows; of an exception its last line."""
    said = str(error).strip()
    if found := _DEATH.search(" ".join(said.split())):
        said = f"its {found[1]}"
    elif said:
        said = said.splitlines()[-1].strip()
    return f"the worker on {worker.node.host} died: {said[:_CAUSE_LENGTH] or type(error).__name__}"


def log_tail(worker: RayWorker) -> str:
    """The last lines that a dead worker printed, read by another process of its machine; "" if that machine is gone or
    slow."""
    if worker.info is None or not worker.info.log:
        return ""
    remote: Any = ray.remote
    here = NodeAffinitySchedulingStrategy(worker.node.node_id, soft=False)
    reader = remote(end_of_log).options(num_cpus=0, max_retries=0, scheduling_strategy=here)
    try:
        said = ray.get(reader.remote(worker.info.log, worker.log_start, LOG_LINES), timeout=_READ_S)
    except (RayError, GetTimeoutError):
        return ""
    return f"; its last words: {said}" if said else ""


def problem_of(info: WorkerInfo, precision: str | None) -> str | None:
    """Why a worker is of no use; None if it is. All workers compute in `precision`, to which "auto" resolved on the
    first one (None: it is the first), since scores must not depend on where a trial ran."""
    problem = info.problem or _other_versions(info)
    if problem is not None or precision in (None, info.precision):
        return problem
    return f"computes in {info.precision} there, in {precision} elsewhere: set the protocol's precision"


def _other_versions(info: WorkerInfo) -> str | None:
    """Differences of installed versions there and here. Both builds of TensorFlow are accepted."""
    here, there = (
        {name.removesuffix("-cpu"): version for name, version in versions.items()}
        for versions in (current_versions(), info.versions)
    )
    differing = [f"{name} {there.get(name)} there, {here[name]} here" for name in here if here[name] != there.get(name)]
    return f"other versions than the driver's: {'; '.join(differing)}" if differing else None
