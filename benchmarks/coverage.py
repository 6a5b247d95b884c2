"""Do the 95% intervals hold what they say? Data with known answers, every method on the same data.

    python benchmarks/coverage.py                 the tables of docs/statistics.md, on one core
    python benchmarks/coverage.py --repeats 200   the same, less exact

An image has a size and a difficulty that all contestants share, a difficulty of its own for each contestant, and noise in each
training; a training has luck of its own. All are normal on the logit of the image's IoU; false alarms and misses are equally many.
The true score is the pooled IoU of infinitely many images, averaged over infinitely many trainings, by Gauss-Hermite quadrature.
The last line is JSON: the chosen method at 50 images and 3 seeds.
"""

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bench.evaluation.resampling import pooled_scores, resampled_scores


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Standard deviations on the logit of IoU, and how large images are."""

    shared: float = 1.0
    own: float = 0.5
    noise: float = 0.5
    luck: float = 0.2
    log_size: float = 0.8
    easier_when_large: float = 0.4


WORLDS = {
    "usual": World(),
    "no luck": World(luck=0.0),
    "much luck": World(luck=0.6),
    "much noise": World(own=0.1, noise=1.0, luck=0.05),
}
MEANS = (0.4, 0.4, 0.5, 0.9, 0.4, 0.4, 0.4)
"""Mean logits of the contestants; all but the third and fourth are equal."""
PAIRS = {"0": (0, 1), "small": (2, 0), "large": (3, 0)}


def draw(world: World, means: tuple[float, ...], images: int, seeds: int, random: np.random.Generator) -> np.ndarray:
    """Counts int64 [contestants, seeds, images, 2, 4] of one benchmark in this world."""
    shape = (len(means), seeds, images)
    difficulty = world.shared * random.standard_normal(images)
    logit = (
        np.array(means)[:, None, None]
        + difficulty
        + world.own * random.standard_normal((len(means), 1, images))
        + world.luck * random.standard_normal((len(means), seeds, 1))
        + world.noise * random.standard_normal(shape)
    )
    iou = 1 / (1 + np.exp(-logit))
    size = np.exp(
        np.log(9_000) + world.log_size * random.standard_normal(images) + world.easier_when_large * difficulty
    )
    truth = np.clip(np.rint(size), 50, 250_000)
    wrong = np.rint(truth * (1 - iou) / (1 + iou))
    tp = np.broadcast_to(truth, shape) - wrong
    foreground = np.stack([tp, wrong, wrong, 512 * 512 - tp - 2 * wrong], axis=-1).astype(np.int64)
    return np.stack([foreground[..., [3, 2, 1, 0]], foreground], axis=-2)


def true_score(world: World, mean: float) -> float:
    """Expected pooled IoU of a training. Large images weigh more, which shifts the difficulty by its covariance with log size."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    spread = np.sqrt(world.shared**2 + world.own**2 + world.noise**2)
    shift = world.easier_when_large * world.shared**2
    iou = 1 / (1 + np.exp(-(mean + shift + world.luck * nodes[:, None] + spread * nodes[None, :])))
    overlap, union = (2 * iou / (1 + iou)) @ weights, (2 / (1 + iou)) @ weights
    return float((overlap / union) @ weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One score or one difference. `values` by seed [seeds]; `resampled` over images [resamples, seeds]; `seed_draws` how often
    each seed was drawn [resamples, seeds]; `left_out` without each image in turn [images, seeds]."""

    values: np.ndarray
    resampled: np.ndarray
    seed_draws: np.ndarray
    left_out: np.ndarray

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


def parts(contrast: Contrast) -> tuple[float, float]:
    """Standard error and degrees of freedom after Obuchowski and Rockette 1995, Hillis 2007."""
    seeds, images = len(contrast.values), len(contrast.left_out)
    covariance = np.atleast_2d(np.cov(contrast.resampled.T)) * images / (images - 1)
    of_mean = covariance.mean()
    if seeds == 1:
        return float(np.sqrt(of_mean)), images - 1
    between = max(0.0, (covariance.sum() - np.trace(covariance)) / (seeds * (seeds - 1)))
    luck = contrast.values.var(ddof=1) / seeds
    variance = max(luck + between, of_mean)
    df = variance**2 / (luck**2 / (seeds - 1) + between**2 / (images - 1) + 1e-300)
    return float(np.sqrt(variance)), min(df, images + seeds - 2)


def crossed_t(contrast: Contrast) -> tuple[float, float]:
    error, df = parts(contrast)
    estimate, reach = contrast.values.mean(), error * stats.t.ppf(0.975, df)
    return float(estimate - reach), float(estimate + reach)


def crossed_normal(contrast: Contrast) -> tuple[float, float]:
    error, _ = parts(contrast)
    estimate, reach = contrast.values.mean(), error * 1.96
    return float(estimate - reach), float(estimate + reach)


def stretched(contrast: Contrast) -> tuple[float, float]:
    """The percentile interval's shape, with the width of `crossed_t`."""
    error, df = parts(contrast)
    estimate = contrast.values.mean()
    deviations = contrast.both - contrast.both.mean()
    scale = error / (deviations.std() + 1e-30) * stats.t.ppf(0.975, df) / 1.96
    low, high = estimate + scale * np.quantile(deviations, [0.025, 0.975])
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
    """Each resample divided by its own standard error, its seeds' part from the seeds it drew and the images' part kept."""
    seeds = len(contrast.values)
    error, _ = parts(contrast)
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
    "percentile, seeds scaled": seeds_scaled,
    "bootstrap-t": bootstrap_t,
    "behrens-fisher": behrens_fisher,
    "crossed, normal": crossed_normal,
    "crossed, t": crossed_t,
    "stretched percentile": stretched,
}


def simulate(world: World, images: int, seeds: int, repeats: int, resamples: int, random: np.random.Generator) -> dict:
    truth = np.array([true_score(world, mean) for mean in MEANS])
    hits: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for _ in range(repeats):
        counts = draw(world, MEANS, images, seeds, random)
        scores = pooled_scores(counts)[0]
        resampled = resampled_scores(counts, random, resamples)
        seed_draws = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
        left_out = pooled_scores(counts, 1 - np.eye(images))

        def contrast(first: int, second: int | None = None) -> Contrast:
            sides = [first] if second is None else [first, second]
            values, moved, left = (
                a[..., sides[0], :] - (a[..., sides[1], :] if len(sides) > 1 else 0)
                for a in (scores, resampled, left_out)
            )
            return Contrast(values=values, resampled=moved, seed_draws=seed_draws, left_out=left)

        for name, method in METHODS.items():
            low, high = method(contrast(0))
            hits[name, "score"].append(low <= truth[0] <= high)
            for effect, (first, second) in PAIRS.items():
                low, high = method(contrast(first, second))
                hits[name, effect].append(low <= truth[first] - truth[second] <= high)
    return {key: float(np.mean(values)) for key, values in hits.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=1000)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    for label, world in WORLDS.items():
        truth = [true_score(world, mean) for mean in MEANS]
        print(label, [f"{value:.3f}" for value in truth[:4]])
        for images, seeds in [(n, k) for n in (12, 50, 200) for k in (1, 3, 5)] if label == "usual" else [(50, 3)]:
            rates = simulate(world, images, seeds, arguments.repeats, arguments.resamples, random)
            for name in METHODS:
                print(
                    label, images, seeds, f"{name:25}", *[f"{rates[name, column]:.3f}" for column in ("score", *PAIRS)]
                )


if __name__ == "__main__":
    main()
