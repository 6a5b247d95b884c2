"""Data or model? What the leader of the final evaluation scores when it is trained on fewer images, and whether more
would help.

Learning curves extrapolate: Figueroa and others, "Predicting sample size required for classification performance",
BMC Medical Informatics and Decision Making, 2012; Hestness and others, "Deep learning scaling is predictable,
empirically", 2017. Three shares are too few for a fitted law, so that only the last step is judged, by its paired
interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from bench.analysis.final_evaluation import Finals
from bench.analysis.scored_trainings import out_of_fold, trainings_of
from bench.analysis.series import Missing
from bench.evaluation.resampling import SEED, counts_array, pooled_scores
from bench.evaluation.statistics import Difference, Interval, compare
from bench.formats import plural
from bench.records import COMPLETED, Run, TrainingRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Trained on `train_share` of the images, `train_images` of them in the mean over folds and seeds: IoU out of
    fold, pooled over all images, the mean over seeds, each of which is in `by_seed`. `gain` is this point minus the
    one before, paired on images and seeds."""

    train_share: float
    train_images: float
    iou: float
    interval: Interval
    by_seed: tuple[float, ...]
    gain: Difference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCurve:
    """`points` by rising share, two at least; the last are the final evaluation's own trainings. `seeds` are those of
    which every training completed, of the `planned` ones."""

    label: str
    points: tuple[CurvePoint, ...]
    seeds: tuple[int, ...]
    planned: int


def data_curve(run: Run, held: Finals) -> DataCurve | Missing | None:
    """Of the leader of the ranking; None where no training on a share of the images is on record."""
    first = held.ranking[0]
    own = [each for each in run.curve_trainings if each.configuration == first.candidate.configuration]
    if not own:
        return None
    trained = {
        (each.train_share, each.seed, each.fold): each
        for each in (*own, *trainings_of(run, first.candidate))
        if each.status == COMPLETED
    }

    def is_whole(share: float, seed: int) -> bool:
        return all((share, seed, fold) in trained for fold in range(held.record.folds))

    shares = [
        share
        for share in sorted({share for share, _, _ in trained})
        if any(is_whole(share, seed) for seed in held.seeds)
    ]
    seeds = tuple(seed for seed in held.seeds if all(is_whole(share, seed) for share in shares))
    if len(shares) < 2 or not seeds:
        return Missing(f"no share of the images is complete for a seed ({plural(len(own), 'training')} on record)")
    by_share = {
        share: [trained[share, seed, fold] for seed in seeds for fold in range(held.record.folds)] for share in shares
    }
    try:
        points = _points(run, by_share, seeds)
    except ValueError as error:
        return Missing(str(error))
    return DataCurve(label=first.label, points=points, seeds=seeds, planned=len(held.seeds))


def _points(
    run: Run, by_share: Mapping[float, Sequence[TrainingRecord]], seeds: Sequence[int]
) -> tuple[CurvePoint, ...]:
    counts = counts_array([out_of_fold(own, seeds) for own in by_share.values()])
    compared, scores = compare(counts, np.random.default_rng(SEED)), pooled_scores(counts)[0]
    gains = {each.second: each.reversed() for each in compared.differences if each.second == each.first + 1}
    return tuple(
        CurvePoint(
            train_share=share,
            train_images=mean(_train_images(run, each) for each in own),
            iou=compared.scores[position],
            interval=compared.intervals[position],
            by_seed=tuple(map(float, scores[position])),
            gain=gains.get(position),
        )
        for position, (share, own) in enumerate(by_share.items())
    )


def _train_images(run: Run, training: TrainingRecord) -> int:
    """As recorded; all images of the other folds where a training of the final evaluation is older than that record."""
    if training.train_images is not None:
        return training.train_images
    return sum(len(ids) for fold, ids in enumerate(run.split.folds) if fold != training.fold)
