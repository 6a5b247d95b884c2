"""What the driver knows of one Ray worker: its actor, and what is under way on it."""

import re
from datetime import UTC, datetime
from typing import Any

from bench import clock
from bench.engine.ray.actor import Greeting, News
from bench.engine.ray.cluster import Node
from bench.engine.spec import TrialOutcome, TrialSpec, failed, family
from bench.engine.worker import TRIALS_A_PROCESS

_DEATH = re.compile(r"The actor (?:is dead|died) because its (.+?)(?= Some common causes|$)")
_CAUSE_LENGTH = 300


class RayWorker:
    """An actor, and what is under way on it."""

    def __init__(self, actor: Any, node: Node, pairs: tuple[tuple[str, str], ...]) -> None:
        self.actor, self.node, self.pairs = actor, node, pairs
        self.greeting: Any = actor.greet.remote(pairs)
        self.listening: Any = None
        self.running: Any = None
        self.about: Greeting | None = None
        self.spec: TrialSpec | None = None
        self.last: tuple[str, str] | None = None
        self.compiled: set[object] = set()
        self.trials = self.told = self.peak_bytes = self.log_start = 0
        self.heard = self.started = clock.now()
        self.started_at = ""

    @property
    def is_free(self) -> bool:
        return self.about is not None and self.spec is None

    @property
    def awaited(self) -> list[Any]:
        return [reference for reference in (self.greeting, self.listening, self.running) if reference is not None]

    @property
    def is_worn(self) -> bool:
        """Whether its process has done or held too much."""
        assert self.about is not None
        return self.trials >= TRIALS_A_PROCESS or self.peak_bytes > self.about.memory_bytes

    def submit(self, spec: TrialSpec) -> None:
        self.spec, self.last, self.told, self.peak_bytes = spec, spec.key, 0, 0
        self.trials += 1
        self.compiled.add(family(spec.hyperparameters))
        self.started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self.heard = self.started = clock.now()
        self.running = self.actor.run.remote(spec)

    def hears(self, news: News) -> None:
        """How the trial under way gets on."""
        self.peak_bytes, self.log_start = max(self.peak_bytes, news.held_bytes), news.log_start

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
    """In one line why a worker died, as far as Ray knows; of an exception in it, its last line."""
    said = str(error).strip()
    if found := _DEATH.search(" ".join(said.split())):
        said = f"its {found[1]}"
    elif said:
        said = said.splitlines()[-1].strip()
    return f"the worker on {worker.node.host} died: {said[:_CAUSE_LENGTH] or type(error).__name__}"
