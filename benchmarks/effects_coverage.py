"""Do the 95% intervals of effects cover the truth in 95%? Simulated searches with known effects, three kinds of
interval.

    python benchmarks/effects_coverage.py [--searches 250]

Each search draws trials from five factors of 3, 3, 5, 4 and 4 levels, 15 coefficients in all, in three worlds: equal
noise, noise that grows with the level, and interactions that the additive model leaves out. The report uses "HC3"
(`bench/analysis/effects.py`). Prints coverage over all levels and at the worst one, in percent, and as its last line
one JSON object. Interactions count as noise: an effect is that of a level averaged over all others.
"""

import argparse
import json

import numpy as np
from scipy.special import stdtrit
from tabulate import tabulate

from bench.analysis.design import Design
from bench.analysis.effects import effects_of, model_matrix

EFFECTS = {
    "architecture": (0.0, 0.1, 0.2),
    "backbone": (0.0, 0.02, 0.05),
    "loss": (0.0, 0.05, 0.1, 0.15, -0.15),
    "augmentation": (0.0, 0.0, 0.0, 0.0),
    "image_size": (0.0, 0.05, 0.05, -0.1),
}
WORLDS = ("equal spread", "uneven spread", "interactions")
METHODS = ("HC3", "Student, one variance", "bootstrap over trials")
TRIALS = (28, 40, 80)
RESAMPLES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=250, help="a cell of the table")
    searches = parser.parse_args().searches
    random, rows, worst = np.random.default_rng(0), [], 100.0
    for trials in TRIALS:
        for world in WORLDS:
            held = [_covered(random, trials, world) for _ in range(searches)]
            hits = np.array([each for each in held if each is not None], dtype=float)  # [searches, methods, levels]
            each_level = 100 * hits.mean(0)
            rows.append([trials, world, *(f"{own.mean():.1f} ({own.min():.1f})" for own in each_level)])
            worst = min(worst, float(each_level[0].min())) if trials >= 40 else worst
    print(tabulate(rows, ["trials", "world", *(f"{method}: all (worst level)" for method in METHODS)]))
    print(json.dumps({"worst_coverage_from_40_trials": worst / 100}))


def _covered(random: np.random.Generator, trials: int, world: str) -> np.ndarray | None:
    """Whether each method's interval covers the true effect: bool [methods, levels]; None if a level was not drawn."""
    positions = {name: random.integers(len(values), size=trials) for name, values in EFFECTS.items()}
    centred = {name: np.array(values) - np.mean(values) for name, values in EFFECTS.items()}
    spread = 0.02 + 0.025 * positions["loss"] if world == "uneven spread" else 0.06
    ious = 0.3 + sum(centred[name][own] for name, own in positions.items()) + spread * random.normal(size=trials)
    if world == "interactions":
        together = random.normal(0, 0.05, (3, 5))
        together -= together.mean(0)
        together -= together.mean(1, keepdims=True)
        ious = ious + together[positions["architecture"], positions["loss"]]
    made = Design(
        levels={name: tuple(map(str, own)) for name, own in positions.items()},
        names={name: tuple(map(str, range(len(values)))) for name, values in EFFECTS.items()},
        ious=ious,
        epochs=np.full(trials, 12),
        left_out=0,
    )
    found = [each for own in effects_of(made).factors.values() for each in own]
    truth = np.concatenate(list(centred.values()))
    if len(found) < len(truth):
        return None
    low, high = np.array([(each.low, each.high) for each in found]).T
    return np.array([(low <= truth) & (truth <= high), *_others(random, made, truth)])


def _others(random: np.random.Generator, made: Design, truth: np.ndarray) -> list[np.ndarray]:
    matrix, contrasts = model_matrix(made)
    inverse = np.linalg.pinv(matrix)
    weights = np.vstack(list(contrasts.values())) @ inverse
    residuals = made.ious - matrix @ (inverse @ made.ious)
    spare = made.trials - matrix.shape[1]
    errors = np.sqrt((weights**2).sum(1) * (residuals @ residuals) / spare)
    student = np.abs(weights @ made.ious - truth) <= stdtrit(spare, 0.975) * errors
    draws = [random.integers(made.trials, size=made.trials) for _ in range(RESAMPLES)]
    again = [np.vstack(list(contrasts.values())) @ np.linalg.pinv(matrix[draw]) @ made.ious[draw] for draw in draws]
    low, high = np.quantile(again, [0.025, 0.975], axis=0)
    return [student, (low <= truth) & (truth <= high)]


if __name__ == "__main__":
    main()
