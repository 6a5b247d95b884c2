"""One run of a peer of anytime.py: other uses of the same minutes, images and encoder weights.

    python benchmarks/anytime_peers.py TOOL DATA SECONDS SEED [PYTHON]

The seconds count from the start of this process. Nothing is trained or chosen on a held-out image. Prints one JSON
object: the counts of the held-out images.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from counted_lines import pooled_iou, told

from bench.datasets.cache import CachedPixels, open_cache
from bench.engine.spec import TrialSetup, TrialSpec
from bench.engine.training.batches import PROBE_STEPS
from bench.engine.worker import TrialWorker
from bench.evaluation.counting import confusion_of, counts_of
from bench.evaluation.ensemble import at_size
from bench.evaluation.postprocess import class_ids
from bench.experiments import load_experiment, override
from bench.progress import PlainProgress
from bench.records import ClassCounts
from bench.run.setup import PreparedData, prepare
from search_spaces.portfolio import portfolio
from search_spaces.space import Space

SIZE = 192
"""Pixels, of the peers that do not choose a size: the default configuration's."""

CLOSING_S = 10.0
"""What a run leaves of its budget for its end."""

SEARCH_SHARE = 1 / 3
"""Of a budget, for a search before its best is trained again."""

TRIAL_STEPS = 100
"""Of a trial of random search and of a network of an ensemble: the shortest training that this project compares."""

MOST_NETWORKS = 5
MARGIN = 1.1
"""A training is planned to take so much longer than its first steps say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A set, decoded, and what a peer may do with it until `deadline` (monotonic seconds)."""

    material: PreparedData
    setup: TrialSetup
    space: Space
    seed: int
    deadline: float
    scratch: Path

    @property
    def left_s(self) -> float:
        return self.deadline - time.monotonic()

    @property
    def development(self) -> tuple[str, ...]:
        return tuple(sorted({*self.material.split.train, *self.material.split.val}))

    @property
    def num_classes(self) -> int:
        return self.setup.num_classes

    def trained_on(self, train: Sequence[str], scored: Sequence[str]) -> TrialSetup:
        """A setup with `scored` as fold 0, and a second fold that trains: such a training does not see fold 0 before
        its end."""
        return replace(self.setup, folds=(tuple(scored), tuple(train)), test_ids=tuple(scored[:1]))

    def pixels_at(self, size: int) -> CachedPixels:
        return open_cache(self.material.cache_directory, size)

    def counts(self, probabilities: np.ndarray) -> dict[str, tuple[ClassCounts, ...]]:
        """Counts of the held-out images, from `probabilities` float [N, S, S, channels], enlarged to the evaluation
        size as in the engine."""
        pixels, ids = self.material.pixels(), self.material.split.test
        found = {}
        for name, row, values in zip(ids, pixels.rows(ids), probabilities, strict=True):
            mask = class_ids(at_size(values.astype(np.float32), self.material.evaluation_size), 0.5)
            found[name] = counts_of(confusion_of(pixels.masks[row], mask, pixels.valid[row], self.num_classes))
        return found


def default(task: Task) -> dict[str, Any]:
    return _one_long_training(task, portfolio(task.space)[0])


