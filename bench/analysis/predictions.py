"""Predictions beside each other: the same images as every model saw them, with the score of each, for the page's
viewer.

A run keeps the masks of its final evaluation, made out of fold for an even spread of development images, and those of
the model that it delivers. Older runs kept the masks of their best trials on validation images.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.analysis.final_evaluation import Finals, NoFinals
from bench.analysis.labels import configuration_label, role_title
from bench.analysis.leaderboard import Row, ranked
from bench.analysis.series import Missing
from bench.evaluation.metrics import mean
from bench.records import Candidate, Run, configuration_name
from bench.records.store import load_arrays

Arrays = Mapping[str, np.ndarray]

DELIVERED = "delivered"
"""The arrays of the model that the run delivers."""

MOST_MODELS = 10
"""More of them would make a page that no one scrolls through."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predicted:
    """One model. `masks` are class ids, uint8 [E, E], one an image, None where it was not trained for that image's
    fold; `ious` the IoU of each image and class, [N][classes], None where the class is neither there nor predicted,
    and () without a mask."""

    label: str
    badges: tuple[str, ...]
    masks: tuple[np.ndarray | None, ...]
    ious: tuple[tuple[float | None, ...], ...]

    def iou(self, image: int) -> float | None:
        """Of one image: the mean over its classes."""
        return mean(self.ious[image])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gallery:
    """`images` are RGB uint8 [N, E, E, 3], `truth` class ids uint8 [N, E, E], `valid` bool [N, E, E], false for
    padding. `shares` are those of foreground in the pixels that count, 0-1; `smallest` the share of the smallest
    connected object, None without any. With `out_of_fold` no model saw an image that it is shown on; else they are
    validation images, by which the search chose."""

    ids: tuple[str, ...]
    images: np.ndarray
    truth: np.ndarray
    valid: np.ndarray
    shares: tuple[float, ...]
    smallest: tuple[float | None, ...]
    classes: tuple[str, ...]
    models: tuple[Predicted, ...]
    out_of_fold: bool


def gallery(run: Run, rows: Sequence[Row], held: Finals | NoFinals) -> Gallery | Missing:
    directory = Path(run.directory)
    development = load_arrays(directory, "predictions/development")
    if development is not None:
        found = list(_of_final_evaluation(run, held, directory))
        if found:
            return _gallery(run, development, found, out_of_fold=True)
    validation = load_arrays(directory, "predictions/images")
    if validation is None:
        return Missing("the run kept no images")
    found = list(_of_search(rows, directory))
    return _gallery(run, validation, found, out_of_fold=False) if found else Missing("the run kept no predictions")


Found = tuple[str, tuple[str, ...], Arrays, str]


def _of_final_evaluation(run: Run, held: Finals | NoFinals, directory: Path) -> Iterator[Found]:
    delivered = load_arrays(directory, f"predictions/{DELIVERED}")
    if delivered is not None:
        label = "The delivered network's recipe" if run.delivery and run.delivery.refit else "Delivered model"
        yield label, ("delivered",), delivered, "masks"
    if isinstance(held, Finals):
        named = [(each.candidate, each.label) for each in held.ranking]
    else:
        named = [(each, configuration_label(each)) for each in (run.finals.candidates if run.finals else ())]
    for candidate, label in named[:MOST_MODELS]:
        kept = load_arrays(directory, f"predictions/{configuration_name(candidate.hyperparameters)}")
        if kept is not None:
            yield label, tuple(map(role_title, candidate.roles)), kept, "masks"


def _of_search(rows: Sequence[Row], directory: Path) -> Iterator[Found]:
    for row in ranked(rows):
        kept = load_arrays(directory, f"predictions/{row.trial.study_id}-{row.trial.trial_id}")
        if kept is not None:
            label = configuration_label(Candidate(name=row.name, roles=(), hyperparameters=row.trial.hyperparameters))
            yield f"{label} (rank {row.rank} of the search)", (), kept, "prediction"


def _gallery(run: Run, shown: Arrays, found: Sequence[Found], *, out_of_fold: bool) -> Gallery | Missing:
    """Of the images that some model has a mask of."""
    rows_of = [{str(name): row for row, name in enumerate(arrays["ids"])} for _, _, arrays, _ in found]
    place = {str(name): row for row, name in enumerate(shown["ids"]) if any(str(name) in rows for rows in rows_of)}
    if not place:
        return Missing("the predictions that were kept are of none of the images that were kept")
    names, at = list(place), list(place.values())
    truth, valid = shown["truth"][at], shown["valid"][at].astype(bool)
    classes = run.dataset.classes
    models = []
    for (label, badges, arrays, key), rows in zip(found, rows_of, strict=True):
        masks = tuple(arrays[key][rows[name]] if name in rows else None for name in names)
        ious = tuple(
            () if mask is None else class_ious(truth[row], mask, valid[row], len(classes))
            for row, mask in enumerate(masks)
        )
        models.append(Predicted(label=label, badges=badges, masks=masks, ious=ious))
    counted = np.maximum(1, valid.sum(axis=(1, 2)))
    return Gallery(
        ids=tuple(names),
        images=shown["images"][at],
        truth=truth,
        valid=valid,
        shares=tuple(float(share) for share in ((truth > 0) & valid).sum(axis=(1, 2)) / counted),
        smallest=tuple(_smallest_object((truth[row] > 0) & valid[row]) for row in range(len(names))),
        classes=classes,
        models=tuple(models),
        out_of_fold=out_of_fold,
    )


def class_ious(
    truth: np.ndarray, prediction: np.ndarray, valid: np.ndarray, num_classes: int
) -> tuple[float | None, ...]:
    """IoU of one image for each foreground class, over its valid pixels; None where a class is neither there nor
    predicted."""
    own, said = truth[valid.astype(bool)], prediction[valid.astype(bool)]
    found: list[float | None] = []
    for class_id in range(1, num_classes + 1):
        there, predicted = own == class_id, said == class_id
        union = int(np.count_nonzero(there | predicted))
        found.append(int(np.count_nonzero(there & predicted)) / union if union else None)
    return tuple(found)


def _smallest_object(foreground: np.ndarray) -> float | None:
    """The share of the image's pixels that the smallest connected object has."""
    from scipy import ndimage

    labels, count = ndimage.label(foreground)
    return float(np.bincount(labels.ravel())[1:].min() / foreground.size) if count else None
