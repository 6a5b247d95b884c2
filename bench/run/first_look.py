"""What a run knows of its data before anything trains. It is computed while the workers import TensorFlow."""

from dataclasses import dataclass

import numpy as np

from bench.baselines import evaluate_baselines
from bench.records import Evaluation
from bench.run.setup import PreparedData, augmentation_images, validation_images


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLook:
    """Arrays of the report's images, and the scores of the baselines, which need no training."""

    validation: dict[str, np.ndarray]
    augmentation: dict[str, np.ndarray]
    baselines: tuple[Evaluation, ...]


def first_look(prepared: PreparedData, seed: int) -> FirstLook:
    """`seed` is that of augmentation and of the baselines."""
    split = prepared.split
    baselines = evaluate_baselines(
        prepared.pixels(),
        train_ids=split.train,
        parts={"val": split.val, "test": split.test},
        num_classes=len(prepared.dataset.classes) + 1,
        seed=seed,
    )
    return FirstLook(
        validation=validation_images(prepared),
        augmentation=augmentation_images(prepared, seed),
        baselines=tuple(baselines),
    )
