"""Tuners by name. The table imports without Keras Tuner; `make` brings it in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleKind:
    """One row of the table. `make(hyperparameters, seed, epochs)` gives a Keras Tuner oracle without a limit of its
    own; `epochs` is the longest that a trial trains. `promotes`: some trials train the configuration of an earlier one
    longer. `adapts`: what it proposes depends on results."""

    description: str
    make: Callable[[Any, int, int], Any]
    promotes: bool = False
    adapts: bool = True


def _random(hyperparameters: Any, seed: int, epochs: int) -> Any:
    from bench.tuners.keras_tuner import RandomSearch

    return RandomSearch(hyperparameters=hyperparameters, seed=seed, max_trials=None)


def _grid(hyperparameters: Any, seed: int, epochs: int) -> Any:
    from bench.tuners.keras_tuner import GridSearch

    return GridSearch(hyperparameters=hyperparameters, seed=seed, max_trials=None)


def _bayesian(hyperparameters: Any, seed: int, epochs: int) -> Any:
    from bench.tuners.keras_tuner import RANDOM_POINTS, BayesianOptimization

    return BayesianOptimization(
        hyperparameters=hyperparameters, seed=seed, max_trials=None, num_initial_points=RANDOM_POINTS
    )


def _tpe(hyperparameters: Any, seed: int, epochs: int) -> Any:
    from bench.tuners.tpe import Tpe

    return Tpe(hyperparameters=hyperparameters, seed=seed, max_trials=None)


def _hyperband(hyperparameters: Any, seed: int, epochs: int) -> Any:
    from bench.tuners.successive_halving import Hyperband

    return Hyperband(hyperparameters=hyperparameters, seed=seed, epochs=epochs)


def _asha(hyperparameters: Any, seed: int, epochs: int) -> Any:
    from bench.tuners.successive_halving import Asha

    return Asha(hyperparameters=hyperparameters, seed=seed, epochs=epochs)


def _tpe_asha(hyperparameters: Any, seed: int, epochs: int) -> Any:
    from bench.tuners.tpe import TpeAsha

    return TpeAsha(hyperparameters=hyperparameters, seed=seed, epochs=epochs)


ORACLES: dict[str, OracleKind] = {
    "random": OracleKind(
        description="independent random draws: the baseline every tuner must beat", make=_random, adapts=False
    ),
    "grid": OracleKind(description="every combination in order; for small spaces", make=_grid, adapts=False),
    "bayesian": OracleKind(description="a Gaussian process chooses the next configuration", make=_bayesian),
    "hyperband": OracleKind(
        description="many short trials, the best third goes on (Li et al. 2018)", make=_hyperband, promotes=True
    ),
    "tpe": OracleKind(
        description="draws where good trials are denser than bad ones (Bergstra et al. 2011, by Optuna)", make=_tpe
    ),
    "asha": OracleKind(
        description="hyperband that never waits: for several trials at a time (Li et al. 2020)",
        make=_asha,
        promotes=True,
    ),
    "tpe_asha": OracleKind(description="asha whose new configurations come from tpe", make=_tpe_asha, promotes=True),
}
