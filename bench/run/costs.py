"""How long the next trial will take, from those that are over: no trial starts that cannot end in time."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from math import log
from statistics import median
from typing import Any

from bench.engine.spec import family
from bench.experiments import Protocol
from bench.records import TrialRecord
from search_spaces.space import Part

MARGIN = 1.15
"""An estimate is multiplied by this: neighbours on the machine, the noise of a short history."""

Family = tuple[Part, ...]
"""Trials of one compiled graph and batch size."""

_SIZES = ("image_size", "batch_size")


@dataclass(slots=True)
class TrialClock:
    """Learns from every finished trial what an epoch costs by network and size, and what a network costs the first time."""

    epoch_s: dict[Family, float] = field(default_factory=dict)
    first_time_s: dict[Family, float] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[TrialRecord]) -> "TrialClock":
        """A clock that has seen these trials."""
        clock = cls()
        for record in records:
            clock.add(record)
        return clock

    def add(self, record: TrialRecord) -> None:
        """Takes a trial's times into account; one that failed teaches nothing."""
        if len(record.curve) == 0 or record.wall_s is None:
            return
        own = family(record.hyperparameters)
        first, last = record.curve[0], record.curve[-1]
        if len(record.curve) > 1:
            epoch_s = (last.elapsed_s - first.elapsed_s) / (len(record.curve) - 1)
        else:
            epoch_s = ((record.train_s or 0.0) + self._evaluation_s(record)) / record.epochs_run
        self.epoch_s[own] = epoch_s
        if not record.graph_reused:
            first_time_s = max(0.0, record.wall_s - record.epochs_run * epoch_s)
            self.first_time_s[own] = max(first_time_s, self.first_time_s.get(own, 0.0))

    def _evaluation_s(self, record: TrialRecord) -> float:
        """Of an only epoch. A new graph's first validation compiles, and tells only that one does not cost more than training."""
        measured = record.evaluate_s or 0.0
        return measured if record.graph_reused else min(measured, record.train_s or 0.0)

    def estimate_s(self, values: Mapping[str, Any], epochs: int, *, warm: bool) -> float | None:
        """Wall seconds of a trial of that many epochs, on a worker that has (`warm`) or has not compiled its graph; None while nothing
        is known. A network not seen yet is taken to cost as much as the dearest so far (`scaled_to`)."""
        if not self.epoch_s:
            return None
        own = family(values)
        known = self.epoch_s.get(own)
        epoch_s = known if known is not None else max(scaled_to(own, self.epoch_s))
        dearest_s = max(self.first_time_s.values(), default=0.0)
        first_time_s = 0.0 if warm else self.first_time_s.get(own, dearest_s)
        return MARGIN * (first_time_s + epochs * epoch_s)


def short_training_s(protocol: Protocol, *, step_s: float, first_s: float) -> float:
    """Seconds of a short training, the unit of `bench.run.plan`, where a step takes `step_s` and building and compiling the network
    `first_s`, which is shared by the trainings of one network."""
    return MARGIN * protocol.shortest_steps * step_s + first_s / 2


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, in seconds; None: there is time without end."""

    at: float | None = None

    @classmethod
    def after(cls, seconds: float | None) -> "Deadline":
        return cls(None if seconds is None else time.monotonic() + seconds)

    @property
    def left_s(self) -> float | None:
        return None if self.at is None else max(0.0, self.at - time.monotonic())

    def allows(self, seconds: float | None) -> bool:
        """Whether something of that length, None if nobody knows, may start now."""
        left = self.left_s
        return left is None or (left > 0 and (seconds is None or seconds <= left))


def scaled_to(own: Family, measured: Mapping[Family, float]) -> list[float]:
    """What `own`, which was not measured, would cost by each that was: by those of its own network where there are any, else by all, each
    scaled as far as measured costs have been seen to grow with the pixels of a batch."""
    of_network = {other: cost for other, cost in measured.items() if _network(other) == _network(own)}
    exponent = growth(measured)
    return [cost * (pixels(own) / pixels(other)) ** exponent for other, cost in (of_network or measured).items()]


def growth(measured: Mapping[Family, float]) -> float:
    """The exponent with which costs grow with the pixels of a batch, 0 to 1: the median over pairs of measurements of one network at different
    sizes of image or batch. A GPU that a small batch leaves idle costs little more for a large one. 1, in proportion, while there is no pair."""
    slopes = [
        log(measured[one] / measured[other]) / log(pixels(one) / pixels(other))
        for one, other in combinations(measured, 2)
        if _network(one) == _network(other) and pixels(one) != pixels(other) and min(measured[one], measured[other]) > 0
    ]
    return min(1.0, max(0.0, median(slopes))) if slopes else 1.0


def _network(family: Family) -> Family:
    """What is equal at any size of image and batch."""
    return tuple(part for part in family if part[0] not in _SIZES)


def pixels(family: Family) -> float:
    """Of a batch."""
    of = dict(family)
    return float(of["image_size"] or 0) ** 2 * float(of["batch_size"] or 0)
