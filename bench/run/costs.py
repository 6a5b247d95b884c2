"""How long the next training will take, estimated from finished ones: a training that cannot end in time does not
start."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import log
from statistics import median
from typing import Any

from bench import clock
from bench.engine.spec import TrialSpec
from bench.experiments import Protocol
from bench.records import TrainingRecord, TrialRecord
from search_spaces.space import Part, cost_identity
from search_spaces.views import PATCHES

MARGIN = 1.1
"""Every estimate is multiplied by this, for other work on the machine and the noise of a short history."""

CostIdentity = tuple[Part, ...]
"""Trials of one compiled graph and batch size."""

_SIZES = ("image_size", "batch_size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Times of one configuration in seconds: `step_s` for a step, `first_s` to build and compile its network,
    `scoring_s` to score a training of any length at its end, `image_s` for a forward pass of an image."""

    hyperparameters: Mapping[str, Any]
    step_s: float
    steps_per_epoch: int
    first_s: float
    scoring_s: float = 0.0
    image_s: float = 0.0

    @property
    def epoch_s(self) -> float:
        return self.step_s * self.steps_per_epoch


class CostModel:
    """Seconds of a training by network, size and batch, learned from finished trainings and from a probe.

    A trial validates after each epoch, a training of the final evaluation once; an epoch of each has its own cost. A
    new network is estimated from the others (`scaled_to`), and compiles first. A search takes the most expensive of
    these estimates: a trial that the budget cuts teaches its tuner nothing. A final evaluation takes their median: a
    candidate that is left out has no rank.
    """

    def __init__(
        self,
        trials: Iterable[TrialRecord] = (),
        trainings: Iterable[TrainingRecord] = (),
        probe: Probe | None = None,
    ) -> None:
        self._trial_epoch_s: dict[CostIdentity, float] = {}
        self._first_time_s: dict[CostIdentity, float] = {}
        self._training_epoch_s: dict[CostIdentity, float] = {}
        self._is_measured: set[CostIdentity] = set()
        """Networks whose trainings were timed. For others an epoch costs what a probe or a trial measured."""
        self._first_s = self.scoring_s = 0.0
        if probe:
            self.add_probe(probe)
        for trial in trials:
            self.add(trial)
        for training in trainings:
            self.add_training(training)

    def add_probe(self, probe: Probe) -> None:
        self._training_epoch_s.setdefault(cost_identity(probe.hyperparameters), probe.epoch_s)
        self._first_s, self.scoring_s = probe.first_s, probe.scoring_s

    def add(self, record: TrialRecord) -> None:
        """Takes a trial's times into account; one that failed teaches nothing."""
        own = cost_identity(record.hyperparameters)
        if record.train_s and record.epochs_run and own not in self._is_measured:
            validated = 1 if record.hyperparameters.get("view") == PATCHES else record.epochs_run
            last_s = (record.evaluate_s or 0.0) / validated
            self._training_epoch_s[own] = (record.train_s + last_s) / record.epochs_run  # its scoring included
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
        """Seconds of the validation of a trial of one epoch. The first validation of a new graph includes compiling, so
        that it counts at most as much as training."""
        measured = record.evaluate_s or 0.0
        return measured if record.graph_reused else min(measured, record.train_s or 0.0)

    def add_training(self, training: TrainingRecord) -> None:
        """The first training of a network includes compiling, so that the cheapest counts."""
        if training.wall_s and training.epochs_run:
            own = cost_identity(training.hyperparameters)
            own_s = training.wall_s / training.epochs_run
            self._training_epoch_s[own] = min(own_s, self._training_epoch_s[own]) if own in self._is_measured else own_s
            self._is_measured.add(own)

    def estimate_s(self, values: Mapping[str, Any], epochs: int, *, warm: bool) -> float | None:
        """Wall seconds of a trial of `epochs`, on a worker that has compiled its graph (`warm`) or has not; None while
        nothing is known."""
        own = cost_identity(values)
        epoch_s = _of_network(own, self._trial_epoch_s, max)
        if epoch_s is None:
            return None
        most_expensive_s = max(self._first_time_s.values(), default=0.0)
        first_time_s = 0.0 if warm else self._first_time_s.get(own, most_expensive_s)
        return MARGIN * (first_time_s + epochs * epoch_s)

    def knows(self, spec: TrialSpec) -> bool:
        """Whether a training of its network has a price."""
        return cost_identity(spec.hyperparameters) in self._training_epoch_s

    def of(self, spec: TrialSpec) -> float:
        """Wall seconds of the training `spec` of a final evaluation; 0 while nothing is known."""
        epoch_s = _of_network(cost_identity(spec.hyperparameters), self._training_epoch_s, median)
        if epoch_s is None:
            return 0.0
        scoring_s = 0.0 if self._is_measured else self.scoring_s  # what was measured includes it
        return MARGIN * (spec.epochs * epoch_s + scoring_s + (0.0 if self.knows(spec) else self._first_s))


