"""Several classes one by one: what each scores, on other images and when trained again, and which is taken for
which."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.evaluation.pooling import Estimate, Metric, estimate
from bench.evaluation.resampling import SEED, counts_array
from bench.records import Confusion, Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One class against all others, pooled over images, the mean over trainings; None where it is undefined. `images`
    hold a pixel of it, in the truth."""

    name: str
    images: int
    iou: Estimate | None
    precision: Estimate | None
    recall: Estimate | None


def class_scores(evaluations: Sequence[Evaluation], classes: Sequence[str]) -> tuple[ClassScore, ...]:
    """Of one model on the same images, one evaluation for each of its seeds; () without any image."""
    if not evaluations or not evaluations[0].counts:
        return ()
    tables = counts_array([evaluations])[0]
    return tuple(
        ClassScore(
            name=name,
            images=int((tables[0, :, number, [0, 2]].sum(axis=0) > 0).sum()),
            iou=_estimate(tables[:, :, [number]], lambda of: _ratio(of[0], of[0] + of[1] + of[2])),
            precision=_estimate(tables[:, :, [number]], lambda of: _ratio(of[0], of[0] + of[1])),
            recall=_estimate(tables[:, :, [number]], lambda of: _ratio(of[0], of[0] + of[2])),
        )
        for number, name in enumerate(classes, start=1)
    )


def summed(confusions: Sequence[Confusion]) -> np.ndarray | None:
    """int64 [truth, predicted] over trainings; None where one of them kept none."""
    return np.sum([np.array(each, np.int64) for each in confusions], axis=0) if confusions and all(confusions) else None


def _estimate(tables: np.ndarray, metric: Metric) -> Estimate | None:
    return estimate(tables, metric, np.random.default_rng(SEED))


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
