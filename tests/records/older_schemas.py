"""A run as versions 1 and 2 of the schema had it: the fields of the first reference run (trials alone), and of the one
after it (a final evaluation on folds), with four images in place of sixty."""

import json
from pathlib import Path
from typing import Any

from bench.records.durable import append_line

IMAGES = [f"images/panel_{number:03d}.jpg" for number in range(6)]
TRAIN, VAL, TEST = IMAGES[:3], IMAGES[3:4], IMAGES[4:]
FOLDS = [IMAGES[:2], IMAGES[2:4]]
DEFAULT = {
    "architecture": "unet", "backbone": "mobilenetv2", "encoder_weights": "none", "loss": "bce_dice",
    "augmentation": 0.5, "image_size": 96, "batch_size": 8, "optimizer": "adam", "learning_rate": 0.001,
    "schedule": "cosine", "weight_decay": 0.0,
}  # fmt: skip
PLAIN = {name: value for name, value in DEFAULT.items() if name not in ("backbone", "encoder_weights")} | {
    "architecture": "plain_unet", "loss": "bce", "schedule": "constant"
}  # fmt: skip
STARTED_AT = "2026-11-24T09:59:13+00:00"


def counts(found: int) -> list[dict[str, int]]:
    """Of an image of 100 pixels, 10 of them damage, of which `found` were found and nothing else."""
    missed = 10 - found
    return [{"tp": 90, "fp": missed, "fn": 0, "tn": found}, {"tp": found, "fp": 0, "fn": missed, "tn": 90}]


def single_records() -> dict[str, dict[str, Any]]:
    study = {"study_id": "random-seed0", "tuner": "random", "seed": 0, "ended": "trials", "wall_s": 484.7}
    return {
        "run.json": {
            "name": "reference", "command": "python -m bench run --name reference", "started_at": STARTED_AT,
            "status": "finished", "wall_s": 498.3, "studies": [study],
        },
        "environment.json": {
            "versions": {"segbench": "0.1.0", "keras": "3.15.1"}, "python": "3.11.7", "platform": "Linux-x86_64",
            "device": "CPU: 2 cores, AMD EPYC", "cores": 2, "memory_bytes": 25276063744, "commit": "fdb388401e59",
        },
        "dataset.json": {
            "name": "sample", "path": "sample", "format": "folders", "classes": ["foreground"],
            "fingerprint": "3e5203fb", "num_images": 6, "skipped": [],
        },
        "audit.json": {
            "images": [
                {"id": name, "split": None, "width": 10, "height": 10, "foreground_share": [0.1]} for name in IMAGES
            ],
            "findings": [], "twin_groups": [], "background_accuracy": {"all": 0.9},
        },
        "split.json": {
            "train": TRAIN, "val": VAL, "test": TEST, "excluded": {}, "rule": "test is 20% of the images",
            "fingerprint": "8eb84ee1",
        },
    }  # fmt: skip


def trial() -> dict[str, Any]:
    curve = [{"epoch": 1, "train_loss": 1.7, "val_loss": 1.5, "val_iou": 0.2, "elapsed_s": 13.3}]
    return {
        "study_id": "random-seed0", "trial_id": "0000", "status": "COMPLETED", "hyperparameters": DEFAULT, "seed": 0,
        "val_metrics": {"iou": 0.2, "dice": 1 / 3, "precision": 1.0, "recall": 0.2, "pixel_accuracy": 0.92},
        "curve": curve, "epochs_planned": 16, "epochs_run": 16, "best_epoch": 16, "num_params": 8047441,
        "graph_reused": False, "build_s": 2.2, "reset_s": 0.4, "first_step_s": 6.1, "train_s": 33.3, "evaluate_s": 10.5,
        "input_wait_s": 0.2, "wall_s": 53.7, "latency_s": 0.017, "peak_memory_bytes": 1485627392,
        "started_at": "2026-11-24T09:59:20+00:00", "attempts": 1, "error": None,
    }  # fmt: skip


