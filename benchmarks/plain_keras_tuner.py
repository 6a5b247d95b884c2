"""The other side of trial_engine.py: the same trials through plain Keras Tuner, in a process that waits for each of
them.

`PlainTuner` is Keras Tuner's own `Hyperband.run_trial` with its defaults (a new model a trial, `model.fit`,
`SaveBestEpoch`). Only the progress bar is off.
"""

import multiprocessing
import os
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.engine.spec import TrialSetup, TrialSpec
from search_spaces.space import Space


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainOutcome:
    """What a trial's `model.fit` reported, epoch by epoch."""

    train_loss: tuple[float, ...]
    val_iou: tuple[float, ...]


class PlainWorker:
    """The parent's half. Ready for the first trial when it is constructed; use as a context manager."""

    def __init__(self, setup: TrialSetup, space: Space, directory: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, setup, space, directory), daemon=True)
        self._process.start()
        theirs.close()
        self._receive()

    def __enter__(self) -> "PlainWorker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def run(self, spec: TrialSpec) -> PlainOutcome:
        """Trains one trial; over when the tuner has saved everything and asks for the next."""
        self._connection.send(dict(spec.hyperparameters) | {"tuner/epochs": spec.epochs, "tuner/initial_epoch": 0})
        return self._receive()

    def _receive(self) -> Any:
        answer = self._connection.recv()
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer


def _serve(connection: Connection, setup: TrialSetup, space: Space, directory: Path) -> None:
    directory.mkdir(parents=True)
    with (directory / "tuner.log").open("ab", buffering=0) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    try:
        _search(connection, setup, space, directory)
    except Exception:
        connection.send(traceback.format_exc())
        raise


def _search(connection: Connection, setup: TrialSetup, space: Space, directory: Path) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import cv2
    import keras
    import keras_tuner as kt

    from bench.datasets.cache import open_cache
    from bench.engine.training.batches import TrainingBatches, TrainingPlan
    from search_spaces.segmentation import SegmentationHyperModel

    cv2.setNumThreads(1)  # as in the engine's worker
    (size,) = space.image_size
    pixels = open_cache(setup.cache_directory, size)
    rows = pixels.rows(setup.val_ids)
    validation = pixels.images[rows], pixels.masks[rows][..., None].astype("float32")

    class HyperModel(SegmentationHyperModel):
        """The engine's models and batches, trained by Keras."""

        outcome: PlainOutcome | None = None

        def build(self, hp: kt.HyperParameters) -> keras.Model:
            model = super().build(hp)
            iou = keras.metrics.BinaryIoU(target_class_ids=[1], threshold=setup.threshold, name="iou")
            model.compile(optimizer=model.optimizer, loss=model.loss, metrics=[iou])
            return model

        def fit(self, hp: kt.HyperParameters, model: keras.Model, **settings: Any) -> Any:
            plan = TrainingPlan(
                num_images=len(setup.train_ids),
                batch_size=hp.values["batch_size"],
                steps_per_epoch=setup.steps_per_epoch,
                seed=0,
            )
            steps = plan.steps_per_epoch
            batches = TrainingBatches(pixels, setup.train_ids, plan, hp.values["augmentation"])
            history = model.fit(
                (
                    (images, masks[..., None].astype("float32"))
                    for images, masks in batches.steps(settings["epochs"] * steps)
                ),
                steps_per_epoch=steps,
                validation_data=validation,
                validation_batch_size=hp.values["batch_size"],
                verbose=0,
                **settings,
            )
            self.outcome = PlainOutcome(
                train_loss=tuple(history.history["loss"]), val_iou=tuple(history.history["val_iou"])
            )
            return history

    hypermodel = HyperModel(space, setup.num_classes)

    class HandedOut(kt.Oracle):
        """Proposes what comes through the pipe, after saying what became of the last."""

        def populate_space(self, trial_id: str) -> dict[str, Any]:
            failed = next((t.message for t in self.trials.values() if t.status in ("FAILED", "INVALID")), None)
            connection.send(failed or hypermodel.outcome)
            return {"status": "RUNNING", "values": connection.recv()}

    class PlainTuner(kt.Hyperband):
        """Keras Tuner's Hyperband on the oracle that it is given."""

        def __init__(self, **settings: Any) -> None:
            kt.Tuner.__init__(self, **settings)

    oracle = HandedOut(objective=kt.Objective("val_iou", "max"), max_trials=99)
    PlainTuner(oracle=oracle, hypermodel=hypermodel, directory=directory, project_name="plain", overwrite=True).search()
