"""Keras Tuner's oracles with the habits mended that would harm a benchmark, for every oracle alike.

Its own persistence loses finished trials on a crash, so it is off: the run's records are the state, and `replay` leads
a new oracle through them. Seed 0 is a seed and no two seeds share their draws, three failures in a row do not end a
search, the direction of the objective is given, nothing is printed, any number of trials may be under way, the first
trials are the portfolio, which begins with the default configuration, and no configuration is proposed twice until all
have been: then the search ends, and not before.
"""

import enum
import random
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner as kt
import numpy as np

from bench.errors import StoreError
from bench.records import (
    COLLAPSED,
    NOTED,
    HyperparameterValue,
    ProposalRecord,
    TrialRecord,
    configuration_of,
)

OBJECTIVE = "val_iou"

Configuration = dict[str, Any]
"""Active hyperparameters by name; a trial's may have Keras Tuner's "tuner/..." beside them."""

RANDOM_POINTS = 5
"""Drawn before a model begins to choose. Keras Tuner would draw three a hyperparameter, Optuna ten: a whole small
study."""


class PatchedOracle(kt.Oracle):
    """Goes before each of Keras Tuner's oracles; see the module's docstring."""

    first: Sequence[Configuration] = ()
    """What is proposed before the oracle chooses, in this order: the portfolio of the space."""

    replayed: Mapping[str, HyperparameterValue] | None = None
    """While a finished trial is replayed: what was proposed then."""

    def __init__(self, *, hyperparameters: kt.HyperParameters, seed: int, **settings: Any) -> None:
        super().__init__(
            objective=kt.Objective(OBJECTIVE, "max"),
            hyperparameters=hyperparameters,
            seed=seed + 1,  # Keras Tuner takes 0 for "no seed"
            allow_new_entries=False,
            max_consecutive_failed_trials=None,
            **settings,
        )
        self.verbose = 0
        self.collapsed: set[str] = set()
        """Trials that have a score to learn from, and no future."""
        # Keras Tuner counts up from the seed, one for each value: with 11 hyperparameters, seed 11 would draw what
        # seed 0 draws.
        self._seed_state = random.Random(seed).getrandbits(64)

    def save(self) -> None:
        """Nothing: the run's records are the state."""

    def _save_trial(self, trial: Any) -> None:
        """Nothing: the run's records are the state."""

    def _draw(self) -> Configuration | None:
        """A configuration that no trial has had; None when there is none left. Being asked in vain changes nothing."""
        return self._next_of_first() or self._choose()

    def _choose(self) -> Configuration | None:
        """The oracle's own choice."""
        return self._random_values()

    def _next_of_first(self) -> Configuration | None:
        """The next of `first` that no trial has had."""
        return next((dict(values) for values in self.first if not self._is_tried(values)), None)

    def _is_tried(self, values: Configuration) -> bool:
        own = self._compute_values_hash(values)
        return any(self._compute_values_hash(trial.hyperparameters.values) == own for trial in self.trials.values())

    def _random_values(self) -> Configuration | None:
        if not self.trials:
            return reference(self.hyperparameters)
        before = self._seed_state
        values: Configuration | None = super()._random_values()
        if values is None and is_finite(self.hyperparameters):  # Keras Tuner gives up after 20 collisions
            left = [untried for untried in configurations(self.hyperparameters) if not self._duplicate(untried)]
            values = random.Random(before).choice(left) if left else None
            self._seed_state = before + 1 if left else before
        return values

    def may_go_on(self, trial: Any) -> bool:
        """Whether a tuner that promotes may train it further."""
        return trial.status == "COMPLETED" and trial.trial_id not in self.collapsed

    def _compute_values_hash(self, values: Mapping[str, Any]) -> str:
        """Of the configuration alone, so that a promoted trial counts as what it continues."""
        return str(super()._compute_values_hash(configuration_of(values)))


