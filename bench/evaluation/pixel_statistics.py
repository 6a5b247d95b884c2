"""What a training of the final evaluation says about each image beyond class ids: probabilities and contours, as counts
that add up over images.

By foreground class, each against the rest: of one class the probabilities are the network's own, of several its
softmax's.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from math import sqrt

import numpy as np

from bench.evaluation.pixel_metrics import TOLERANCE, contour_counts, probability_histogram, probability_sums


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PixelStatistics:
    """Of N images and C foreground classes, padding left out, at the evaluation size.

    `histogram` uint32 [N, C, 2, 64] and `sums` float32 [N, C, 64] are those of `pixel_metrics`; `contours` uint32 [N,
    C, 4] has the numbers of `ContourCounts` in their order, of the classes that were predicted; near is `tolerance_px`.
    """

    ids: tuple[str, ...]
    histogram: np.ndarray
    sums: np.ndarray
    contours: np.ndarray
    tolerance_px: float

    def __add__(self, other: "PixelStatistics") -> "PixelStatistics":
        """Of the images of both. Raises ValueError where their tolerances differ: then contours do not add up."""
        if self.tolerance_px != other.tolerance_px:
            raise ValueError(f"contours at two tolerances, {self.tolerance_px} and {other.tolerance_px} px")
        return PixelStatistics(
            ids=self.ids + other.ids,
            histogram=np.concatenate([self.histogram, other.histogram]),
            sums=np.concatenate([self.sums, other.sums]),
            contours=np.concatenate([self.contours, other.contours]),
            tolerance_px=self.tolerance_px,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """For `RunStore.write_arrays`."""
        return {
            "ids": np.array(self.ids, np.str_),
            "histogram": self.histogram,
            "sums": self.sums,
            "contours": self.contours,
            "tolerance_px": np.array(self.tolerance_px),
        }

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "PixelStatistics":
        """The reverse of `arrays`."""
        return cls(
            ids=tuple(arrays["ids"].tolist()),
            histogram=arrays["histogram"],
            sums=arrays["sums"],
            contours=arrays["contours"],
            tolerance_px=float(arrays["tolerance_px"]),
        )


def tolerance_of(evaluation_size: int) -> float:
    """How near a contour must be, in pixels of the evaluation size."""
    return TOLERANCE * sqrt(2) * evaluation_size


def pixel_statistics(
    ids: Sequence[str], truth: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray, valid: np.ndarray
) -> PixelStatistics:
    """`truth` and `predicted` are class ids uint8 [N, e, e], `valid` is bool; `probabilities`, float32 [N, e, e,
    channels], are foreground's in one channel, or those of all classes, background first. What is no number counts as
    0, as it does where it is thresholded."""
    foreground = probabilities if probabilities.shape[-1] == 1 else probabilities[..., 1:]
    foreground = np.clip(np.nan_to_num(foreground, nan=0.0), 0.0, 1.0)  # enlarging rounds, perhaps beyond 1
    tolerance_px = tolerance_of(truth.shape[1])
    each = [
        [
            _of_class(
                truth[row] == number,
                predicted[row] == number,
                foreground[row, ..., number - 1],
                valid[row],
                tolerance_px,
            )
            for number in range(1, foreground.shape[-1] + 1)
        ]
        for row in range(len(ids))
    ]
    histogram, sums, contours = (np.array([[of[part] for of in image] for image in each]) for part in range(3))
    return PixelStatistics(
        ids=tuple(ids),
        histogram=histogram.astype(np.uint32),
        sums=sums.astype(np.float32),
        contours=contours.astype(np.uint32),
        tolerance_px=tolerance_px,
    )


def _of_class(
    truth: np.ndarray, predicted: np.ndarray, probability: np.ndarray, valid: np.ndarray, tolerance_px: float
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    contours = contour_counts(truth, predicted, valid, tolerance_px)
    return probability_histogram(truth, probability, valid), probability_sums(probability, valid), astuple(contours)
