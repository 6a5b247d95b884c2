"""nnU-Net v2, after its documentation in https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation.

dataset_format.md describes the layout, manual_data_splits.md the splits.
"""

import re
from pathlib import Path

import numpy as np

from bench.datasets.dataset import VOID
from bench.errors import DataError
from bench.exchange.folds import Folds, Lines, write_all, write_json, write_pair, write_split
from bench.exchange.run_data import TEST

_NAMED = re.compile(r"Dataset(\d{3})_\w+")
_NUMBER = 501
"""Of the data set where the folder's name has none; nnU-Net's own start at 1."""

IGNORE = "ignore"
"""nnU-Net's name of void, whose number has to follow that of the last class."""


def write(folds: Folds, directory: Path) -> Lines:
    """A raw dataset in `directory`, if that is called like one (`Dataset123_cars`).

    Otherwise `directory` is nnUNet_raw, and the dataset is a folder in it.
    """
    if IGNORE in folds.classes:
        raise DataError(
            f"nnU-Net calls void {IGNORE!r}, and run {folds.run.record.name} has a class of that name; rename it"
        )
    named = _NAMED.fullmatch(directory.resolve().name)
    number = named[1] if named else str(_NUMBER)
    own_name = re.sub(r"\W", "_", folds.run.record.name)
    root = directory if named else directory / f"Dataset{number}_{own_name}"
    void = len(folds.classes) + 1

    def write_one(part: str, stem: str, image: np.ndarray, mask: np.ndarray) -> None:
        images, labels = ("imagesTs", "labelsTs") if part == TEST else ("imagesTr", "labelsTr")
        labelled = np.where(mask == VOID, np.uint8(void), mask)
        write_pair(root / images / f"{stem}_0000.png", root / labels / f"{stem}.png", image, labelled)

    has_void = write_all(folds, write_one)
    labels = {"background": 0} | {name: each for each, name in enumerate(folds.classes, start=1)}
    content = {
        "channel_names": {"0": "R", "1": "G", "2": "B"},
        "labels": labels | ({IGNORE: void} if has_void else {}),
        "numTraining": sum(len(folds.parts[part]) for part in folds.folds),
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }
    write_json(root / "dataset.json", content)
    splits = [{"train": folds.others(part), "val": sorted(folds.stems(part))} for part in folds.folds]
    write_json(root / "splits_final.json", splits)
    write_split(folds, root)
    yield f"export nnUNet_raw={root.resolve().parent}"
    yield f"nnUNetv2_plan_and_preprocess -d {number} -c 2d"
    yield f"cp {root.resolve()}/splits_final.json $nnUNet_preprocessed/{root.resolve().name}/"
    yield (
        f"nnUNetv2_train {number} 2d FOLD    for FOLD 0 to {len(folds.folds) - 1}: "
        "nnU-Net counts folds from 0, a run from 1"
    )