class RandomSearch(PatchedOracle, kt.oracles.RandomSearchOracle):
    """Independent draws."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        return proposed(self._draw())


class GridSearch(PatchedOracle, kt.oracles.GridSearchOracle):
    """Every combination in Keras Tuner's order: the default configuration first, and of each hyperparameter the
    recipe's value first. A continuous range has ten steps and the recipe's value.

    Keras Tuner goes on from a trial that has ended, lest it had brought new hyperparameters, so that hardly two could
    be under way; ours are all declared, and the next combination follows from the last.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if values := self._next_of_first():
            return proposed(values)
        if not self.start_order:
            return proposed(reference(self.hyperparameters))
        begun = self.start_order[max(1, len(self.first)) - 1 :]  # the combinations begin with the default configuration
        last = self.trials[begun[-1]].hyperparameters.values if begun[1:] else reference(self.hyperparameters)
        while (values := self._get_next_combination(last)) is not None and self._is_tried(values):
            last = values
        return proposed(values)


CANDIDATES = 10_000
"""Configurations that the Gaussian process compares for a proposal."""

PATIENCE = 200
"""When so many of its favourites have been tried, a small space is nearly exhausted, and a random draw finds what is
left."""


class BayesianOptimization(PatchedOracle, kt.oracles.BayesianOptimizationOracle):
    """A Gaussian process chooses: of many random configurations the one with the best upper confidence bound that no
    trial has had.

    Keras Tuner climbs that bound fifty times with numerical gradients, which takes seconds, on a surface whose lists of
    names make steps; it proposes what it proposed before, and its random numbers depend on how often it was asked in
    this process. Ours depend on the number of the proposal, so that a resumed search, whose model was not asked again,
    goes on alike.
    """

    def _make_gpr(self) -> Any:
        model = super()._make_gpr()
        model.n_restarts_optimizer = 2  # of 20: its kernel has one parameter to find
        return model

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        ended = sum(trial.status == "COMPLETED" for trial in self.trials.values())
        if ended < self.num_initial_points or self._next_of_first():
            return proposed(self._draw())
        if self.replayed is not None:  # known, and the model takes its time
            return proposed(dict(self.replayed))
        chance = np.random.default_rng([self.seed, len(self.trials)])
        with warnings.catch_warnings():  # scikit-learn's remarks on a kernel that five points do not determine
            warnings.simplefilter("ignore")
            self.gpr.fit(*self._vectorize_trials())
        bounds = self._get_hp_bounds()
        candidates = chance.uniform(bounds[:, 0], bounds[:, 1], (CANDIDATES, len(bounds)))
        mean, deviation = self.gpr.predict(candidates, return_std=True)  # of the objective with its sign turned
        for index in np.argsort(mean - self.beta * deviation)[:PATIENCE]:
            values = self._vector_to_values(candidates[index])
            if not self._duplicate(values):
                return proposed(values)
        return proposed(self._draw())


def proposed(values: Configuration | None) -> dict[str, Any]:
    """What Keras Tuner expects from `populate_space`; None ends the search."""
    return {"status": "RUNNING" if values else "STOPPED", "values": values}


def reference(hyperparameters: kt.HyperParameters) -> Configuration:
    """Every default that is active: the default configuration of the space (`search_spaces.defaults`)."""
    values: Configuration = {}
    for hp in hyperparameters.space:
        if _is_active(hp, values):
            values[hp.name] = hp.default
    return values


def is_finite(hyperparameters: kt.HyperParameters) -> bool:
    """Whether every hyperparameter is a list of values."""
    return all(isinstance(hp, kt.engine.hyperparameters.Choice) for hp in hyperparameters.space)


def configurations(hyperparameters: kt.HyperParameters) -> Iterator[Configuration]:
    """Every configuration of a finite space, the last hyperparameter changing first."""
    partial: Iterable[Configuration] = [{}]
    for hp in hyperparameters.space:
        partial = _extended(partial, hp)
    yield from partial


