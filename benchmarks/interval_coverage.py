"""Do the 95% intervals cover the truth in 95%? Data with known answers, every method on the same data.

    python benchmarks/interval_coverage.py                 the tables of docs/statistics.md, half an hour on one core
    python benchmarks/interval_coverage.py --repeats 200   the same, less exact

An image has a size and a difficulty for all candidates, another difficulty for each candidate, and noise in each
training. A training has a seed effect. All are normal on the logit of the image's IoU; false alarms and misses are
equal in number. The true score is the pooled IoU of infinitely many images, averaged over infinitely many trainings, by
Gauss-Hermite quadrature.

The last line is JSON, of the chosen method at 50 images and 3 seeds in the usual world: its coverage, the rate at which
it claims a winner of two equal candidates (higher than of more), and its coverage with 5 folds, where the training
images bring half of the seed variance.
"""

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from bench.evaluation.crossed import MeanVariance, spread
from bench.evaluation.resampling import pooled_scores, resampled_scores
from bench.evaluation.statistics import Comparison, compare


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Standard deviations on the logit of IoU, the sizes of images, and the fraction of images that a candidate misses
    completely."""

    shared: float = 1.0
    own: float = 0.5
    noise: float = 0.5
    seed_effect: float = 0.2
    log_size: float = 0.8
    easier_when_large: float = 0.4
    missed: float = 0.0


WORLDS = {
    "usual": World(),
    "no seed variance": World(seed_effect=0.0),
    "large seed variance": World(seed_effect=0.6),
    "much noise": World(own=0.1, noise=1.0, seed_effect=0.05),
    "some missed": World(missed=0.15),
}
MEANS = (0.4, 0.4, 0.5, 0.9, 0.4, 0.4, 0.4)
"""Mean logits of the candidates; all but the third and fourth are equal."""
PAIRS = {"0": (0, 1), "small": (2, 0), "large": (3, 0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """Cross-validation: each of `number` equal parts of the images is scored by its own trainings, one for each seed.
    `from_data` is the fraction of the seed variance that comes from the training images. The seeds of a fold share this
    part; two folds share as much of it as of their images."""

    number: int
    from_data: float

    def of_data(self, candidates: int, random: np.random.Generator) -> np.ndarray:
        """The effect of the training images: float64 [candidates, folds], in standard deviations of the seed effect."""
        overlap = (self.number - 2) / (self.number - 1)
        common = random.standard_normal((candidates, 1))
        of_fold = random.standard_normal((candidates, self.number))
        return np.sqrt(self.from_data) * (np.sqrt(overlap) * common + np.sqrt(1 - overlap) * of_fold)

    def seed_effect(self, of_data: np.ndarray, seeds: int, images: int, random: np.random.Generator) -> np.ndarray:
        """That effect plus each training's own, for the images that it scores: float64 [candidates, seeds, images]."""
        of_training = random.standard_normal((len(of_data), seeds, self.number))
        seed_effect = of_data[:, None] + np.sqrt(1 - self.from_data) * of_training
        return seed_effect[..., np.arange(images) % self.number]


def draw(
    world: World,
    means: tuple[float, ...],
    images: int,
    seeds: int,
    random: np.random.Generator,
    seed_effect: np.ndarray | None = None,
) -> np.ndarray:
    """Counts int64 [candidates, seeds, images, 2, 4] of one benchmark in this world. `seed_effect` [candidates, seeds,
    images] is in standard deviations (None: drawn once for each training)."""
    shape = (len(means), seeds, images)
    difficulty = world.shared * random.standard_normal(images)
    logit = (
        np.array(means)[:, None, None]
        + difficulty
        + world.own * random.standard_normal((len(means), 1, images))
        + world.seed_effect * (random.standard_normal((len(means), seeds, 1)) if seed_effect is None else seed_effect)
        + world.noise * random.standard_normal(shape)
    )
    iou = 1 / (1 + np.exp(-logit))
    if world.missed:
        iou *= random.random((len(means), 1, images)) >= world.missed
    size = np.exp(
        np.log(9_000) + world.log_size * random.standard_normal(images) + world.easier_when_large * difficulty
    )
    truth = np.clip(np.rint(size), 50, 250_000)
    wrong = np.rint(truth * (1 - iou) / (1 + iou))
    tp = np.broadcast_to(truth, shape) - wrong
    foreground = np.stack([tp, wrong, wrong, 512 * 512 - tp - 2 * wrong], axis=-1).astype(np.int64)
    return np.stack([foreground[..., [3, 2, 1, 0]], foreground], axis=-2)


