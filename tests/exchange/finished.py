"""A finished run on a small data set, without any training: its data, audit, split and experiment are real."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.datasets import open_dataset
from bench.datasets.audit import audit
from bench.datasets.splits import make_split
from bench.experiments import Experiment, load_experiment, to_json
from bench.records.store import RunStore
from tests.datasets.drawings import picture, save
from tests.examples import single_records

SIZES = ((24, 32), (40, 26), (32, 32), (64, 80))
"""Heights and widths of the pictures; models of the run compare at 32."""

EVALUATION_SIZE = 32


def data_set(root: Path, count: int = 12, *, classes: int = 1, void: bool = False) -> Path:
    """Pictures of several sizes, one stored rotated and two of one name, with a rectangle of each class;
    one has a hole."""
    random = np.random.default_rng(3)
    for number in range(count):
        height, width = SIZES[number % len(SIZES)]
        mask = np.zeros((height, width), np.uint8)
        for class_id in range(1, classes + 1):
            top, left = random.integers(0, height - 12), random.integers(0, width - 12)
            mask[top : top + 11, left : left + 9] = class_id
            mask[top + 4 : top + 6, left + 3 : left + 5] = 0
        if void:
            mask[:2] = 255
        name = f"sub{number}/same" if number < 2 else f"p {number}"
        image = picture(height, width, seed=number)
        turned = number == 2
        save(
            root / "images" / f"{name}.png", np.rot90(image).copy() if turned else image, orientation=6 if turned else 1
        )
        save(root / "masks" / f"{name}.png", mask)
    return root


def finished_run(root: Path, data: Path, classes: tuple[str, ...] = ("damage",)) -> Path:
    """The run's folder, below `root`."""
    experiment = experiment_on(data, classes)
    dataset = open_dataset(data, experiment.data.options)
    audited, record = audit(dataset, experiment.data.options)
    run, environment, *_ = single_records("small")
    with RunStore.create(root / "results" / "small") as store:
        store.write_experiment(to_json(experiment))
        for each in (run, environment, replace(record, path=str(data)), audited, make_split(audited, dataset, seed=0)):
            store.write(each)
    return store.directory


def experiment_on(data: Path, classes: tuple[str, ...]) -> Experiment:
    content = to_json(load_experiment("transfer"))
    content |= {"name": "small"}
    content["data"] |= {"path": str(data), "classes": {name: number for number, name in enumerate(classes, start=1)}}
    content["protocol"] |= {"evaluation_size": EVALUATION_SIZE}
    return Experiment.model_validate(content)
