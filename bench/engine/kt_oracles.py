"""Keras Tuner's oracles with the habits mended that would harm a benchmark, for every oracle alike.

Its own persistence loses finished trials on a crash, so it is off: the run's records are the state, and `replay` leads a new
oracle through them. Seed 0 is a seed, three failures in a row do not end a search, the direction of the objective is given,
nothing is printed, and no configuration is proposed twice.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import keras_tuner as kt

from bench.errors import StoreError
from bench.records import COMPLETED, HyperparameterValue, ProposalRecord, TrialRecord

OBJECTIVE = "val_iou"
_WORKER = "worker"


class _Ours:
    """Mixed into each of Keras Tuner's oracles; see the module's docstring."""

    replayed: Mapping[str, HyperparameterValue] | None = None

    def __init__(self, *, hyperparameters: kt.HyperParameters, seed: int, **settings: Any) -> None:
        super().__init__(  # type: ignore[call-arg]  # of the oracle that this is mixed into
            objective=kt.Objective(OBJECTIVE, "max"),
            hyperparameters=hyperparameters,
            seed=seed + 1,  # Keras Tuner takes 0 for "no seed"
            allow_new_entries=False,
            max_consecutive_failed_trials=None,
            **settings,
        )
        self.verbose = 0

    def save(self) -> None:
        """Nothing: the run's records are the state."""

    def _save_trial(self, trial: Any) -> None:
        """Nothing: the run's records are the state."""


class RandomSearch(_Ours, kt.oracles.RandomSearchOracle):
    """Independent draws."""


class GridSearch(_Ours, kt.oracles.GridSearchOracle):
    """Every combination in order; a continuous range in ten steps."""


class Hyperband(_Ours, kt.oracles.HyperbandOracle):
    """Many short trials, the best of which go on; promoted trials keep their training state (`TrialSpec.resume_from`)."""


class BayesianOptimization(_Ours, kt.oracles.BayesianOptimizationOracle):
    """A Gaussian process chooses; where it repeats itself, a random draw stands in."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        ended = sum(trial.status == "COMPLETED" for trial in self.trials.values())
        if (
            self.replayed is not None and ended >= self.num_initial_points
        ):  # the model's proposals cost seconds, and are known
            return {"status": "RUNNING", "values": dict(self.replayed)}
        with warnings.catch_warnings():  # scikit-learn's remarks on a kernel that five points do not determine
            warnings.simplefilter("ignore")
            proposal: dict[str, Any] = super().populate_space(trial_id)
        if proposal.get("values") and self._duplicate(proposal["values"]):
            values = self._random_values()
            return {"status": "RUNNING" if values else "STOPPED", "values": values}
        return proposal


@dataclass(frozen=True, slots=True)
class Proposal:
    """The next trial: its id and active hyperparameters."""

    trial_id: str
    values: dict[str, HyperparameterValue]


class NoProposal(Enum):
    """Why there is none: nothing until a trial under way has ended, or nothing ever."""

    WAIT = "wait"
    EXHAUSTED = "exhausted"


def ask(oracle: kt.Oracle) -> Proposal | NoProposal:
    """The next trial, or why there is none."""
    trial = oracle.create_trial(f"{_WORKER}{len(oracle.trials)}")
    if trial.status != "RUNNING":
        return NoProposal.WAIT if trial.status == "IDLE" else NoProposal.EXHAUSTED
    space = trial.hyperparameters
    active = {hp.name for hp in space.space if space.is_active(hp)}
    values = {name: value for name, value in space.values.items() if name in active or name.startswith("tuner/")}
    return Proposal(trial.trial_id, values)


def tell(oracle: kt.Oracle, record: TrialRecord) -> None:
    """What became of a trial."""
    trial = oracle.trials[record.trial_id]
    trial.status = "COMPLETED" if record.status == COMPLETED else "FAILED"
    trial.message = record.error
    if record.status == COMPLETED:
        oracle.update_trial(record.trial_id, {OBJECTIVE: record.val_metrics["iou"] or 0.0}, step=record.best_epoch or 0)
    oracle.end_trial(trial)


def replay(
    oracle: kt.Oracle, proposals: Sequence[ProposalRecord], records: Sequence[TrialRecord]
) -> list[ProposalRecord]:
    """Leads a new oracle through what was kept of its study, in the order in which it happened, so that it goes on as if it had never
    stopped (bayesian: knowing the same, with other random numbers). Gives the proposals that have no result yet.

    Raises StoreError where it would have proposed something else: then the records belong to another space, seed or version.
    """
    told = 0
    for proposal in proposals:
        if proposal.after > len(records):
            raise StoreError(
                f"study {proposal.study_id} cannot be resumed: {proposal.after} trials were on record before trial "
                f"{proposal.trial_id} was proposed, and there are {len(records)}"
            )
        for record in records[told : proposal.after]:
            tell(oracle, record)
        told = max(told, proposal.after)
        oracle.replayed = proposal.hyperparameters
        proposed = ask(oracle)
        oracle.replayed = None
        if proposed != Proposal(proposal.trial_id, dict(proposal.hyperparameters)):
            raise StoreError(
                f"study {proposal.study_id} cannot be resumed: its trial {proposal.trial_id} is not what the tuner proposes "
                "for this search space, seed and version"
            )
    for record in records[told:]:
        tell(oracle, record)
    ended = {record.trial_id for record in records}
    return [proposal for proposal in proposals if proposal.trial_id not in ended]
