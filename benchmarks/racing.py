"""What racing on folds saves and loses: simulated searches with known answers.

    python benchmarks/racing.py                 the table of docs/decisions/0010-racing.md, 90 s on one core
    python benchmarks/racing.py --searches 300  the same, more exact

Images, candidates and seed effects are those of `interval_coverage.py`; each fold is one training. The mean logits of a
search's configurations are normal with standard deviation 0.5. The best of them is chosen by its score on a
single fold, by that on all folds, and in a race. `regret` is the true IoU of the best configuration minus that of the
chosen one. `equal pruned` is the rate at which a configuration is pruned that is as good as the only one before it.
"""

import argparse

import numpy as np
from interval_coverage import WORLDS, World, draw, true_score

from bench.evaluation.racing import Incumbent, is_behind, race
from bench.evaluation.resampling import pooled_scores

FOLDS, CONFIGURATIONS, SPREAD = 3, 24, 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=60)
    searches = parser.parse_args().searches
    print("| world | images | trainings: all | race | regret: one fold | all folds | race | equal pruned |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for name in ("no seed variance", "usual", "large seed variance"):
        for images in (48, 150):
            random = np.random.default_rng(0)
            found = np.array([search(WORLDS[name], images, random) for _ in range(searches)])
            pruned = np.mean([equal_is_pruned(WORLDS[name], images, random) for _ in range(10 * searches)])
            trainings, *regret = found.mean(axis=0)
            print(
                f"| {name} | {images} | {FOLDS * CONFIGURATIONS} | {trainings:.0f} | "
                f"{' | '.join(f'{each:.3f}' for each in regret)} | {pruned:.0%} |",
                flush=True,
            )


def search(world: World, images: int, random: np.random.Generator) -> tuple[float, float, float, float]:
    """Trainings that the race took, and the regret of choosing by one fold, by all folds and in the race."""
    means = SPREAD * random.standard_normal(CONFIGURATIONS)
    scores, image_iou = scored(world, tuple(means), images, random)
    folds_run = raced(scores, image_iou)
    complete = np.where(folds_run == FOLDS, scores.mean(axis=1), -1.0)  # whoever was pruned is not chosen
    chosen = (scores[:, 0].argmax(), scores.mean(axis=1).argmax(), complete.argmax())
    best = true_score(world, float(means.max()))
    one, every, race_won = (best - true_score(world, float(means[index])) for index in chosen)
    return float(folds_run.sum()), one, every, race_won


def equal_is_pruned(world: World, images: int, random: np.random.Generator) -> bool:
    return bool(raced(*scored(world, (0.0, 0.0), images, random))[1] < FOLDS)


def scored(
    world: World, means: tuple[float, ...], images: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """IoU of each fold [configurations, folds], and of each image of each [configurations, folds, images of a fold]."""
    counts = draw(world, means, images, FOLDS, random)
    size = images // FOLDS
    own = np.stack([counts[:, fold, fold * size : (fold + 1) * size] for fold in range(FOLDS)], axis=1)
    scores = np.stack([pooled_scores(own[:, fold : fold + 1])[0, :, 0] for fold in range(FOLDS)], axis=1)
    return scores, own[..., 1, 0] / own[..., 1, :3].sum(-1)


def raced(scores: np.ndarray, image_iou: np.ndarray) -> np.ndarray:
    """Folds that each configuration was trained on, one after the other in their order, as a search does it."""
    best: Incumbent | None = None
    folds_run = []
    for own_scores, own in zip(scores, image_iou, strict=True):
        done = 1
        while done < FOLDS and not (best and is_behind(race(by_image(own[:done]), best))):
            done += 1
        folds_run.append(done)
        if done == FOLDS and (best is None or own_scores.mean() > best.iou):
            best = Incumbent(trial_id="", iou=own_scores.mean(), image_iou=by_image(own))
    return np.array(folds_run)


def by_image(image_iou: np.ndarray) -> dict[str, float]:
    return {f"{number:04d}": float(iou) for number, iou in enumerate(image_iou.ravel())}


if __name__ == "__main__":
    main()
