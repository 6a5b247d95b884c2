"""Stored arrays to the pictures of the page: which images to show, and what each pixel of a prediction is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.analysis.leaderboard import Row, ranked
from bench.analysis.series import Missing
from bench.evaluation.metrics import summarise
from bench.records import ClassCounts, Run
from bench.records.store import load_arrays

BACKGROUND, RIGHT, FALSE_ALARM, MISSED, WRONG_CLASS, PADDING = range(6)
"""What a pixel of a prediction is: right foreground, foreground where there is none, foreground not found, foreground of another
class, or padding that counts nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One validation image: RGB uint8 [E, E, 3], class ids uint8 [E, E] and outcomes uint8 [E, E] (the constants above).
    `iou` is of this image alone, the mean over its classes."""

    title: str
    id: str
    iou: float
    image: np.ndarray
    truth: np.ndarray
    outcome: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overlays:
    """Worst, median and best validation image of the best trial whose predictions were kept, and of how many images."""

    rank: int
    label: str
    classes: tuple[str, ...]
    num_images: int
    cases: tuple[Case, ...]


def overlays(run: Run, rows: Sequence[Row]) -> Overlays | Missing:
    directory = Path(run.directory)
    shown = load_arrays(directory, "predictions/images")
    if shown is None:
        return Missing("the run kept no validation pictures")
    for row in ranked(rows):
        kept = load_arrays(directory, f"predictions/{row.trial.study_id}-{row.trial.trial_id}")
        if kept is not None:
            return _overlays(row, shown, kept, run.dataset.classes)
    return Missing("the run kept no predictions of a ranked trial")


def _overlays(
    row: Row, shown: dict[str, np.ndarray], kept: dict[str, np.ndarray], classes: tuple[str, ...]
) -> Overlays | Missing:
    place = {str(id): index for index, id in enumerate(shown["ids"])}
    found: list[tuple[float, str, int, int]] = []
    for index, id in enumerate(map(str, kept["ids"])):
        if id in place:
            at = place[id]
            iou = image_iou(shown["truth"][at], kept["prediction"][index], shown["valid"][at], len(classes))
            if iou is not None:
                found.append((iou, id, at, index))
    if not found:
        return Missing("no kept prediction shows an image with foreground")
    found.sort()
    positions = {"Worst": 0, "Median": (len(found) - 1) // 2, "Best": len(found) - 1}
    cases: dict[str, Case] = {}
    for title, position in positions.items():
        iou, id, at, index = found[position]
        truth, valid = shown["truth"][at], shown["valid"][at].astype(bool)
        cases.setdefault(
            id,
            Case(
                title=title if len(found) > 1 else "The only image",
                id=id,
                iou=iou,
                image=shown["images"][at],
                truth=truth,
                outcome=outcomes(truth, kept["prediction"][index], valid),
            ),
        )
    return Overlays(
        rank=row.rank or 0, label=row.model, classes=classes, num_images=len(found), cases=tuple(cases.values())
    )


def image_iou(truth: np.ndarray, prediction: np.ndarray, valid: np.ndarray, num_classes: int) -> float | None:
    """IoU of one image over its valid pixels, mean over the foreground classes; None where nothing is there nor predicted."""
    truth, prediction = truth[valid.astype(bool)], prediction[valid.astype(bool)]
    per_class = []
    for class_id in range(num_classes + 1):
        true, predicted = truth == class_id, prediction == class_id
        tp, fp, fn = (int(np.count_nonzero(m)) for m in (true & predicted, ~true & predicted, true & ~predicted))
        per_class.append(ClassCounts(tp=tp, fp=fp, fn=fn, tn=truth.size - tp - fp - fn))
    return summarise(per_class, [str(class_id) for class_id in range(num_classes)])["iou"]


def outcomes(truth: np.ndarray, prediction: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """What each pixel of a prediction is, uint8 of the shape of `truth`."""
    outcome = np.full(truth.shape, BACKGROUND, dtype=np.uint8)
    outcome[(truth > 0) & (prediction == truth)] = RIGHT
    outcome[(truth == 0) & (prediction > 0)] = FALSE_ALARM
    outcome[(truth > 0) & (prediction == 0)] = MISSED
    outcome[(truth > 0) & (prediction > 0) & (prediction != truth)] = WRONG_CLASS
    outcome[~valid] = PADDING
    return outcome


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AugmentationGrid:
    """The same picture at rising strengths: float [N], RGB uint8 [N, S, S, 3], class ids uint8 [N, S, S]."""

    strengths: tuple[float, ...]
    images: np.ndarray
    masks: np.ndarray

    @property
    def kept_foreground(self) -> tuple[float, ...]:
        """Foreground pixels at each strength as a share of those at the first."""
        pixels = np.count_nonzero(self.masks, axis=(1, 2))
        return tuple(float(value) for value in pixels / max(int(pixels[0]), 1))


def augmentation_grid(run: Run, rows: Sequence[Row]) -> AugmentationGrid | Missing:
    arrays = load_arrays(Path(run.directory), "augmentation")
    if arrays is None or not len(arrays["strengths"]):
        return Missing("the run kept no augmented pictures")
    strengths = tuple(float(strength) for strength in arrays["strengths"])
    return AugmentationGrid(strengths=strengths, images=arrays["images"], masks=arrays["masks"])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Validation images from the least foreground to the most, of `num_images`: `shares` of the pixels that count, 0-1; RGB uint8
    [N, E, E, 3], class ids uint8 [N, E, E] and bool [N, E, E], what is no padding."""

    num_images: int
    shares: tuple[float, ...]
    images: np.ndarray
    masks: np.ndarray
    valid: np.ndarray


MAX_SAMPLES = 5


def samples(run: Run, rows: Sequence[Row]) -> Samples | Missing:
    shown = load_arrays(Path(run.directory), "predictions/images")
    if shown is None or not len(shown["ids"]):
        return Missing("the run kept no validation pictures")
    valid = shown["valid"].astype(bool)
    shares = ((shown["truth"] > 0) & valid).sum(axis=(1, 2)) / np.maximum(1, valid.sum(axis=(1, 2)))
    order = np.argsort(shares, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, MAX_SAMPLES).round().astype(int))]
    return Samples(
        num_images=len(order),
        shares=tuple(float(shares[index]) for index in chosen),
        images=shown["images"][chosen],
        masks=shown["truth"][chosen],
        valid=valid[chosen],
    )
