"""Which of its trained networks a run delivers, and how good they are together on images that they did not see."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.datasets.cache import CachedPixels
from bench.evaluation.ensemble import MOST_MEMBERS, Choice, Images, at_size, choose, masks_with, out_of_fold_counts
from bench.evaluation.postprocess import class_ids
from bench.formats import fraction, plural
from bench.records import (
    COMPLETED,
    DeliveryRecord,
    HyperparameterValue,
    Member,
    TrainingRecord,
    configuration_name,
)
from bench.records.store import load_arrays
from bench.run.final_evaluation import unit_name
from search_spaces.views import PATCHES, WHOLE

MAPS, MEMBERS = "maps", "members"
"""Folders of a run: probabilities out of fold, and weights, one file for each training of the final evaluation."""

Key = tuple[str, int]
"""A configuration with a seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Units of one image size to choose from: their trainings by fold, and their maps of the same `images`."""

    trainings: Sequence[Mapping[int, TrainingRecord]]
    maps: Sequence[np.ndarray]
    images: Images


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A delivery before its model is written, and its masks out of fold, uint8 [N, e, e] of `ids`."""

    record: DeliveryRecord
    ids: tuple[str, ...]
    masks: np.ndarray


def select(
    directory: Path,
    trainings: Sequence[TrainingRecord],
    truth: CachedPixels,
    num_classes: int,
    *,
    most: int = MOST_MEMBERS,
) -> Selection | None:
    """The best ensemble of at most `most` units, from the trainings whose weights and maps are in the run's
    `directory`; None without any. `truth` holds the pixels at the evaluation size."""
    best: tuple[Choice, Library] | None = None
    for library in libraries(directory, trainings, truth, num_classes):
        choice = choose(library.maps, library.images, most)
        if best is None or choice.score > best[0].score:
            best = choice, library
    if best is None:
        return None
    choice, library = best
    members = tuple(
        member_of(training) for unit in choice.units for _, training in sorted(library.trainings[unit].items())
    )
    record = DeliveryRecord(
        members=members,
        image_size=int(members[0].hyperparameters["image_size"]),
        view=_view(members[0].hyperparameters),
        flips=choice.flips,
        threshold=choice.threshold,
        smallest_object=choice.smallest_object,
        rule=_rule(choice, library),
        out_of_fold=out_of_fold_counts(library.maps, library.images, most),
    )
    masks = masks_with(choice, library.maps, library.images)
    return Selection(record=record, ids=library.images.ids, masks=masks)


def libraries(
    directory: Path, trainings: Sequence[TrainingRecord], truth: CachedPixels, num_classes: int
) -> list[Library]:
    """One library for each image size and view, since networks of two sizes would need the image twice. It has the
    units that were trained on the most folds."""
    units: dict[Key, dict[int, TrainingRecord]] = {}
    for training in trainings:
        if training.status == COMPLETED and _is_kept(directory, training):
            units.setdefault((training.configuration, training.seed), {})[training.fold] = training
    most = max((len(folds) for folds in units.values()), default=0)
    alike: dict[tuple[int, str], list[dict[int, TrainingRecord]]] = {}
    folds = next((tuple(sorted(each)) for each in units.values() if len(each) == most), ())
    for unit in units.values():
        if set(folds) <= set(unit):
            values = next(iter(unit.values())).hyperparameters
            kind = int(values["image_size"]), _view(values)
            alike.setdefault(kind, []).append({fold: unit[fold] for fold in folds})
    return [_library(directory, each, truth, num_classes) for each in alike.values()]


def _view(hyperparameters: Mapping[str, HyperparameterValue]) -> str:
    return PATCHES if hyperparameters.get("view") == PATCHES else WHOLE


def masks_by_configuration(
    directory: Path, trainings: Sequence[TrainingRecord], truth: CachedPixels, ids: Sequence[str]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The name of each configuration's arrays, and the arrays: those of `ids` that it was scored on, and its `masks` of
    them out of fold, uint8 [n, e, e], at 0.5 and without mirroring. The first training that scored an image counts."""
    found: dict[str, dict[str, np.ndarray]] = {}
    wanted = set(ids)
    for training in trainings:
        if training.status != COMPLETED or not _is_kept(directory, training):
            continue
        arrays = _maps(directory, training)
        own = found.setdefault(configuration_name(training.hyperparameters), {})
        for name, values in zip(arrays["ids"], arrays["values"], strict=True):
            if name in wanted and name not in own:
                own[str(name)] = values[0]
    for name, maps in found.items():
        shown = [image for image in ids if image in maps]
        if not shown:  # the disk had no room for the fold that has them
            continue
        enlarged = [at_size(maps[image].astype(np.float32) / 255, truth.masks.shape[-1]) for image in shown]
        masks = np.stack([class_ids(each, 0.5) for each in enlarged])
        yield f"predictions/{name}", {"ids": np.array(shown, np.str_), "masks": masks}


def _library(
    directory: Path, units: Sequence[Mapping[int, TrainingRecord]], truth: CachedPixels, num_classes: int
) -> Library:
    ids: list[str] = []
    fold_of: list[int] = []
    maps: list[list[np.ndarray]] = [[] for _ in units]
    for fold in units[0]:
        arrays = [_maps(directory, unit[fold]) for unit in units]
        ids += list(arrays[0]["ids"])
        fold_of += [fold] * len(arrays[0]["ids"])
        for own, each in zip(maps, arrays, strict=True):
            own.append(each["values"])
    rows = truth.rows(ids)
    images = Images(
        ids=tuple(ids),
        fold=np.array(fold_of),
        truth=truth.class_ids(rows),
        valid=np.asarray(truth.valid[rows]),
        num_classes=num_classes,
    )
    return Library(trainings=units, maps=[np.concatenate(each) for each in maps], images=images)


def weights_path(training: TrainingRecord) -> str:
    """The path of its weights, relative to the run's folder."""
    return f"{MEMBERS}/{unit_name(training)}.weights.h5"


def _is_kept(directory: Path, training: TrainingRecord) -> bool:
    return (directory / weights_path(training)).is_file() and (
        directory / f"{MAPS}/{unit_name(training)}.npz"
    ).is_file()


def _maps(directory: Path, training: TrainingRecord) -> dict[str, np.ndarray]:
    arrays = load_arrays(directory, f"{MAPS}/{unit_name(training)}")
    assert arrays is not None  # `_is_kept` has looked
    return arrays


def member_of(training: TrainingRecord) -> Member:
    """The network of a training on folds, as a member of a model."""
    return Member(
        candidate=training.candidate,
        hyperparameters=training.hyperparameters,
        fold=training.fold,
        seed=training.seed,
        weights=weights_path(training),
    )


def _rule(choice: Choice, library: Library) -> str:
    names = [next(iter(library.trainings[unit].values())) for unit in choice.units]
    who = ", ".join(dict.fromkeys(f"{each.candidate} (seed {each.seed})" for each in names))
    gain = f"IoU {fraction(choice.score)} on images out of fold, {fraction(choice.single)} for the best of them alone"
    units, folds = plural(len(library.maps), "unit"), plural(len(library.trainings[0]), "fold")
    return f"chosen greedily out of fold from {units} of {folds}: {who}; {gain}"