def evaluation(**whose: Any) -> dict[str, Any]:
    return {"study_id": None, "trial_id": None, "reference": None, "split": "val", "seed": 0} | whose


def training(contestant: str, hyperparameters: dict[str, Any], fold: int, found: int) -> dict[str, Any]:
    return {
        "contestant": contestant, "hyperparameters": hyperparameters, "fold": fold, "seed": 0, "status": "COMPLETED",
        "out_of_fold": {name: counts(found) for name in FOLDS[fold]}, "test": {name: counts(found) for name in TEST},
        "epochs_run": 16, "num_params": 8047441, "latency_s": 0.36, "peak_memory_bytes": 2753449984, "train_s": 25.4,
        "wall_s": 28.1, "started_at": "2026-11-24T13:25:09+00:00", "attempts": 1, "error": None,
    }  # fmt: skip


def contestants() -> list[dict[str, Any]]:
    nothing = {"study_id": None, "trial_id": None, "search_iou": None}
    found = {"study_id": "random-seed0", "trial_id": "0000", "search_iou": 0.2}
    return [
        {"name": "finalist 1", "roles": ["finalist", "default recipe"], "hyperparameters": DEFAULT, **found},
        {"name": "origin's recipe", "roles": ["origin's recipe"], "hyperparameters": PLAIN, **nothing},
    ]


def experiment() -> dict[str, Any]:
    space = {name: [value] for name, value in DEFAULT.items()}
    protocol = {
        "epochs": 16, "max_steps_per_epoch": 20, "val_share": 0.2, "test_share": 0.2, "split_seed": 0, "threshold": 0.5,
        "evaluation_size": None, "keep_models": 3, "batch_norm": "reestimate", "precision": "auto",
    }  # fmt: skip
    return {
        "name": "reference", "space": space, "data": {"path": "sample"}, "tuners": ["random"], "seeds": [0],
        "trials": 1, "budget": None, "workers": None, "retries": 1, "protocol": protocol,
    }  # fmt: skip


def write_run(directory: Path, *, with_finals: bool, schema_version: int = 1) -> Path:
    """`results/reference` of then; of version 2, which had other names and roles and the same fields, too."""
    directory.mkdir(parents=True)
    single = single_records()
    lines = {
        "proposals.jsonl": [{"study_id": "random-seed0", "trial_id": "0000", "hyperparameters": DEFAULT, "after": 0}],
        "trials.jsonl": [trial()],
        "evaluations.jsonl": [
            evaluation(reference="predict_nothing", counts={name: counts(0) for name in VAL}),
            evaluation(study_id="random-seed0", trial_id="0000", counts={name: counts(2) for name in VAL}),
        ],
    }
    if with_finals:
        single["split.json"] |= {"folds": FOLDS, "folds_rule": "2 folds of the images that are not locked"}
        single["finals.json"] = {
            "contestants": contestants(), "folds": 2, "seeds": [0], "epochs": 16, "rule": "the whole protocol",
        }  # fmt: skip
        lines["trainings.jsonl"] = [
            training(each["name"], each["hyperparameters"], fold, found)
            for each, found in zip(contestants(), (6, 3), strict=True)
            for fold in (0, 1)
        ]
    for name, content in single.items():
        text = _worded(json.dumps({"schema_version": schema_version, **content}, indent=1), schema_version)
        (directory / name).write_text(text, encoding="utf-8")
    (directory / "experiment.json").write_text(json.dumps(experiment()), encoding="utf-8")
    for name, records in lines.items():
        for record in records:
            text = _worded(json.dumps({"schema_version": schema_version, **record}), schema_version)
            append_line(directory / name, text.encode())
    return directory


def _worded(text: str, schema_version: int) -> str:
    if schema_version == 1:
        return text
    return text.replace("default recipe", "default configuration").replace("origin's recipe", "original baseline")
