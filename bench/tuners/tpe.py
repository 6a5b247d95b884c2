"""The tree-structured Parzen estimator (Bergstra et al. 2011), in Optuna's multivariate form, as one of our oracles.

An Optuna study is made for each proposal from what the oracle knows, and forgotten: a proposal is a function of the
finished and running trials, the seed and the number of trials, and a promoted trial's score can take the place of its
parent's, which an Optuna study that lives on does not allow. It costs about 0.1 s at 500 trials
(docs/decisions/0005-oracles.md).
"""

import random
import warnings
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from bench.tuners.keras_tuner import RANDOM_POINTS, Configuration, PatchedOracle, RandomSearch
from bench.tuners.successive_halving import Asha

optuna.logging.set_verbosity(optuna.logging.ERROR)  # it announces every study

_ATTEMPTS = 20
_STATES = {"COMPLETED": TrialState.COMPLETE, "FAILED": TrialState.FAIL, "RUNNING": TrialState.RUNNING}


class _DrawnByTpe(PatchedOracle):
    """Before another oracle: its new configurations come from TPE, once `RANDOM_POINTS` have a score."""

    def _choose(self) -> Configuration | None:
        known = self._known()
        if sum(trial.status == "COMPLETED" for trial in known) < RANDOM_POINTS:
            return super()._choose()
        study = self._study(known)
        for _ in range(_ATTEMPTS):
            values = _suggest(study.ask(), self.hyperparameters.space)
            if not self._duplicate(values):
                return values  # what was drawn in vain stays in the study as running: the next draw keeps away from it
        return super()._choose()

    def _known(self) -> list[Any]:
        """One trial of each configuration: the one that was trained longest, of those that completed if any did."""
        known: dict[str, Any] = {}
        for trial in self.trials.values():  # in the order of asking: a promoted trial comes after its parent
            key = self._compute_values_hash(trial.hyperparameters.values)
            if trial.status == "COMPLETED" or key not in known:
                known[key] = trial
        return list(known.values())

    def _study(self, known: list[Any]) -> optuna.Study:
        space = self.hyperparameters.space
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # group
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=0,
                seed=random.Random(f"{self.seed} {len(self.trials)}").getrandbits(32),
                multivariate=True,
                group=any(hp.conditions for hp in space),
                constant_liar=True,
            )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        distributions = {hp.name: _distribution(hp) for hp in space}
        study.add_trials(_told(trial, distributions) for trial in known)
        return study


class Tpe(_DrawnByTpe, RandomSearch):
    """TPE proposes every trial."""


class TpeAsha(_DrawnByTpe, Asha):
    """ASHA promotes, TPE proposes what starts in the lowest rung. It learns from each configuration's score in the
    highest rung that it has reached (as BOHB does, Falkner et al. 2018, but from all rungs at once)."""


def _told(trial: Any, distributions: dict[str, BaseDistribution]) -> optuna.trial.FrozenTrial:
    """What became of one of our trials, in Optuna's terms."""
    hyperparameters = trial.hyperparameters
    active = [hp for hp in hyperparameters.space if hyperparameters.is_active(hp)]
    return optuna.trial.create_trial(
        params={hp.name: _parameter(hp, hyperparameters.values[hp.name]) for hp in active},
        distributions={hp.name: distributions[hp.name] for hp in active},
        state=_STATES[trial.status],
        value=trial.score if trial.status == "COMPLETED" else None,
    )


def _suggest(trial: optuna.Trial, space: list[Any]) -> Configuration:
    """The active values of a proposal, and no others."""
    values: Configuration = {}
    for hp in space:
        if all(condition.is_active(values) for condition in hp.conditions):
            values[hp.name] = _suggest_value(trial, hp)
    return values


def _suggest_value(trial: optuna.Trial, hp: Any) -> Any:
    distribution = _distribution(hp)
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(hp.name, distribution.low, distribution.high, log=distribution.log)
    if isinstance(distribution, IntDistribution):
        return hp.values[trial.suggest_int(hp.name, distribution.low, distribution.high)]
    return trial.suggest_categorical(hp.name, hp.values)


def _distribution(hp: Any) -> BaseDistribution:
    """Numbers to choose from keep their order: Optuna sees their places in the list."""
    if not hasattr(hp, "ordered"):  # a Float, as opposed to a Choice
        return FloatDistribution(hp.min_value, hp.max_value, log=hp.sampling == "log")
    return IntDistribution(0, len(hp.values) - 1) if hp.ordered else CategoricalDistribution(hp.values)


def _parameter(hp: Any, value: Any) -> Any:
    return hp.values.index(value) if getattr(hp, "ordered", False) else value
