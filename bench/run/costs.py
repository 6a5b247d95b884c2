"""How long the next training will take, from those that are over: none starts that cannot end in time."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import log
from statistics import median
from typing import Any

from bench.engine.spec import TrialSpec, family
from bench.experiments import Protocol
from bench.records import TrainingRecord, TrialRecord
from search_spaces.space import Part
from search_spaces.views import PATCHES

MARGIN = 1.15
"""An estimate is multiplied by this: neighbours on the machine, the noise of a short history."""

Family = tuple[Part, ...]
"""Trials of one compiled graph and batch size."""

_SIZES = ("image_size", "batch_size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a few steps of one configuration took, in seconds: a `step_s`, `first_s` to build and compile its network, `scoring_s` in which a training
    is scored in the end. `epoch_s` is what an epoch of a short training costs, its share of the scoring included."""

    hyperparameters: Mapping[str, Any]
    step_s: float
    epoch_s: float
    first_s: float
    scoring_s: float = 0.0


class CostModel:
    """What a training takes here, in seconds, by network, size and batch, learned from all that are over and from a probe.

    A trial of a search validates after each epoch, a training of the final evaluation once: an epoch of either has a price of its own. A
    network that is new costs what the others do (`scaled_to`), and compiles first. A search takes the most expensive of them, since a
    trial that the budget cuts teaches its tuner nothing; a final evaluation their median, since a candidate that is left out has no rank.
    """

    def __init__(
        self,
        trials: Iterable[TrialRecord] = (),
        trainings: Iterable[TrainingRecord] = (),
        probe: Probe | None = None,
    ) -> None:
        self._trial_epoch_s: dict[Family, float] = {}
        self._first_time_s: dict[Family, float] = {}
        self._training_epoch_s: dict[Family, float] = {}
        self._is_measured: set[Family] = set()
        """Networks whose trainings were timed; of others the price of an epoch is that of a probe or of trials."""
        self._first_s = 0.0
        if probe:
            self.add_probe(probe)
        for trial in trials:
            self.add(trial)
        for training in trainings:
            self.add_training(training)

    def add_probe(self, probe: Probe) -> None:
        self._training_epoch_s.setdefault(family(probe.hyperparameters), probe.epoch_s)
        self._first_s = probe.first_s

    def add(self, record: TrialRecord) -> None:
        """Takes a trial's times into account; one that failed teaches nothing."""
        own = family(record.hyperparameters)
        if record.train_s and record.epochs_run and own not in self._is_measured:
            validated = 1 if record.hyperparameters.get("view") == PATCHES else record.epochs_run
            last_s = (record.evaluate_s or 0.0) / validated
            self._training_epoch_s[own] = (record.train_s + last_s) / record.epochs_run
        if len(record.curve) == 0 or record.wall_s is None:
            return
        first, last = record.curve[0], record.curve[-1]
        if len(record.curve) > 1:
            epoch_s = (last.elapsed_s - first.elapsed_s) / (len(record.curve) - 1)
        else:
            epoch_s = ((record.train_s or 0.0) + self._evaluation_s(record)) / record.epochs_run
        self._trial_epoch_s[own] = epoch_s
        if not record.graph_reused:
            first_time_s = max(0.0, record.wall_s - record.epochs_run * epoch_s)
            self._first_time_s[own] = max(first_time_s, self._first_time_s.get(own, 0.0))

    def _evaluation_s(self, record: TrialRecord) -> float:
        """Of an only epoch. A new graph's first validation compiles, and tells only that one does not cost more than training."""
        measured = record.evaluate_s or 0.0
        return measured if record.graph_reused else min(measured, record.train_s or 0.0)

    def add_training(self, training: TrainingRecord) -> None:
        """The first one of a network compiled, so that the cheapest counts."""
        if training.wall_s and training.epochs_run:
            own = family(training.hyperparameters)
            own_s = training.wall_s / training.epochs_run
            self._training_epoch_s[own] = min(own_s, self._training_epoch_s[own]) if own in self._is_measured else own_s
            self._is_measured.add(own)

    def estimate_s(self, values: Mapping[str, Any], epochs: int, *, warm: bool) -> float | None:
        """Wall seconds of a trial of that many epochs, on a worker that has (`warm`) or has not compiled its graph; None while nothing
        is known."""
        own = family(values)
        epoch_s = _of_network(own, self._trial_epoch_s, max)
        if epoch_s is None:
            return None
        dearest_s = max(self._first_time_s.values(), default=0.0)
        first_time_s = 0.0 if warm else self._first_time_s.get(own, dearest_s)
        return MARGIN * (first_time_s + epochs * epoch_s)

    def knows(self, spec: TrialSpec) -> bool:
        """Whether a training of its network has a price."""
        return family(spec.hyperparameters) in self._training_epoch_s

    def of(self, spec: TrialSpec) -> float:
        """Wall seconds of the training `spec` of a final evaluation; 0 while nothing is known."""
        epoch_s = _of_network(family(spec.hyperparameters), self._training_epoch_s, median)
        if epoch_s is None:
            return 0.0
        return MARGIN * (spec.epochs * epoch_s + (0.0 if self.knows(spec) else self._first_s))


def _of_network(own: Family, known: Mapping[Family, float], among: Callable[[Iterable[float]], float]) -> float | None:
    """Seconds of an epoch: as it is `known`, else one `among` those of the other networks (`scaled_to`)."""
    if own in known or not known:
        return known.get(own)
    return among(scaled_to(own, known))


def short_training_s(protocol: Protocol, *, step_s: float, first_s: float, scoring_s: float) -> float:
    """Seconds of a short training, the unit of `bench.run.plan`, where a step takes `step_s`, building and compiling the network
    `first_s`, which is shared by the trainings of one network, and scoring in the end `scoring_s`."""
    return MARGIN * protocol.shortest_steps * step_s + first_s / 2 + scoring_s


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
