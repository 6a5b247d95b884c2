"""Stored arrays to the pictures of the page: which images to show, and what each pixel of a prediction is."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.analysis.predictions import Gallery
from bench.analysis.series import Missing
from bench.evaluation.resampling import even_spread
from bench.records import Run
from bench.records.store import load_arrays

BACKGROUND, RIGHT, FALSE_ALARM, MISSED, WRONG_CLASS, PADDING = range(6)
"""What a pixel of a prediction is: right foreground, foreground where there is none, foreground not found, foreground
of another class, or padding that counts nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One image: RGB uint8 [E, E, 3], class ids uint8 [E, E] and outcomes uint8 [E, E] (the constants above).
    `iou` is of this image alone, the mean over its classes."""

    title: str
    id: str
    iou: float
    image: np.ndarray
    truth: np.ndarray
    outcome: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overlays:
    """Worst, median and best image of one model, of `num_images` with foreground."""

    label: str
    classes: tuple[str, ...]
    num_images: int
    cases: tuple[Case, ...]


def overlays(shown: Gallery) -> Overlays | Missing:
    """Of the first model."""
    model = shown.models[0]
    scored = sorted((iou, name, row) for row, name in enumerate(shown.ids) if (iou := model.iou(row)) is not None)
    if not scored:
        return Missing("no image of the gallery has foreground")
    positions = {"Worst": 0, "Median": (len(scored) - 1) // 2, "Best": len(scored) - 1}
    cases: dict[str, Case] = {}
    for title, position in positions.items():
        iou, name, row = scored[position]
        mask = model.masks[row]
        assert mask is not None  # or there were no IoU
        case = Case(
            title=title if len(scored) > 1 else "The only image",
            id=name,
            iou=iou,
            image=shown.images[row],
            truth=shown.truth[row],
            outcome=outcomes(shown.truth[row], mask, shown.valid[row]),
        )
        cases.setdefault(name, case)
    return Overlays(label=model.label, classes=shown.classes, num_images=len(scored), cases=tuple(cases.values()))


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


def augmentation_grid(run: Run) -> AugmentationGrid | Missing:
    arrays = load_arrays(Path(run.directory), "augmentation")
    if arrays is None or not len(arrays["strengths"]):
        return Missing("the run kept no augmented images")
    strengths = tuple(float(strength) for strength in arrays["strengths"])
    return AugmentationGrid(strengths=strengths, images=arrays["images"], masks=arrays["masks"])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Validation images from the least foreground to the most, of `num_images`: `shares` of the pixels that count,
    0-1; RGB uint8 [N, E, E, 3], class ids uint8 [N, E, E] and bool [N, E, E], what is no padding."""

    num_images: int
    shares: tuple[float, ...]
    images: np.ndarray
    masks: np.ndarray
    valid: np.ndarray


MAX_SAMPLES = 5


def samples(run: Run) -> Samples | Missing:
    shown = load_arrays(Path(run.directory), "predictions/images")
    if shown is None or not len(shown["ids"]):
        return Missing("the run kept no images")
    valid = shown["valid"].astype(bool)
    shares = ((shown["truth"] > 0) & valid).sum(axis=(1, 2)) / np.maximum(1, valid.sum(axis=(1, 2)))
    order = np.argsort(shares, kind="stable")
    chosen = order[even_spread(len(order), MAX_SAMPLES)]
    return Samples(
        num_images=len(order),
        shares=tuple(float(shares[index]) for index in chosen),
        images=shown["images"][chosen],
        masks=shown["truth"][chosen],
        valid=valid[chosen],
    )