def true_score(world: World, mean: float) -> float:
    """Expected pooled IoU of a training. Large images weigh more, which shifts the difficulty by its covariance with
    log size."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    spread = np.sqrt(world.shared**2 + world.own**2 + world.noise**2)
    shift = world.easier_when_large * world.shared**2
    iou = 1 / (1 + np.exp(-(mean + shift + world.seed_effect * nodes[:, None] + spread * nodes[None, :])))
    overlap, union = (2 * iou / (1 + iou)) @ weights, (2 / (1 + iou)) @ weights
    found = 1 - world.missed
    return float((found * overlap / (found * union + 2 * world.missed)) @ weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One score or one difference: `values` [seeds]; `resampled` over images [resamples, seeds]; `seed_draws`, the
    number of draws of each seed [resamples, seeds]; `left_out`, without each image in turn [images, seeds]."""

    values: np.ndarray
    resampled: np.ndarray
    seed_draws: np.ndarray
    left_out: np.ndarray

    @property
    def spread(self) -> MeanVariance:
        return spread(self.values, self.resampled, len(self.left_out))

    @property
    def both(self) -> np.ndarray:
        """Images and seeds resampled [resamples]: Owen's pigeonhole bootstrap."""
        return (self.resampled * self.seed_draws).mean(1)


def percentile(contrast: Contrast) -> tuple[float, float]:
    low, high = np.quantile(contrast.both, [0.025, 0.975])
    return float(low), float(high)


def image_percentile(contrast: Contrast) -> tuple[float, float]:
    low, high = np.quantile(contrast.resampled.mean(1), [0.025, 0.975])
    return float(low), float(high)