def _of_network(
    own: CostIdentity, known: Mapping[CostIdentity, float], among: Callable[[Iterable[float]], float]
) -> float | None:
    """Seconds of an epoch: the `known` ones, else one `among` those of the other networks (`scaled_to`)."""
    if own in known or not known:
        return known.get(own)
    return among(scaled_to(own, known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Costs of trainings of the default configuration, in seconds. A short one, the unit of `bench.run.plan`, takes
    `unit_s`; `fixed_s` of them do not depend on length. A new network takes `first_s` more."""

    unit_s: float
    fixed_s: float = 0.0
    first_s: float = 0.0

    @classmethod
    def of(cls, protocol: Protocol, *, step_s: float, first_s: float, scoring_s: float = 0.0) -> "Price":
        steps_s = MARGIN * protocol.shortest_steps * step_s
        return cls(unit_s=steps_s + MARGIN * scoring_s, fixed_s=MARGIN * scoring_s, first_s=first_s)

    def length(self, seconds: float) -> float:
        """The length of a training that takes `seconds`, in short trainings."""
        return max(0.0, (seconds - self.fixed_s) / (self.unit_s - self.fixed_s))

    def seconds(self, length: float) -> float:
        """Of a training as long as so many short ones."""
        return self.fixed_s + length * (self.unit_s - self.fixed_s)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of `bench.clock`, in seconds (None: there is no limit)."""

    at: float | None = None

    @classmethod
    def after(cls, seconds: float | None) -> "Deadline":
        return cls(None if seconds is None else clock.now() + seconds)

    @property
    def left_s(self) -> float | None:
        return None if self.at is None else max(0.0, self.at - clock.now())

    def allows(self, seconds: float | None) -> bool:
        """Whether a training of `seconds` (None: not known) may start now."""
        left = self.left_s
        return left is None or (left > 0 and (seconds is None or seconds <= left))


def scaled_to(own: CostIdentity, measured: Mapping[CostIdentity, float]) -> list[float]:
    """Estimates of the cost of `own`, which was not measured, one from each measured cost of its network, else from
    all. Each is scaled as measured costs grow with the pixels of a batch (`growth`)."""
    of_network = {other: cost for other, cost in measured.items() if _network(other) == _network(own)}
    exponent = growth(measured)
    return [cost * (pixels(own) / pixels(other)) ** exponent for other, cost in (of_network or measured).items()]


def growth(measured: Mapping[CostIdentity, float]) -> float:
    """The exponent with which costs grow with the pixels of a batch, 0 to 1: the median over pairs of measurements of
    one network at different sizes of image or batch. It is small on a GPU that a small batch leaves idle. Without a
    pair it is 1, in proportion."""
    slopes = [
        log(measured[one] / measured[other]) / log(pixels(one) / pixels(other))
        for one, other in combinations(measured, 2)
        if _network(one) == _network(other) and pixels(one) != pixels(other) and min(measured[one], measured[other]) > 0
    ]
    return min(1.0, max(0.0, median(slopes))) if slopes else 1.0


def _network(identity: CostIdentity) -> CostIdentity:
    """The part that is equal at any size of image and batch."""
    return tuple(part for part in identity if part[0] not in _SIZES)


def pixels(identity: CostIdentity) -> float:
    """Of a batch."""
    of = dict(identity)
    return float(of["image_size"] or 0) ** 2 * float(of["batch_size"] or 0)
