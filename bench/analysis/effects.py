"""What each level of a factor adds to validation IoU when the other factors are set apart: main effects of an
additive model.

A search draws configurations and has no pairs that differ in one hyperparameter alone. So the score is taken as a sum
of one effect for each factor's level, fitted by least squares; in a full grid the difference of two effects is the
mean paired difference.

- Searle, Speed and Milliken, "Population marginal means in the linear model: an alternative to least squares means",
  The American Statistician, 1980: levels are compared at the unweighted mean of all other factors' levels.
- MacKinnon and White, "Some heteroskedasticity-consistent covariance matrix estimators with improved finite sample
  properties", Journal of Econometrics, 1985: the standard error HC3, since weak levels (scores near 0) vary less than
  strong ones.

`benchmarks/effects_coverage.py` chose it, over one common variance and the bootstrap over trials (docs/statistics.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from bench.analysis.design import Design, design
from bench.analysis.leaderboard import Row
from bench.analysis.series import Missing
from bench.evaluation.statistics import LEVEL

_ZERO = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """`value` is IoU against the mean of the factor's levels, with a 95% interval; `mean` is what the model expects
    at this level, averaged over the levels of all other factors. `trials` of those that count stand at this level."""

    label: str
    trials: int
    value: float
    low: float
    high: float
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """By factor, levels in order; a level whose effect is confounded with another factor's is missing. `explained`
    is the share of the scores' variance that the model explains beyond its number of coefficients (adjusted R²; below
    0: nothing)."""

    factors: Mapping[str, tuple[Effect, ...]]
    trials: int
    left_out: int
    explained: float


def effects(rows: Sequence[Row]) -> Effects | Missing:
    made = design(rows)
    return made if isinstance(made, Missing) else effects_of(made)


def effects_of(made: Design) -> Effects:
    matrix, contrasts = model_matrix(made)
    inverse = np.linalg.pinv(matrix)
    coefficients = inverse @ made.ious
    residuals = made.ious - matrix @ coefficients
    # HC3: residuals over 1 - leverage, since scores of different levels scatter differently.
    leverage = np.einsum("ij,ji->i", matrix, inverse)
    spare = made.trials - int(np.linalg.matrix_rank(matrix))
    alone = leverage > 1 - _ZERO  # a trial that decides a coefficient by itself has no residual
    scaled = np.divide(residuals, 1 - leverage, out=np.zeros_like(residuals), where=~alone)
    reach = float(stdtrit(spare, (1 + LEVEL) / 2))

    def effect(factor: str, position: int, label: str) -> Effect | None:
        contrast = contrasts[factor][position]
        weights = contrast @ inverse
        # Not estimable: the trials do not tell this level from another factor's, or one trial alone decides it.
        if np.abs(weights @ matrix - contrast).max() > _ZERO or np.abs(weights[alone]).sum() > _ZERO:
            return None
        value = float(contrast @ coefficients)
        error = float(np.sqrt(((weights * scaled) ** 2).sum()))
        return Effect(
            label=label,
            trials=made.levels[factor].count(label),
            value=value,
            low=value - reach * error,
            high=value + reach * error,
            mean=float(coefficients[0]) + value,
        )

    found = {
        factor: tuple(one for at, label in enumerate(names) if (one := effect(factor, at, label)) is not None)
        for factor, names in made.names.items()
    }
    variance = float(made.ious.var(ddof=1))
    return Effects(
        factors={factor: own for factor, own in found.items() if own},
        trials=made.trials,
        left_out=made.left_out,
        explained=1 - float((residuals**2).sum()) / spare / variance,
    )


def model_matrix(made: Design) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """float64 [trials, coefficients], and for each factor what makes its effects of the coefficients, float64
    [levels, coefficients]. A trial without the hyperparameter has zeros there: the backbones are compared among
    trials that have one, and an architecture without any meets the others at their mean backbone."""
    blocks, contrasts, start = [np.ones((made.trials, 1))], {}, 1
    for factor, names in made.names.items():
        coding = _coding(len(names))
        nothing = np.zeros(len(names) - 1)
        blocks.append(np.array([nothing if own is None else coding[names.index(own)] for own in made.levels[factor]]))
        contrasts[factor] = np.zeros((len(names), made.coefficients))
        contrasts[factor][:, start : start + len(names) - 1] = coding
        start += len(names) - 1
    if made.epochs_vary:
        lengths = np.log(made.epochs)
        blocks.append((lengths - lengths.mean())[:, None])
    return np.hstack(blocks), contrasts


def _coding(levels: int) -> np.ndarray:
    """Effects that add up to 0: float64 [levels, levels - 1], the last level minus the sum of the others."""
    return np.vstack([np.eye(levels - 1), -np.ones(levels - 1)])
