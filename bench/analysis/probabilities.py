"""Probability-based metrics: other thresholds, contours, calibration; from what each training kept of its
images out of fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.evaluation.metrics import mean
from bench.evaluation.pixel_metrics import (
    BINS,
    ContourCounts,
    average_precision,
    best_threshold,
    boundary_f1,
    calibration_sums,
    expected_calibration_error,
)
from bench.evaluation.pixel_statistics import PixelStatistics
from bench.evaluation.pooling import Estimate, Metric, estimate
from bench.evaluation.resampling import SEED
from bench.records import Run, TrainingRecord
from bench.records.store import load_arrays

_UNIT = 2**20
"""Summed probabilities are counted in parts of this, as whole numbers, so that sums do not depend on their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbabilityMetrics:
    """What a candidate's probabilities and contours are worth on its images out of fold, pooled over images as the
    IoU is; of several foreground classes each against the rest, and their mean. None where a metric is undefined.

    `tuned` is the IoU where each image is cut at the threshold that is best on the other folds, with the same seed:
    `thresholds` are the lowest, the median and the highest of them. `gain` is that minus the IoU as it was counted,
    paired by image. Both intervals take the thresholds as given. None where there is one fold only. `tuned_test` is
    the IoU on the held-out test images, cut at the threshold that is best out of fold, the mean over trainings.
    """

    tuned: Estimate | None
    gain: Estimate | None
    tuned_test: float | None
    thresholds: tuple[float, float, float]
    boundary_f1: Estimate | None
    average_precision: Estimate | None
    calibration_error: Estimate | None
    tolerance_px: float


def probability_metrics(
    run: Run, trainings: Sequence[TrainingRecord], seeds: Sequence[int]
) -> ProbabilityMetrics | None:
    """Of one candidate's trainings, all folds with each of the seeds; None where one of them kept no evidence."""
    found = {(each.seed, each.fold): evidence_of_training(run, each) for each in trainings if each.seed in seeds}
    kept = {unit: evidence for unit, evidence in found.items() if evidence is not None}
    if not kept or len(kept) < len(found):
        return None
    fold_of = {name: each.fold for each in trainings for name in each.out_of_fold}
    names = sorted(fold_of)
    folds = np.array([fold_of[name] for name in names])
    stacked = {
        name: np.stack([_of_images(kept, seed, fold_of, names, name) for seed in seeds])
        for name in ("histogram", "sums", "contours")
    }
    histogram = stacked["histogram"].astype(np.int64)
    levels = _levels(histogram, folds)
    cut = counts_at(histogram, levels[:, folds])
    counted = _counted([each for each in trainings if each.seed in seeds], seeds, names)
    units = np.rint(stacked["sums"].astype(np.float64) * _UNIT)[..., None, :]
    thresholds = levels / BINS
    return ProbabilityMetrics(
        tuned=_estimate(cut, _iou) if folds.max() else None,
        gain=_estimate(np.stack([cut, counted], axis=-2), _iou_gain) if folds.max() else None,
        tuned_test=_tuned_test(kept, {seed: own.sum(0) for seed, own in zip(seeds, histogram, strict=True)}, fold_of),
        thresholds=(float(thresholds.min()), float(np.median(thresholds)), float(thresholds.max())),
        boundary_f1=_estimate(stacked["contours"], _boundary_f1),
        average_precision=_estimate(histogram, average_precision),
        calibration_error=_estimate(np.concatenate([histogram, units], axis=-2), _calibration_error),
        tolerance_px=next(iter(kept.values())).tolerance_px,
    )


def evidence_of_training(run: Run, training: TrainingRecord) -> PixelStatistics | None:
    """What a training kept, None where it kept none or the file is gone."""
    arrays = load_arrays(Path(run.directory), training.evidence) if training.evidence else None
    return PixelStatistics.of_arrays(arrays) if arrays else None


def _of_images(
    kept: Mapping[tuple[int, int], PixelStatistics],
    seed: int,
    fold_of: Mapping[str, int],
    names: Sequence[str],
    array: str,
) -> np.ndarray:
    """Each image's row of the training that did not see it."""
    rows = {unit: {name: row for row, name in enumerate(evidence.ids)} for unit, evidence in kept.items()}
    return np.stack(
        [getattr(kept[unit], array)[rows[unit][name]] for name in names for unit in [(seed, fold_of[name])]]
    )


def _levels(histogram: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """int64 [seeds, folds, classes]: for the images of each fold the bin from which on foreground is best on all
    other folds; the middle where they hold nothing to find. `histogram` is [seeds, images, classes, 2, 64]."""
    return np.array(
        [
            [[_level(table) for table in own[folds != fold].sum(0)] for fold in range(folds.max() + 1)]
            for own in histogram
        ]
    )


def _counted(trainings: Sequence[TrainingRecord], seeds: Sequence[int], names: Sequence[str]) -> np.ndarray:
    """int64 [seeds, images, classes, 3]: tp, fp and fn as they were counted out of fold."""
    found = {(each.seed, name): counts[1:] for each in trainings for name, counts in each.out_of_fold.items()}
    return np.array([[[(of.tp, of.fp, of.fn) for of in found[seed, name]] for name in names] for seed in seeds])


def _tuned_test(
    kept: Mapping[tuple[int, int], PixelStatistics], out_of_fold: Mapping[int, np.ndarray], fold_of: Mapping[str, int]
) -> float | None:
    """`out_of_fold` has a seed's histogram over all its images, [classes, 2, 64]; the held-out test images are those
    in no fold."""
    ious = []
    for (seed, _), evidence in kept.items():
        locked = [row for row, name in enumerate(evidence.ids) if name not in fold_of]
        levels = np.array([_level(table) for table in out_of_fold[seed]])
        pooled = counts_at(evidence.histogram[locked].astype(np.int64).sum(0), levels)
        ious.append(mean(map(_iou, pooled)))
    return None if None in ious else mean(ious)


def _level(table: np.ndarray) -> int:
    best = best_threshold(table)
    return round(best[0] * BINS) if best else BINS // 2


def counts_at(histogram: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """int64 [..., classes, 3]: tp, fp and fn where pixels from bin `levels`, [..., classes], on are foreground;
    `histogram` is [..., classes, 2, 64]."""
    above = np.arange(BINS) >= levels[..., None]
    false, found = histogram[..., 0, :], histogram[..., 1, :]
    return np.stack([(found * above).sum(-1), (false * above).sum(-1), (found * ~above).sum(-1)], axis=-1)


def _estimate(tables: np.ndarray, metric: Metric) -> Estimate | None:
    return estimate(tables, metric, np.random.default_rng(SEED))


def _iou(counts: np.ndarray) -> float | None:
    return float(counts[0] / counts.sum()) if counts.sum() else None


def _iou_gain(counts: np.ndarray) -> float | None:
    here, there = map(_iou, counts)
    return None if here is None or there is None else here - there


def _boundary_f1(counts: np.ndarray) -> float | None:
    predicted, predicted_near, true, true_near = map(int, counts)
    return boundary_f1(
        ContourCounts(predicted=predicted, predicted_near=predicted_near, true=true, true_near=true_near)
    )


def _calibration_error(table: np.ndarray) -> float | None:
    return expected_calibration_error(calibration_sums(table[:2], table[2] / _UNIT))