def seeds(task: Task) -> dict[str, Any]:
    """As many networks as there is time for, up to `MOST_NETWORKS`; then longer ones."""
    recipe, locked = portfolio(task.space)[0], task.material.split.test
    with TrialWorker(task.trained_on(task.development, locked), task.scratch / "worker.log") as worker:
        epochs = _epochs_left(worker, task, recipe)
        networks = min(MOST_NETWORKS, max(1, epochs * task.setup.steps_per_epoch // TRIAL_STEPS))
        length = max(1, epochs // networks)
        maps = [_maps(worker, _spec(recipe, task.seed + 1000 * number, length))[:, 1] for number in range(networks)]
    return {
        "probabilities": np.mean(maps, axis=0),
        "networks": networks,
        "steps": length * task.setup.steps_per_epoch,
    }


def random(task: Task) -> dict[str, Any]:
    """Independent draws, trained for `TRIAL_STEPS` each and compared on the validation images. The best is trained
    again on all development images."""
    import keras_tuner as kt

    from bench.tuners import ORACLES
    from bench.tuners.keras_tuner import ask
    from search_spaces.segmentation import SegmentationHyperModel

    hyperparameters = SegmentationHyperModel(task.space, task.num_classes).declare(kt.HyperParameters())
    oracle = ORACLES["random"].make(hyperparameters, task.seed, 1)
    until = time.monotonic() + SEARCH_SHARE * task.left_s
    best, values, trials = -1.0, portfolio(task.space)[0], 0
    split = task.material.split
    with TrialWorker(task.trained_on(split.train, split.val), task.scratch / "search.log") as worker:
        while (left_s := until - time.monotonic()) > 0:
            proposal = ask(oracle)
            epochs = TRIAL_STEPS // task.setup.steps_per_epoch
            outcome = worker.run(replace(_spec(proposal.values, task.seed, epochs), time_limit_s=1.5 * left_s))
            if outcome.scored is None:
                continue
            trials += 1
            score = pooled_iou(outcome.scored.counts)
            if score > best:
                best, values = score, dict(proposal.values)
    return _one_long_training(task, values) | {"trials": trials, "best_val_iou": best if trials else None}


def _one_long_training(task: Task, recipe: dict[str, Any]) -> dict[str, Any]:
    """Trained on all development images for the rest of the time. The model's output is the mean of the probabilities
    of an image and of its mirrored copy."""
    locked = task.material.split.test
    with TrialWorker(task.trained_on(task.development, locked), task.scratch / "worker.log") as worker:
        epochs = _epochs_left(worker, task, recipe)
        maps = _maps(worker, _spec(recipe, task.seed, epochs))
    plain = pooled_iou(task.counts(maps[:, 0]))
    steps = epochs * task.setup.steps_per_epoch
    return {"probabilities": maps[:, 1], "steps": steps, "recipe": recipe, "iou_unmirrored": plain}


def _spec(values: dict[str, Any], seed: int, epochs: int) -> TrialSpec:
    return TrialSpec(
        study_id="anytime", trial_id=f"{seed}-{epochs}", hyperparameters=values, seed=seed, epochs=epochs, fold=0
    )


def _epochs_left(worker: TrialWorker, task: Task, recipe: dict[str, Any]) -> int:
    """How many epochs of training there is time for, by a probe of six steps, of which the first compiles."""
    record = worker.run(replace(_spec(recipe, task.seed, PROBE_STEPS), probe=True)).record
    if record.error or not record.train_s:
        raise SystemExit(f"the probe failed: {record.error}")
    step_s = record.train_s / (record.epochs_run - 1)
    scoring_s = 2 * (record.evaluate_s or 0.0)  # the probe's own compiled, and mirrored copies come on top
    return max(1, int((task.left_s - scoring_s) / (MARGIN * step_s * task.setup.steps_per_epoch)))


def _maps(worker: TrialWorker, spec: TrialSpec) -> np.ndarray:
    """Probabilities of fold 0, float [N, 2, S, S, channels]: of each image, and the mean with its mirrored copy."""
    outcome = worker.run(spec)
    if outcome.scored is None or outcome.scored.maps is None:
        raise SystemExit(f"the training failed: {outcome.record.error}")
    if len(outcome.scored.maps.ids) < len(outcome.scored.counts):
        raise SystemExit(f"probabilities are kept of {len(outcome.scored.maps.ids)} images at the most")
    return outcome.scored.maps.values.astype(np.float32) / 255


def keras_tuner(task: Task) -> dict[str, Any]:
    """Hyperband as one would write it, stopped when the time is over; its best model as Keras Tuner hands it out."""
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as this project's workers do
    import keras
    import keras_tuner as kt

    from search_spaces.augmentations import augment
    from search_spaces.segmentation import SegmentationHyperModel

    pixels, split, num_classes = task.pixels_at(SIZE), task.material.split, task.num_classes

    def truth(masks: np.ndarray) -> np.ndarray:
        classes = np.arange(1, 2) if num_classes == 2 else np.arange(num_classes)
        return (masks[..., None] == classes).astype(np.float32)

    class Augmented(keras.utils.PyDataset):
        """Shuffled batches of the training images, another variant of each in every epoch."""

        def __init__(self, strength: float, batch_size: int) -> None:
            super().__init__()
            self.rows, self.strength, self.batch_size = pixels.rows(split.train), strength, batch_size
            self.epoch = 0
            self.on_epoch_end()

        def __len__(self) -> int:
            return max(1, len(self.rows) // self.batch_size)

        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            here = self.order[index * self.batch_size : (index + 1) * self.batch_size]
            settings = {"strength": self.strength, "seed": task.seed, "epoch": self.epoch}
            pairs = [augment(pixels.images[r], pixels.masks[r], **settings, image_id=str(r)) for r in here]
            images, masks = zip(*pairs, strict=True)
            return np.stack(images), truth(np.stack(masks))

        def on_epoch_end(self) -> None:
            self.epoch += 1
            self.order = np.random.default_rng((task.seed, self.epoch)).permutation(self.rows)

    class Plain(SegmentationHyperModel):
        def build(self, hp: kt.HyperParameters) -> keras.Model:
            model = super().build(hp)
            model.compile(
                model.optimizer,
                model.loss,
                metrics=[
                    keras.metrics.BinaryIoU([1], name="iou")
                    if num_classes == 2
                    else keras.metrics.OneHotIoU(num_classes, list(range(1, num_classes)), name="iou")
                ],
            )
            return model

        def fit(self, hp: kt.HyperParameters, model: keras.Model, **settings: Any) -> Any:
            return model.fit(Augmented(hp.get("augmentation"), hp.get("batch_size")), **settings)

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if task.left_s < CLOSING_S:
                raise kt.errors.FatalError("the budget is over")

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            self.on_train_batch_end(batch)

    space = task.space.model_copy(update={"image_size": (SIZE,)})
    objective = kt.Objective("val_iou", "max")
    tuner = kt.Hyperband(
        Plain(space, num_classes), objective, max_epochs=40, seed=task.seed + 1, directory=task.scratch / "tuner"
    )
    rows = pixels.rows(split.val)
    validation = pixels.images[rows], truth(pixels.masks[rows])
    with contextlib.suppress(kt.errors.FatalError):
        tuner.search(validation_data=validation, callbacks=[Stop()], verbose=0)
    model = tuner.get_best_models(1)[0]
    trials = len([trial for trial in tuner.oracle.trials.values() if trial.status == "COMPLETED"])
    found = model.predict(pixels.images[pixels.rows(split.test)], batch_size=8, verbose=0)
    return {"probabilities": found, "trials": trials}


def optuna_smp(task: Task, torch_python: str) -> dict[str, Any]:
    """anytime_torch.py in an interpreter that has PyTorch."""
    from search_spaces.encoders.packaged_weights import weights_file

    encoders = {name: str(weights_file(f"efficientnet_{name}")) for name in ("lite0", "lite1")}
    return _elsewhere(task, torch_python, "anytime_torch.py", search_share=SEARCH_SHARE, encoders=encoders)


def nnunet(task: Task, nnunet_python: str) -> dict[str, Any]:
    """anytime_nnunet.py in an interpreter that has nnU-Net v2. It begins from random weights, as nnU-Net does."""
    return _elsewhere(task, nnunet_python, "anytime_nnunet.py")


def _elsewhere(task: Task, python: str, script: str, **settings: Any) -> dict[str, Any]:
    """What a script beside this one finds in another interpreter, in the time that is left; it gets no truth of the
    locked images."""
    pixels, split = task.pixels_at(SIZE), task.material.split
    arrays = {"test/images": pixels.images[pixels.rows(split.test)]}
    for part, ids in (("train", split.train), ("val", split.val)):
        rows = pixels.rows(ids)
        arrays |= {f"{part}/images": pixels.images[rows], f"{part}/masks": pixels.class_ids(rows)}
        arrays[f"{part}/valid"] = pixels.valid[rows]
    np.savez(task.scratch / "pixels.npz", **arrays)
    common = {"num_classes": task.num_classes, "seed": task.seed, "ends_at": time.time() + task.left_s}
    command = [python, str(Path(__file__).with_name(script)), str(task.scratch), json.dumps(common | settings)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(ended.stderr.strip()[-300:])
    figures = json.loads(ended.stdout.splitlines()[-1])
    return {"probabilities": np.load(task.scratch / "probabilities.npy"), **figures}


PEERS: dict[str, Callable[..., dict[str, Any]]] = {
    "default": default,
    "seeds": seeds,
    "random": random,
    "keras_tuner": keras_tuner,
    "optuna_smp": optuna_smp,
    "nnunet": nnunet,
}
"""Name -> what runs it; its answer has `probabilities` of the locked images, float [N, S, S, channels]."""


def prepared(data: str, seed: int, deadline: float, scratch: Path) -> Task:
    """The set as `python -m bench run --data` has it: same parts, sizes and evaluation size."""
    experiment = override(load_experiment("transfer"), data=data)
    silent = PlainProgress(write=lambda line: None)
    space = experiment.space
    material = prepare(experiment.data, experiment.protocol, space.image_size, scratch, silent, views=space.view)
    experiment = material.resolved(experiment)
    setup = material.trial_setup(experiment.protocol)
    return Task(material=material, setup=setup, space=experiment.space, seed=seed, deadline=deadline, scratch=scratch)


def main() -> None:
    tool, data, seconds, seed, *python = sys.argv[1:]
    age_s = time.time() - psutil.Process().create_time()
    with tempfile.TemporaryDirectory() as folder:
        deadline = time.monotonic() - age_s + float(seconds) - CLOSING_S
        task = prepared(data, int(seed), deadline, Path(folder))
        result = PEERS[tool](task, *python)
        counts = task.counts(result.pop("probabilities"))
    print(json.dumps({"counts": told(counts), **result}))


if __name__ == "__main__":
    main()
