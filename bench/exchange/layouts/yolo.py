"""Ultralytics: a text of outlines for each image and a YAML for each fold.

https://docs.ultralytics.com/datasets/segment/
"""

from pathlib import Path

import numpy as np
import yaml

from bench.datasets.convert import write_png
from bench.datasets.dataset import VOID
from bench.delivery.masks import outlines
from bench.exchange.folds import Folds, Lines, write_all, write_split
from bench.exchange.run_data import TEST


def write(folds: Folds, directory: Path) -> Lines:
    """`images/PART/`, `labels/PART/` and YAML files.

    Each fold has `fold_K.yaml`, which scores it and trains on the others; `data.yaml` has the parts of the run's
    search. Paths are relative to the YAML files, so that the folder may be moved.
    """

    def write_one(part: str, stem: str, image: np.ndarray, mask: np.ndarray) -> None:
        write_png(directory / "images" / part / f"{stem}.png", image)
        text = directory / "labels" / part / f"{stem}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("".join(f"{line}\n" for line in _lines(np.where(mask == VOID, 0, mask))), encoding="utf-8")

    has_void = write_all(folds, write_one)
    for fold in folds.folds:
        others = [f"images/{part}" for part in folds.folds if part != fold]
        _write_yaml(directory / f"{fold}.yaml", folds, train=others, val=f"images/{fold}")
    part_of = {sample.id: part for part, samples in folds.parts.items() for sample in samples}
    for name, ids in (("train", folds.run.split.train), ("val", folds.run.split.val)):
        lines = (f"./images/{part_of[each]}/{folds.stem_of[each]}.png\n" for each in ids)
        (directory / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    _write_yaml(directory / "data.yaml", folds, train="train.txt", val="val.txt")
    write_split(folds, directory)
    if has_void:
        yield "outlines have no void: undecided pixels are background there"
    yield f"yolo segment train data={directory.resolve()}/fold_1.yaml    and so on for each fold"


def _lines(mask: np.ndarray) -> Lines:
    """A line for each region: its class from 0, without background, then x and y as fractions of the image."""
    size = np.array(mask.shape[::-1])
    for class_id, outline in outlines(mask):
        yield " ".join([str(class_id - 1), *(f"{value:.7g}" for value in (outline / size).ravel())])


def _write_yaml(path: Path, folds: Folds, *, train: str | list[str], val: str) -> None:
    content = {"train": train, "val": val, "test": f"images/{TEST}", "names": dict(enumerate(folds.classes))}
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
