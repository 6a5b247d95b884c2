"""A table of recorded trials, so that tuners can be compared on real training curves without training anything.

The file is JSON, compressed if its name ends in .gz (record_table.py makes it):

    {"schema_version": 1,
     "about": {...},                  for people: data, seed, versions, commit
     "space": {...},                  a search space (search_spaces.space.Space) of lists only
     "epochs": 9,                     of every row
     "rows": [{"hyperparameters": {...}, "val_iou": [0.1, ...]}, ...]}

There is one row for every configuration of the space, with its active hyperparameters and the validation IoU (a
fraction 0-1) after each epoch (null: the trial failed). A row is one training to the end. A shorter trial takes its
score from that training's curve: an approximation, since the schedule of a shorter trial comes down to 0 earlier.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras_tuner as kt

from bench.tuners.keras_tuner import configurations, is_finite
from search_spaces.segmentation import SegmentationHyperModel
from search_spaces.space import Space

SCHEMA_VERSION = 1
Curve = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`curves` maps `key(hyperparameters)` to validation IoU by epoch, None for a failed trial."""

    space: Space
    epochs: int
    curves: Mapping[str, Curve | None]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError where the curves are not those of every configuration, or not of every epoch."""
        expected = {key(values) for values in every_configuration(self.space)}
        missing, foreign = expected - set(self.curves), set(self.curves) - expected
        if missing or foreign:
            raise ValueError(
                f"{len(missing)} configurations of the space are missing, {len(foreign)} are not of the space"
            )
        for name, curve in self.curves.items():
            if curve is not None and len(curve) != self.epochs:
                raise ValueError(f"{len(curve)} epochs instead of {self.epochs}: {name}")

    def observed(self, hyperparameters: Mapping[str, Any]) -> float | None:
        """A trial's score in a search: the IoU after its last epoch ("tuner/epochs", if its tuner set it), None if it
        failed."""
        curve = self.curves[key(hyperparameters)]
        return None if curve is None else curve[self.trained_to(hyperparameters) - 1]

    def final(self, hyperparameters: Mapping[str, Any]) -> float | None:
        """What the configuration is worth: the IoU after training to the end, None if it failed."""
        curve = self.curves[key(hyperparameters)]
        return None if curve is None else curve[-1]

    def trained_to(self, hyperparameters: Mapping[str, Any]) -> int:
        """The last epoch of a trial, counted from 1."""
        return int(hyperparameters.get("tuner/epochs", self.epochs))

    @property
    def best(self) -> float:
        """The highest `final` of all configurations."""
        return max(curve[-1] for curve in self.curves.values() if curve is not None)


def every_configuration(space: Space) -> list[dict[str, Any]]:
    """All configurations of a space, grouped by network. Raises ValueError for a space with a range."""
    declared = SegmentationHyperModel(space, 2).declare(kt.HyperParameters())
    if not is_finite(declared):
        raise ValueError("the space has a range; a table needs lists of values")
    return list(configurations(declared))


def key(hyperparameters: Mapping[str, Any]) -> str:
    """The same text for equal configurations, whatever their order and whatever a tuner added."""
    return json.dumps({n: v for n, v in hyperparameters.items() if not n.startswith("tuner/")}, sort_keys=True)


def load_table(path: Path) -> Table:
    """Raises ValueError, naming the file, for one that is no complete table."""
    data = path.read_bytes()
    content = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    if content.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"{path}: schema version {content.get('schema_version')}, not {SCHEMA_VERSION}")
    rows = content["rows"]
    try:
        return Table(
            space=Space.model_validate(content["space"]),
            epochs=content["epochs"],
            curves={key(row["hyperparameters"]): row["val_iou"] and tuple(row["val_iou"]) for row in rows},
            about=content["about"],
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def write_table(table: Table, path: Path) -> None:
    """Replaces `path` as a whole; equal tables give equal bytes."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "about": dict(table.about),
        "space": table.space.model_dump(mode="json"),
        "epochs": table.epochs,
        "rows": [{"hyperparameters": json.loads(name), "val_iou": curve} for name, curve in table.curves.items()],
    }
    data = json.dumps(content).encode()
    unfinished = path.with_name(path.name + ".new")
    unfinished.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    unfinished.replace(path)
