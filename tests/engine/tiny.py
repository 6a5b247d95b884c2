"""Trials that take a moment: ten small pictures of bright squares, and specs to train on them."""

import json
from pathlib import Path

import numpy as np

from bench.engine.spec import TrialSetup, TrialSpec

SIZE, COUNT = 32, 10
IDS = tuple(f"image{number}" for number in range(COUNT))


def make_setup(root: Path) -> TrialSetup:
    """Bright squares on dark ground, and masks of them, as `write_cache` lays pixels out below `root`."""
    rng = np.random.default_rng(0)
    masks = np.zeros((COUNT, SIZE, SIZE), np.uint8)
    for number in range(COUNT):
        top, left = rng.integers(0, SIZE - 12, 2)
        masks[number, top : top + 12, left : left + 12] = 1
    images = (rng.integers(0, 60, (COUNT, SIZE, SIZE, 1)) + 180 * masks[..., None]).repeat(3, axis=3).astype(np.uint8)
    folder = root / "pixels" / str(SIZE)
    folder.mkdir(parents=True)
    for name, array in {"images": images, "masks": masks, "valid": np.ones_like(masks, bool)}.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "ids.json").write_text(json.dumps({"ids": list(IDS), "fingerprint": "made up"}))
    return TrialSetup(
        cache_directory=root / "pixels",
        train_ids=IDS[:7],
        val_ids=IDS[7:],
        classes=("square",),
        evaluation_size=SIZE,
        threshold=0.5,
        steps_per_epoch=4,
        batch_norm="reestimate",
        folds=(IDS[:4], IDS[4:8]),
        test_ids=IDS[8:],
        stratified_order=tuple((name,) for name in IDS[:8]),
    )


def spec(
    trial_id: str = "0",
    *,
    epochs: int = 2,
    fold: int | None = None,
    **changed: object,
):
    values = {
        "architecture": "plain_unet",
        "loss": "bce_dice",
        "augmentation": 0.5,
        "image_size": SIZE,
        "batch_size": 2,
        "optimizer": "adam",
        "schedule": "constant",
        "learning_rate": 3e-3,
        "weight_decay": 0.0,
    } | changed
    return TrialSpec(study_id="study", trial_id=trial_id, hyperparameters=values, seed=0, epochs=epochs, fold=fold)
