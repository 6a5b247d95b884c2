"""A made-up run whose members are small networks with drawn weights, so
that a model can be delivered without training."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.datasets.letterbox import letterbox, letterbox_mask, valid_area
from bench.records import DeliveryRecord, Member
from bench.records.store import RunStore
from tests.report import runs

PLAIN_UNET = {"architecture": "plain_unet", "loss": "bce_dice", "learning_rate": 1e-3, "batch_size": 8}
MOBILENET = {**PLAIN_UNET, "architecture": "unet", "backbone": "mobilenetv2", "encoder_weights": "none"}
SEGFORMER = {**MOBILENET, "architecture": "segformer", "backbone": "mit_b0"}
SIZE, EVALUATION_SIZE = 32, 48
SIZES = ((48, 64), (90, 41), (32, 32), (200, 150), (33, 61))
"""Heights and widths of the photographs."""


def photographs(count: int = 5) -> list[np.ndarray]:
    """Drawn RGB photographs uint8 [H, W, 3] of several sizes: smooth ground, noise and a bright ellipse."""
    random = np.random.default_rng(11)
    pictures = []
    for number in range(count):
        height, width = SIZES[number % len(SIZES)]
        ground = cv2.resize(random.uniform(20, 160, (4, 4, 3)).astype(np.float32), (width, height))
        picture = np.clip(ground + random.normal(0, 9, ground.shape), 0, 255).astype(np.uint8)
        cv2.ellipse(picture, (width // 2, height // 3), (width // 4, height // 5), 30, 0, 360, (230, 220, 210), -1)
        pictures.append(picture)
    return pictures


def truth_of(picture: np.ndarray, num_classes: int) -> np.ndarray:
    """Class ids uint8 [H, W]: the ellipse by halves."""
    found = (picture.min(axis=2) > 190).astype(np.uint8)
    found[:, picture.shape[1] // 2 :] *= num_classes
    return found


def save_members(
    directory: Path, configurations: Sequence[dict[str, object]], size: int, num_classes: int
) -> list[Member]:
    """Networks with weights drawn from their place in the list, moving statistics too, saved
    as a training saves them."""
    from search_spaces.segmentation import build_network

    members = []
    for number, values in enumerate(configurations):
        network, _ = build_network({**values, "image_size": size}, num_classes + 1)
        random = np.random.default_rng(number)
        for variable in network.weights:
            near_one = "variance" in variable.path or "gamma" in variable.path
            scale = 0.1 if near_one or len(variable.shape) < 2 else 1.5 / np.sqrt(np.prod(variable.shape[:-1]))
            drawn = random.normal(0, scale, variable.shape)
            variable.assign(1 + np.abs(drawn) if near_one else drawn)
        _balance(network, size)
        name = f"finals/member{number}.weights.h5"
        (directory / "finals").mkdir(parents=True, exist_ok=True)
        network.save_weights(directory / name)
        members.append(Member(candidate=f"c{number}", hyperparameters=values, fold=number, seed=0, weights=name))
    return members


def _balance(network: Any, size: int) -> None:
    """Shifts the last bias so that every class is found somewhere in the photographs."""
    squares = np.stack([letterbox(picture, size) for picture in photographs()]).astype(np.float32)
    probabilities = np.asarray(network(squares, training=False)).clip(1e-6, 1 - 1e-6)
    logits = np.log(probabilities) - (np.log(1 - probabilities) if probabilities.shape[-1] == 1 else 0)
    bias = network.weights[-1]
    assert bias.shape == probabilities.shape[-1:]
    bias.assign(bias.numpy() - np.median(logits, axis=(0, 1, 2)))


def made_run(root: Path, classes: Sequence[str] = ("damage",)) -> Path:
    """A run's folder with the records of `tests.report.runs`, without a model."""
    run = runs.full_run(root / "results" / "made-up", classes)
    with RunStore.create(Path(run.directory)) as store:
        for record in (run.record, run.environment, run.dataset, run.audit, run.split):
            store.write(record)
        store.write_experiment(run.experiment)
        for evaluation in run.evaluations:
            store.append(evaluation)
    return Path(run.directory)


def write_pixels(root: Path, sizes: Sequence[int], num_classes: int = 1) -> tuple[Path, tuple[str, ...]]:
    """A pixel cache of `photographs` at `sizes`, and the ids of its images."""
    pictures = photographs()
    ids = tuple(f"test{number:02d}.jpg" for number in range(len(pictures)))
    for size in sizes:
        folder = root / "pixels" / str(size)
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "images.npy", np.stack([letterbox(picture, size) for picture in pictures]))
        masks = [letterbox_mask(truth_of(picture, num_classes), size) for picture in pictures]
        np.save(folder / "masks.npy", np.stack(masks))
        np.save(folder / "valid.npy", np.stack([valid_area(*picture.shape[:2], size) for picture in pictures]))
        (folder / "ids.json").write_text(json.dumps({"ids": list(ids), "fingerprint": "made up"}))
    return root / "pixels", ids


def record_of(members: Sequence[Member], size: int, **changed: object) -> DeliveryRecord:
    record = DeliveryRecord(
        members=tuple(members), image_size=size, flips=True, threshold=0.5, smallest_object=0.002, rule="all of them"
    )
    return replace(record, **changed)  # type: ignore[arg-type]
