"""How long a whole run still takes, from what it has before it and what its trainings have taken so far."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.clock import now
from bench.records import HyperparameterValue, TrialRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What a run has before it when it starts or goes on: the seconds that its budget leaves (None: no budget) and the
    `epochs` of training that are planned (None: as many as fit). `varies` names the hyperparameters of which a trial
    has one of several values, `fixed` has the others with their only value."""

    budget_s: float | None = None
    epochs: int | None = None
    varies: frozenset[str] = frozenset()
    fixed: Mapping[str, HyperparameterValue] = field(default_factory=dict)


@dataclass(slots=True)
class RunView:
    """The run under way, from the events so far. Times are seconds of `clock`."""

    ahead: Ahead = field(default_factory=Ahead)
    clock: Callable[[], float] = now
    places: int = 1
    started: float = field(init=False)
    _epochs_over: int = 0
    _epochs_run: int = 0
    _epochs_s: float = 0.0

    def __post_init__(self) -> None:
        self.started = self.clock()

    def trial_ended(self, record: TrialRecord) -> None:
        """A training is over; what it was planned for and did not run, nothing else will."""
        self._epochs_over += max(record.epochs_planned, record.epochs_run)
        if record.wall_s is not None and record.epochs_run:
            self._epochs_run += record.epochs_run
            self._epochs_s += record.wall_s

    def remaining_s(self) -> float | None:
        """Seconds until the run ends, its budget at the most: the mean epoch so far for each epoch that is planned,
        `places` at a time.

        None while nothing is known. Trainings under way count as not begun, so it is an upper estimate.
        """
        known = [seconds for seconds in (self._by_budget_s(), self._by_epochs_s()) if seconds is not None]
        return min(known, default=None)

    def _by_budget_s(self) -> float | None:
        budget_s = self.ahead.budget_s
        return None if budget_s is None else max(0.0, budget_s - (self.clock() - self.started))

    def _by_epochs_s(self) -> float | None:
        if self.ahead.epochs is None or not self._epochs_run:
            return None
        left = max(0, self.ahead.epochs - self._epochs_over)
        return self._epochs_s / self._epochs_run * left / self.places
