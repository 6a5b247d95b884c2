"""The peer of anytime.py that runs in an interpreter with nnU-Net v2: its 2d configuration, planned, preprocessed and
trained within the budget.

    python anytime_nnunet.py FOLDER SETTINGS

FOLDER/pixels.npz holds images and masks (of the locked images none). nnU-Net extracts its fingerprint, plans for a GPU
of `MEMORY_GB` (its planner's own option: batches of its default of 8 GB are meant for a GPU) and preprocesses. Then its
own trainer trains on all development images (`fold all`) with its own augmentation, loss, optimiser and schedule; only
the number of epochs and of iterations in each is fitted to the time that is left, by a few measured iterations.
Probabilities of the locked images, by its own predictor with mirroring, go to FOLDER/probabilities.npy. Prints one JSON
object.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MEMORY_GB = 1.0
PROBE_ITERATIONS = 3
"""The first sets things up, the others are measured."""

MARGIN, CLOSING_S, PREDICTION_SHARE = 1.1, 5.0, 0.05
"""An iteration is planned to take so much longer than it was measured to; what is left for the end, and of the rest for
predicting."""

EPOCHS, MOST_ITERATIONS = 25, 250
"""nnU-Net's schedule goes from epoch to epoch: at least so many, where there are as many iterations; its own epochs
have at most 250."""

VOID = 255


def main() -> None:
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    for name in ("raw", "preprocessed", "results"):
        (folder / name).mkdir()
        os.environ[f"nnUNet_{name}"] = str(folder / name)
    os.environ |= {"nnUNet_compile": "f", "nnUNet_n_proc_DA": "1"}
    ends_at = settings["ends_at"] - CLOSING_S
    with np.load(folder / "pixels.npz") as arrays:
        images = np.concatenate([arrays["train/images"], arrays["val/images"]])
        masks = np.concatenate([arrays["train/masks"], arrays["val/masks"]])
        locked = arrays["test/images"]
    write_dataset(folder / "raw" / "Dataset001_set", images, masks, settings["num_classes"])
    plans, description = planned(folder / "preprocessed" / "Dataset001_set")
    step_s = seconds_of_an_iteration(plans, description, settings["seed"])
    left_s = (ends_at - time.time()) * (1 - PREDICTION_SHARE)
    iterations = max(1, int(left_s / (MARGIN * step_s)))
    each = max(1, min(MOST_ITERATIONS, iterations // EPOCHS))
    trainer = trained(plans, description, settings["seed"], epochs=max(1, iterations // each), iterations=each)
    np.save(folder / "probabilities.npy", probabilities(trainer, locked, settings["num_classes"]))
    batch = trainer.configuration_manager.batch_size
    print(json.dumps({"steps": trainer.num_epochs * each, "batch_size": batch, "step_s": step_s}))


def write_dataset(folder: Path, images: np.ndarray, masks: np.ndarray, num_classes: int) -> None:
    """As nnU-Net reads it; what counts for nothing is its ignore label."""
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        Image.fromarray(image).save(folder / "imagesTr" / f"case{number:04}_0000.png")
        known = np.where(mask == VOID, num_classes, mask).astype(np.uint8)
        Image.fromarray(known).save(folder / "labelsTr" / f"case{number:04}.png")
    labels = {"background": 0} | {f"class{number}": number for number in range(1, num_classes)}
    content = {
        "channel_names": {"0": "R", "1": "G", "2": "B"},
        "labels": labels | ({"ignore": num_classes} if (masks == VOID).any() else {}),
        "numTraining": len(images),
        "file_ending": ".png",
    }
    (folder / "dataset.json").write_text(json.dumps(content))


def planned(preprocessed: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """nnU-Net's plans and dataset.json, after preprocessing."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess

    cores = os.cpu_count() or 1
    extract_fingerprints([1], num_processes=cores, check_dataset_integrity=False, verbose=False)
    plan_experiments([1], gpu_memory_target_in_gb=MEMORY_GB)
    preprocess([1], configurations=["2d"], num_processes=[cores], verbose=False)
    plans, description = (preprocessed / name for name in ("nnUNetPlans.json", "dataset.json"))
    return json.loads(plans.read_text()), json.loads(description.read_text())


def trainer_of(plans: dict[str, Any], description: dict[str, Any], seed: int, epochs: int, iterations: int) -> Any:
    """nnU-Net's own trainer, of another length: its schedule is made when it begins."""
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002  nnU-Net draws from it
    device = torch.device("cpu")
    trainer = nnUNetTrainer(plans=plans, configuration="2d", fold="all", dataset_json=description, device=device)
    trainer.num_epochs, trainer.num_iterations_per_epoch = epochs, iterations
    trainer.num_val_iterations_per_epoch = 1  # nothing is chosen by it
    trainer.disable_checkpointing = True
    return trainer


def seconds_of_an_iteration(plans: dict[str, Any], description: dict[str, Any], seed: int) -> float:
    trainer = trainer_of(plans, description, seed, epochs=1, iterations=1)
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    took = []
    for _ in range(PROBE_ITERATIONS):
        began = time.perf_counter()
        trainer.train_step(next(trainer.dataloader_train))
        took.append(time.perf_counter() - began)
    for loader in (trainer.dataloader_train, trainer.dataloader_val):
        finish = getattr(loader, "_finish", None)
        if finish is not None:
            finish()
    return float(np.mean(took[1:]))


def trained(plans: dict[str, Any], description: dict[str, Any], seed: int, *, epochs: int, iterations: int) -> Any:
    trainer = trainer_of(plans, description, seed, epochs, iterations)
    trainer.run_training()
    return trainer


def probabilities(trainer: Any, images: np.ndarray, num_classes: int) -> np.ndarray:
    """Of uint8 [N, S, S, 3], float32 [N, S, S, channels], by its own predictor."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    trainer.set_deep_supervision_enabled(False)
    predictor = nnUNetPredictor(use_mirroring=True, device=torch.device("cpu"), allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [trainer.network.state_dict()],
        trainer.dataset_json,
        type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )
    found = []
    for image in images:
        channels = image.transpose(2, 0, 1)[:, None].astype(np.float32)
        _, values = predictor.predict_single_npy_array(channels, {"spacing": [999, 1, 1]}, None, None, True)
        shown = np.asarray(values)[1:2] if num_classes == 2 else np.asarray(values)[:num_classes]
        found.append(shown[:, 0].transpose(1, 2, 0))
    return np.stack(found).astype(np.float32)


if __name__ == "__main__":
    main()
