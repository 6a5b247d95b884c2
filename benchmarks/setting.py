"""What the benchmarks share: data and the setup of a worker, and the hyperparameters of a trial."""

from pathlib import Path
from typing import Any

from bench.datasets.sample import write_sample_set
from bench.engine.spec import TrialSetup
from bench.experiments import SAMPLE, Data, Protocol
from bench.progress import PlainProgress
from bench.run.setup import prepare

SAMPLE_IMAGES = 80
"""Of the sample set that is drawn for a benchmark: enough for 49 of them to train."""


def worker_setup(
    data: str,
    size: int,
    scratch: Path,
    *,
    epochs: int,
    train_images: int | None = None,
    steps_per_epoch: int = 6,
    batch_norm: str = "reestimate",
) -> TrialSetup:
    """Reads `data` ("sample": the drawn set), writes its pixels below `scratch` and cuts the training part to
    `train_images`."""
    path = data
    if data == SAMPLE:
        path = str(scratch / SAMPLE)
        write_sample_set(Path(path), num_images=SAMPLE_IMAGES)
    protocol = Protocol(steps=epochs * steps_per_epoch, steps_per_epoch=steps_per_epoch, batch_norm=batch_norm)
    material = prepare(Data(path=path), protocol, [size], scratch, PlainProgress(print))
    return TrialSetup(
        cache_directory=material.cache_directory,
        train_ids=material.split.train[:train_images],
        val_ids=material.split.val,
        classes=material.dataset.classes,
        evaluation_size=size,
        threshold=protocol.threshold,
        steps_per_epoch=steps_per_epoch,
        batch_norm=protocol.batch_norm,
    )


def hyperparameters(architecture: str, backbone: str | None, size: int, **changed: Any) -> dict[str, Any]:
    """All that a trial chooses, plain where `changed` does not say otherwise."""
    network = {"architecture": architecture} | ({"backbone": backbone, "encoder_weights": "none"} if backbone else {})
    return network | {
        "loss": "bce_dice",
        "augmentation": 0.5,
        "image_size": size,
        "batch_size": 8,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "schedule": "constant",
        "weight_decay": 0.0,
        **changed,
    }