def bca(contrast: Contrast) -> tuple[float, float]:
    """Efron 1987; the acceleration from leaving out each image and each seed in turn."""
    estimate, seeds, images = contrast.values.mean(), len(contrast.values), len(contrast.left_out)
    below = np.clip((contrast.both < estimate).mean(), 1e-4, 1 - 1e-4)
    bias = stats.norm.ppf(below)
    by_image = (images - 1) * (contrast.left_out.mean(1).mean() - contrast.left_out.mean(1)) / images
    by_seed = (contrast.values - estimate) / seeds
    moved = np.concatenate([by_image, by_seed])
    acceleration = (moved**3).sum() / (6 * (moved**2).sum() ** 1.5 + 1e-30)
    z = bias + stats.norm.ppf([0.025, 0.975])
    low, high = np.quantile(contrast.both, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def seeds_scaled(contrast: Contrast) -> tuple[float, float]:
    """Percentile, with the seeds' deviations scaled by sqrt(k / (k - 1))."""
    seeds = len(contrast.values)
    scale = np.sqrt(seeds / (seeds - 1)) if seeds > 1 else 0.0
    draws = 1 + scale * (contrast.seed_draws - 1)
    low, high = np.quantile((contrast.resampled * draws).mean(1), [0.025, 0.975])
    return float(low), float(high)


def crossed(contrast: Contrast) -> tuple[float, float]:
    """The method of the project: `bench.evaluation.crossed`."""
    reach = contrast.spread.half_width(0.975)
    estimate = contrast.values.mean()
    return float(estimate - reach), float(estimate + reach)


def crossed_satterthwaite(contrast: Contrast) -> tuple[float, float]:
    """The same standard error, and Student's quantile with degrees of freedom by Satterthwaite's rule, as in Hillis
    (2007)."""
    own = contrast.spread
    seeds, images = own.num_trainings, own.num_images
    squares = own.trainings**2 / max(1, seeds - 1) + own.images**2 / (images - 1)
    df = min(own.error**4 / (squares + 1e-300), images + seeds - 2)
    reach = own.error * stats.t.ppf(0.975, df)
    estimate = contrast.values.mean()
    return float(estimate - reach), float(estimate + reach)


def crossed_normal(contrast: Contrast) -> tuple[float, float]:
    """The same standard error, with the normal quantile."""
    reach = 1.96 * contrast.spread.error
    estimate = contrast.values.mean()
    return float(estimate - reach), float(estimate + reach)


def stretched(contrast: Contrast) -> tuple[float, float]:
    """The percentile interval's shape, with the width of `crossed`."""
    deviations = contrast.both - contrast.both.mean()
    scale = contrast.spread.half_width(0.975) / (1.96 * deviations.std() + 1e-30)
    low, high = contrast.values.mean() + scale * np.quantile(deviations, [0.025, 0.975])
    return float(low), float(high)


def behrens_fisher(contrast: Contrast) -> tuple[float, float]:
    """Resampled images, and the seeds' mean drawn from its t distribution; quantiles of the sum."""
    random = np.random.default_rng(0)
    images, seeds = len(contrast.left_out), len(contrast.values)
    estimate = contrast.values.mean()
    moved = np.sqrt(images / (images - 1)) * (contrast.resampled.mean(1) - estimate)
    if seeds > 1:
        moved = moved + contrast.values.std(ddof=1) / np.sqrt(seeds) * random.standard_t(seeds - 1, size=len(moved))
    low, high = estimate + np.quantile(moved, [0.025, 0.975])
    return float(low), float(high)


def bootstrap_t(contrast: Contrast) -> tuple[float, float]:
    """Each resample is divided by its own standard error: the seeds' part from the seeds drawn, the images' part
    unchanged."""
    seeds = len(contrast.values)
    error = contrast.spread.error
    estimate = contrast.values.mean()
    drawn = (contrast.resampled * contrast.seed_draws).mean(1)
    if seeds == 1:
        studentised = (drawn - estimate) / error
    else:
        kept = max(error**2 - contrast.values.var(ddof=1) / seeds, 0)
        spread = ((contrast.resampled - drawn[:, None]) ** 2 * contrast.seed_draws).sum(1) / (seeds - 1)
        studentised = (drawn - estimate) / np.sqrt(kept + spread / seeds + 1e-12)
    low, high = estimate - error * np.quantile(studentised, [0.975, 0.025])
    return float(low), float(high)


METHODS = {
    "images only, percentile": image_percentile,
    "percentile": percentile,
    "BCa": bca,
    "bootstrap-t": bootstrap_t,
    "percentile, seeds scaled": seeds_scaled,
    "Behrens-Fisher": behrens_fisher,
    "crossed, normal": crossed_normal,
    "stretched percentile": stretched,
    "crossed, Satterthwaite": crossed_satterthwaite,
    "crossed, Cochran-Cox": crossed,
}
CHOSEN = "crossed, Cochran-Cox"


def permutation_p(counts: np.ndarray, random: np.random.Generator, permutations: int) -> float:
    """Two-sided p of candidate 0 against 1, exchanged at random image by image, all seeds together. It ignores seed
    variance."""
    first, second = counts[:1], counts[1:2]
    exchanged = random.integers(0, 2, (permutations, counts.shape[2]))
    both = np.concatenate([first, second], axis=2)
    one = pooled_scores(both, np.hstack([1 - exchanged, exchanged])).mean((1, 2))
    other = pooled_scores(both, np.hstack([exchanged, 1 - exchanged])).mean((1, 2))
    observed = abs(pooled_scores(first).mean() - pooled_scores(second).mean())
    return float((1 + (abs(one - other) >= observed - 1e-12).sum()) / (1 + permutations))


def contrast(first: int, second: int | None, *arrays: np.ndarray) -> Contrast:
    """From scores, resampled scores and left-out scores [..., candidates, seeds], and the seeds drawn."""
    values, resampled, left_out = (
        array[..., first, :] - (0 if second is None else array[..., second, :]) for array in arrays[:3]
    )
    return Contrast(values=values, resampled=resampled, left_out=left_out, seed_draws=arrays[3])


def simulate(world: World, images: int, seeds: int, repeats: int, resamples: int) -> dict[tuple[str, str], float]:
    """Rates by (method, column): coverage of each interval, and what `compare` claims."""
    random = np.random.default_rng([images, seeds, repeats])
    truth = np.array([true_score(world, mean) for mean in MEANS])
    seen: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(repeats):
        counts = draw(world, MEANS, images, seeds, random)
        arrays = (
            pooled_scores(counts)[0],
            resampled_scores(counts, random, resamples),
            pooled_scores(counts, 1 - np.eye(images)),
            random.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples),
        )
        for name, method in METHODS.items():
            low, high = method(contrast(0, None, *arrays))
            seen[name, "score"].append(low <= truth[0] <= high)
            for effect, (first, second) in PAIRS.items():
                low, high = method(contrast(first, second, *arrays))
                seen[name, effect].append(low <= truth[first] - truth[second] <= high)
        for column, value in claims(counts, random, resamples).items():
            seen[CHOSEN, column].append(value)
    return {key: float(np.mean(values)) for key, values in seen.items()}


