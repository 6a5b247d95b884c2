"""Layouts of folds, one file for each tool."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.exchange.folds import Folds, Lines
from bench.exchange.layouts import folders, nnunet, smp, yolo


@dataclass(frozen=True, slots=True)
class Layout:
    """`write` fills an empty folder and yields lines for the user."""

    description: str
    write: Callable[[Folds, Path], Lines]


LAYOUTS: Mapping[str, Layout] = {
    "folders": Layout("a folder for each fold and one for the held-out images, with images/ and masks/", folders.write),
    "nnunet": Layout("nnU-Net v2: a raw dataset with dataset.json and splits_final.json", nnunet.write),
    "yolo": Layout("Ultralytics segmentation: images/ and labels/, one YAML a fold", yolo.write),
    "smp": Layout("segmentation-models-pytorch and other own code: images/, masks/ and folds.csv", smp.write),
}
"""What `data split --for` writes."""