def _extended(partial: Iterable[Configuration], hp: Any) -> Iterator[Configuration]:
    for values in partial:
        if _is_active(hp, values):
            yield from ({**values, hp.name: value} for value in hp.values)
        else:
            yield values


def _is_active(hp: Any, values: Configuration) -> bool:
    return all(condition.is_active(values) for condition in hp.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A trial to run: its id ("0000", "0001", ... in the order of asking) and active hyperparameters."""

    trial_id: str
    values: Configuration


class NoProposal(enum.Enum):
    """Why there is none: `WAIT` until a trial that is under way has ended, `EXHAUSTED` for good."""

    WAIT = enum.auto()
    EXHAUSTED = enum.auto()


WAIT, EXHAUSTED = NoProposal.WAIT, NoProposal.EXHAUSTED


def ask(oracle: kt.Oracle) -> Proposal | NoProposal:
    """The next trial; any number may be under way. The answer depends on what was asked and told before, and in which
    order (but not on what was asked in vain); `WAIT` is an answer only while a trial is under way."""
    trial = oracle.create_trial(f"trial {len(oracle.trials)}")  # Keras Tuner gives a worker it knows the trial it has
    if trial.status != "RUNNING":
        return WAIT if trial.status == "IDLE" else EXHAUSTED
    space = trial.hyperparameters
    active = {hp.name for hp in space.space if space.is_active(hp)}
    values = {name: value for name, value in space.values.items() if name in active or name.startswith(NOTED)}
    return Proposal(trial_id=trial.trial_id, values=values)


def tell(oracle: kt.Oracle, record: TrialRecord) -> None:
    """What became of a trial; trials may end in any order. One that has collapsed or was pruned has a score like one
    that completed."""
    trial = oracle.trials[record.trial_id]
    scored = record.status.has_score
    trial.status = "COMPLETED" if scored else "FAILED"
    trial.message = record.error
    if record.status == COLLAPSED:
        oracle.collapsed.add(record.trial_id)
    if scored:
        oracle.update_trial(record.trial_id, {OBJECTIVE: record.val_metrics["iou"] or 0.0}, step=record.best_epoch or 0)
    oracle.end_trial(trial)


def replay(
    oracle: kt.Oracle, proposals: Sequence[ProposalRecord], records: Sequence[TrialRecord]
) -> list[ProposalRecord]:
    """Leads a new oracle through what was kept of its study, in the order in which it happened, so that it goes on as
    if it had never stopped (bayesian with several trials under way: knowing the same, with other guesses of their
    scores). Gives the proposals that have no result yet.

    Raises StoreError where it would have proposed something else: then the records belong to another space, seed or
    version.
    """
    told = 0
    for proposal in proposals:
        _tell_all(oracle, records[told : proposal.after], proposal.study_id)
        told = max(told, min(proposal.after, len(records)))
        oracle.replayed = proposal.hyperparameters
        answer = ask(oracle)
        oracle.replayed = None
        if told < proposal.after or answer != Proposal(
            trial_id=proposal.trial_id, values=dict(proposal.hyperparameters)
        ):
            raise StoreError(
                f"study {proposal.study_id} cannot be resumed: its trial {proposal.trial_id} is not what the tuner "
                f"proposes for this search space, seed and version, after {told} of {proposal.after} trials that were "
                "on record then"
            )
    _tell_all(oracle, records[told:], proposals[-1].study_id if proposals else "")
    ended = {record.trial_id for record in records}
    return [proposal for proposal in proposals if proposal.trial_id not in ended]


def _tell_all(oracle: kt.Oracle, records: Sequence[TrialRecord], study_id: str) -> None:
    for record in records:
        if record.trial_id not in oracle.trials:
            raise StoreError(
                f"study {study_id} cannot be resumed: trial {record.trial_id} is on record before it was proposed; "
                "records are missing"
            )
        tell(oracle, record)