def claims(counts: np.ndarray, random: np.random.Generator, resamples: int) -> dict[str, float]:
    """What is said of equal candidates, and of better ones."""
    two = compare(counts[[0, 1]], random, resamples=resamples)
    five = compare(counts[[0, 1, 4, 5, 6]], random, resamples=resamples)
    small = compare(counts[[0, 2]], random, resamples=resamples)
    large = compare(counts[[0, 3]], random, resamples=resamples)
    return {
        "winner of 2": two.winner is not None,
        "winner of 5": five.winner is not None,
        "split of 5": len(five.groups) > 1,
        "permutation": permutation_p(counts, random, 200) <= 0.05,
        "small found": small.winner == 1,
        "large found": large.winner == 1,
        "detectable": two.differences[0].detectable,
    }


def first_calibration(world: World, repeats: int, resamples: int) -> list[tuple[float, float, int, float, float]]:
    """Five candidates with random means, 50 images, 3 seeds. By range of P(best) (from, to): the number of candidates,
    their mean P(best), and the number of truly best ones."""
    random = np.random.default_rng(1)
    claimed, best = [], []
    for _ in range(repeats):
        means = 0.4 + 0.2 * random.standard_normal(5)
        counts = draw(world, tuple(means), 50, 3, random)
        claimed += compare(counts, random, resamples=resamples).first_probability
        best += (np.arange(5) == means.argmax()).tolist()
    share, truly = np.array(claimed), np.array(best)
    rows = []
    for low, high in ((0, 0.02), (0.02, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        inside = (share >= low) & (share < high)
        rows.append((low, min(high, 1.0), int(inside.sum()), float(share[inside].mean()), float(truly[inside].mean())))
    return rows


def detectable_found(world: World, images: int, seeds: int, repeats: int, resamples: int) -> tuple[float, float]:
    """The mean detectable difference of two equal candidates, and how often a candidate that is better by it wins."""
    random = np.random.default_rng(2)

    def compared(mean: float) -> Comparison:
        return compare(draw(world, (0.4, mean), images, seeds, random), random, resamples=resamples)

    detectable = float(np.mean([compared(0.4).differences[0].detectable for _ in range(repeats)]))
    better = brentq(lambda mean: true_score(world, mean) - true_score(world, 0.4) - detectable, 0.4, 10)
    return detectable, float(np.mean([compared(better).winner == 1 for _ in range(repeats)]))


def cross_validated(
    world: World, folds: Folds, images: int, seeds: int, repeats: int, resamples: int
) -> dict[str, float]:
    """Rates as in `simulate`, of the chosen method and equal candidates. The true score is that of training on any
    images, or on "these" again. A seed's score pools trainings before the IoU is taken, so that their seed effects
    cancel partly: this moves it by 0.001 in the usual world and by 0.008 with a large seed variance."""
    random = np.random.default_rng([images, seeds, folds.number, repeats])
    truth, seen = true_score(world, MEANS[0]), defaultdict(list)
    of_these = replace(world, seed_effect=world.seed_effect * np.sqrt(1 - folds.from_data))
    logits = MEANS[0] + np.linspace(-6, 6, 121) * world.seed_effect
    scores = [true_score(of_these, logit) for logit in logits]
    for _ in range(repeats):
        of_data = folds.of_data(5, random)
        these = np.interp(MEANS[0] + world.seed_effect * of_data, logits, scores).mean(1)
        counts = draw(world, (MEANS[0],) * 5, images, seeds, random, folds.seed_effect(of_data, seeds, images, random))
        two, five = (compare(counts[:number], random, resamples=resamples) for number in (2, 5))
        of_score, of_difference = two.intervals[0], two.differences[0].interval
        seen["score, these"].append(of_score.low <= these[0] <= of_score.high)
        seen["difference, these"].append(of_difference.low <= these[0] - these[1] <= of_difference.high)
        seen["score, any"].append(of_score.low <= truth <= of_score.high)
        seen["difference, any"].append(of_difference.low <= 0 <= of_difference.high)
        seen["winner of 2"].append(two.winner is not None)
        seen["winner of 5"].append(five.winner is not None)
    return {column: float(np.mean(values)) for column, values in seen.items()}


CLAIMS = ("winner of 2", "winner of 5", "split of 5", "permutation", "small found", "large found", "detectable")
COVERAGES = ("score", *PAIRS)
CROSS_VALIDATED = [("usual", seeds, 5, share) for seeds in (1, 3, 5) for share in (0.0, 0.5, 1.0)]
CROSS_VALIDATED += [("usual", 3, 3, 0.5), ("no seed variance", 3, 5, 0.0)]
CROSS_VALIDATED += [("large seed variance", 3, 5, share) for share in (0.0, 0.5, 1.0)]
"""World, seeds, folds, and the fraction of the seed variance from the training images; 50 images."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=500)
    arguments = parser.parse_args()
    cells = [("usual", n, k) for n in (12, 50, 200) for k in (1, 3, 5)] + [(w, 50, 3) for w in list(WORLDS)[1:]]
    rates = {}
    print(f"Coverage of 95% intervals, {arguments.repeats} data sets a cell. True scores of the usual world:")
    print(", ".join(f"{true_score(WORLDS['usual'], mean):.3f}" for mean in MEANS[:4]), "(equal, equal, small, large)\n")
    _row("world", "images", "seeds", "method", "score", *(f"difference {effect}" for effect in PAIRS))
    _row(*["---"] * 8)
    for world, images, seeds in cells:
        cell = simulate(WORLDS[world], images, seeds, arguments.repeats, arguments.resamples)
        rates[world, images, seeds] = cell
        for name in METHODS:
            _row(world, images, seeds, name, *(f"{cell[name, column]:.3f}" for column in COVERAGES))
    print()
    _row("world", "images", "seeds", *CLAIMS)
    _row(*["---"] * (3 + len(CLAIMS)))
    for (world, images, seeds), cell in rates.items():
        _row(world, images, seeds, *(f"{cell[CHOSEN, column]:.3f}" for column in CLAIMS))
    print()
    _row("probability of being first", "candidates", "mean probability", "truly first")
    _row(*["---"] * 4)
    for low, high, number, claimed, truly in first_calibration(WORLDS["usual"], arguments.repeats, arguments.resamples):
        _row(f"{low} to {high}", number, f"{claimed:.3f}", f"{truly:.3f}")
    print()
    _row("world", "images", "seeds", "detectable", "found")
    _row(*["---"] * 5)
    for world, images, seeds in (("usual", 50, 3), ("usual", 50, 5), ("usual", 200, 5), ("no seed variance", 50, 3)):
        pair = detectable_found(WORLDS[world], images, seeds, arguments.repeats // 2, arguments.resamples)
        _row(world, images, seeds, *(f"{value:.3f}" for value in pair))
    print()
    columns = ("score, these", "difference, these", "score, any", "difference, any", "winner of 2", "winner of 5")
    _row("world", "images", "seeds", "folds", "variance from the data", *columns)
    _row(*["---"] * (5 + len(columns)))
    validated = {}
    for world, seeds, number, from_data in CROSS_VALIDATED:
        folds = Folds(number=number, from_data=from_data)
        cell = cross_validated(WORLDS[world], folds, 50, seeds, arguments.repeats, arguments.resamples)
        validated[world, seeds, number, from_data] = cell
        _row(world, 50, seeds, number, f"{from_data:.0%}", *(f"{cell[column]:.3f}" for column in columns))
    main_cell = rates["usual", 50, 3]
    main_validated = validated["usual", 3, 5, 0.5]
    summary = {
        "coverage": main_cell[CHOSEN, "score"],
        "coverage_difference": main_cell[CHOSEN, "0"],
        "false_winner_rate": main_cell[CHOSEN, "winner of 2"],
        "coverage_cross_validated": main_validated["score, these"],
        "coverage_cross_validated_difference": main_validated["difference, these"],
    }
    print(f"\n{json.dumps(summary)}")


def _row(*values: object) -> None:
    print("|", " | ".join(map(str, values)), "|", flush=True)


if __name__ == "__main__":
    main()
