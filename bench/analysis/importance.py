"""How much of the differences in validation IoU each hyperparameter accounts for, by functional analysis of variance
on a random forest.

Hutter, Hoos and Leyton-Brown, "An efficient approach for assessing hyperparameter importance", ICML, 2014, as Optuna
has it. The forest sees the levels of `design.py`. A trial without a hyperparameter (a backbone) gets a level drawn at
random: to have none is a choice of the architecture and counts there. A
forest finds importance in noise too: `chance` is the most that it finds when the scores are shuffled among the trials.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.design import Design, design
from bench.analysis.factors import FACTORS
from bench.analysis.leaderboard import Row
from bench.analysis.series import Missing
from bench.records import Run

RESAMPLES = 16
_DEPTH = 5
"""Of a tree: what lies deeper than five splits is seed variance, and takes most of the time."""

_TREES = 8
"""Of every forest alike, since fewer trees find more importance in noise."""

MOST = 200
"""A forest sees at most so many trials, drawn at random: 33 of them take seconds."""

_SEED = 0
_LENGTH = "Epochs of training"


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """Of one hyperparameter alone, without interactions: the share 0-1 of the forest's variance, with the lowest and
    the highest of RESAMPLES draws of trials. `chance` is the highest share that any hyperparameter had in RESAMPLES
    shuffles of the scores."""

    title: str
    share: float
    low: float
    high: float
    chance: float

    @property
    def beyond_chance(self) -> bool:
        return self.share > self.chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Importances:
    """Most important first."""

    factors: tuple[Importance, ...]
    trials: int


def importances(run: Run, rows: Sequence[Row]) -> Importances | Missing:
    made = design(rows)
    if isinstance(made, Missing):
        return made
    if len(_columns(made)) < 2:
        return Missing("only one hyperparameter took several values")
    random = np.random.default_rng(_SEED)
    seen = np.sort(random.permutation(made.trials)[:MOST])
    share = _shares(made, seen, made.ious[seen])
    drawn = [random.integers(made.trials, size=len(seen)) for _ in range(RESAMPLES)]
    resampled = np.array([_shares(made, draw, made.ious[draw]) for draw in drawn])
    shuffled = np.array([_shares(made, seen, random.permutation(made.ious[seen])) for _ in range(RESAMPLES)])
    low, high = resampled.min(axis=0), resampled.max(axis=0)
    chance = float(shuffled.max())
    found = [
        Importance(title=title, share=float(s), low=float(a), high=float(b), chance=chance)
        for title, s, a, b in zip(_columns(made), share, low, high, strict=True)
    ]
    return Importances(factors=tuple(sorted(found, key=lambda one: (-one.share, one.title))), trials=made.trials)


def _columns(made: Design) -> dict[str, list[str]]:
    """The level of each trial by the factor's title; the length of training is one of them where it varies."""
    random = np.random.default_rng(_SEED)
    columns = {
        FACTORS[name].title: [own or str(random.choice(made.names[name])) for own in levels]
        for name, levels in made.levels.items()
    }
    return columns | ({_LENGTH: [str(epochs) for epochs in made.epochs]} if made.epochs_vary else {})


def _shares(made: Design, trials: np.ndarray, ious: np.ndarray) -> np.ndarray:
    """Shares of the hyperparameters in the order of `_columns`, float64; all 0 where these trials have one score."""
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution
    from optuna.importance import FanovaImportanceEvaluator

    columns = _columns(made)
    if not ious.std():
        return np.zeros(len(columns))
    # Of all trials, so that every resample has the same space.
    space: dict[str, BaseDistribution] = {
        title: CategoricalDistribution(sorted(set(levels))) for title, levels in columns.items()
    }
    optuna.logging.disable_default_handler()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(direction="maximize")
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params={title: levels[index] for title, levels in columns.items()},
                    distributions=space,
                    value=float(iou),
                )
                for index, iou in zip(trials, ious, strict=True)
            ]
        )
        found = FanovaImportanceEvaluator(n_trees=_TREES, max_depth=_DEPTH, seed=_SEED).evaluate(study)
    return np.array([found[title] for title in columns])
