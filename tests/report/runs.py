"""A made-up run that looks like a real one: two tuners, failures, pruned trials, missing values, pictures on disk.

Everything follows from the arguments, so that a test can say what the report must show.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bench.evaluation.metrics import pool, summarise
from bench.records import (
    COMPLETED,
    FAILED,
    STOPPED,
    AuditRecord,
    ClassCounts,
    DatasetRecord,
    Environment,
    EpochRecord,
    Evaluation,
    Finding,
    ImageFacts,
    Run,
    RunRecord,
    SplitRecord,
    StudyRecord,
    TrialRecord,
)
from bench.records.store import RunStore

START = datetime(2025, 3, 1, 9, 0, tzinfo=UTC)
ARCHITECTURES = ("unet", "linknet", "fpn", "plain_unet")
BACKBONES = ("resnet18", "mobilenetv2", "efficientnetb0")
LOSSES = ("bce_dice", "focal_dice", "tversky")
PARAMETERS = {"resnet18": 14_340_000, "mobilenetv2": 8_050_000, "efficientnetb0": 10_100_000, None: 1_940_000}
FAILURES = (
    "ResourceExhaustedError: OOM when allocating tensor with shape[8,256,192,192] | device: CPU:0",
    'Traceback (most recent call last):\n  File "worker.py", line 12, in fit\nValueError: loss is NaN at step 3',
    "the worker process died (signal 11) " + "while building the model " * 30,
)


def trial(
    number: int,
    iou: float | None,
    *,
    study_id: str = "random-s1",
    status: str = COMPLETED,
    hyperparameters: Mapping[str, str | int | float | bool] | None = None,
    error: str | None = None,
    classes: Sequence[str] = ("damage",),
    epochs: int = 12,
    planned: int | None = None,
    **facts: object,
) -> TrialRecord:
    """One trial with metrics that fit together: Dice follows from IoU, precision lies above recall."""
    metrics: dict[str, float | None] = {}
    if iou is not None:
        dice = 2 * iou / (1 + iou)
        metrics = {
            "iou": iou,
            "dice": dice,
            "precision": min(1.0, 1.1 * dice),
            "recall": 0.9 * dice,
            "pixel_accuracy": 0.94,
        }
        if len(classes) > 1:
            metrics |= {
                f"iou_{name}": iou * factor for name, factor in zip(classes, (1.2, 1.0, 0.8, 0.6), strict=False)
            }
    curve = tuple(
        EpochRecord(
            epoch=e,
            train_loss=1 / e,
            val_loss=1.2 / e,
            val_iou=iou * (1 - 0.7**e) / (1 - 0.7**epochs),
            elapsed_s=4.0 * e,
        )
        for e in range(1, epochs + 1)
        if iou is not None
    )
    known = {"train_s": 41.0, "wall_s": 60.0, "num_params": 14_340_000, "latency_s": 0.031, "best_epoch": epochs}
    return TrialRecord(
        study_id=study_id,
        trial_id=f"{number:04d}",
        status=status,
        hyperparameters=hyperparameters if hyperparameters is not None else configuration(number),
        seed=1,
        val_metrics=metrics,
        curve=curve,
        epochs_planned=planned or epochs,
        epochs_run=len(curve),
        started_at=(START + timedelta(minutes=number)).isoformat(),
        error=error,
        **(known | facts),
    )


def configuration(number: int) -> dict[str, str | int | float | bool]:
    """A configuration that walks through every factor; plain_unet has no backbone."""
    architecture = ARCHITECTURES[(number * 3) % 4]
    chosen: dict[str, str | int | float | bool] = {"architecture": architecture}
    if architecture != "plain_unet":
        chosen |= {"backbone": BACKBONES[number % 3], "encoder_weights": "imagenet" if number % 4 else "none"}
    return chosen | {
        "loss": LOSSES[(number * 2 + number // 5) % 3],
        "augmentation": (0.0, 0.2, 0.45, 0.9)[number % 4],
        "image_size": (96, 192)[number % 2],
        "batch_size": 8,
        "optimizer": ("adam", "sgd")[number % 3 == 0],
        "learning_rate": 10.0 ** (-4 + (number * 7 % 20) / 10),
        "weight_decay": 1e-5,
    }


def counts(iou: float, *, foreground: int = 1000, pixels: int = 10_000) -> tuple[ClassCounts, ClassCounts]:
    """Counts of one image and one class with this IoU, as many false alarms as misses; IoU 0 predicts nothing."""
    tp = round(2 * foreground * iou / (1 + iou))
    fn = foreground - tp
    fp = fn if iou else 0
    tn = pixels - tp - fn - fp
    return ClassCounts(tp=tn, fp=fn, fn=fp, tn=tp), ClassCounts(tp=tp, fp=fp, fn=fn, tn=tn)


def evaluation(split: str, ious: Mapping[str, float], *, trial: TrialRecord | None = None, reference: str | None = None,
               num_classes: int = 1) -> Evaluation:  # fmt: skip
    return Evaluation(
        study_id=trial.study_id if trial else None,
        trial_id=trial.trial_id if trial else None,
        reference=reference,
        split=split,
        seed=1,
        counts={id: (counts(iou)[0], *[counts(iou)[1]] * num_classes) for id, iou in ious.items()},
    )


def run(
    directory: Path | str = "results/made-up",
    *,
    trials: Sequence[TrialRecord] = (),
    evaluations: Sequence[Evaluation] = (),
    classes: Sequence[str] = ("damage",),
    name: str = "made-up",
    tuners: Sequence[str] = ("random", "hyperband"),
    findings: Sequence[Finding] = (),
    excluded: Mapping[str, str] | None = None,
) -> Run:
    parts = {"train": 30, "val": 12, "test": 12}
    ids = {part: tuple(f"{part}{index:02d}.jpg" for index in range(size)) for part, size in parts.items()}
    random = np.random.default_rng(7)
    images = tuple(
        ImageFacts(
            id=id, split=None, width=640, height=480,
            foreground_share=tuple(float(share) for share in random.beta(1.2, 14, len(classes))),
        )
        for id in sum(ids.values(), ())
    )  # fmt: skip
    studies = tuple(
        StudyRecord(study_id=f"{tuner}-s1", tuner=tuner, seed=1, ended="budget", wall_s=900.0) for tuner in tuners
    )
    return Run(
        directory=str(directory),
        record=RunRecord(
            name=name, command="python -m bench run car-damage --minutes 30", started_at=START.isoformat(),
            status="finished", wall_s=1860.0, studies=studies,
        ),
        experiment={
            "dataset": "data/car-damage",
            "tuners": list(tuners),
            "protocol": {"steps": 240, "steps_per_epoch": 20, "batch_norm": "re-estimated", "threshold": 0.5,
                         "evaluation_size": 192},
        },
        environment=Environment(
            versions={"tensorflow-cpu": "2.21.0", "keras": "3.15.1", "keras-tuner": "1.4.8", "numpy": "2.4.6"},
            python="3.11.7", platform="Linux x86_64", device="CPU: a made-up processor, 2 cores", cores=2,
            memory_bytes=8 * 2**30, commit="52fd409",
        ),
        dataset=DatasetRecord(
            name="car-damage", path="data/car-damage", format="via", classes=tuple(classes), fingerprint="ab" * 32,
            num_images=len(images),
        ),
        audit=AuditRecord(
            images=images, findings=tuple(findings), twin_groups=(("val03.jpg", "train07.jpg"),),
            background_accuracy={"train": 0.9312, "val": 0.9405},
        ),
        split=SplitRecord(
            train=ids["train"], val=ids["val"], test=ids["test"], excluded=excluded or {}, rule="given by the data set",
            fingerprint="cd" * 32,
        ),
        proposals=(),
        trials=tuple(trials),
        evaluations=tuple(evaluations),
    )  # fmt: skip


def full_run(directory: Path | str = "results/made-up", classes: Sequence[str] = ("damage",)) -> Run:
    """36 trials of two tuners: the best is random-s1/0011."""
    random = np.random.default_rng(3)
    images = {part: [f"{part}{index:02d}.jpg" for index in range(12)] for part in ("val", "test")}
    scores = {
        part: {id: float(np.clip(random.normal(level, 0.14), 0.02, 0.97)) for id in ids}
        for (part, ids), level in zip(images.items(), (0.53, 0.46), strict=True)
    }
    pooled = summarise(pool(evaluation("val", scores["val"], num_classes=len(classes)).counts.values()), classes)
    trials = []
    for number in range(36):
        study = ("random-s1", "hyperband-s1")[number % 2 == 0]
        chosen = configuration(number)
        epochs = 12
        if study.startswith("hyperband"):
            epochs = (3, 6, 12)[number // 2 % 3]
            chosen |= {"tuner/epochs": epochs, "tuner/bracket": 2, "tuner/round": (3, 6, 12).index(epochs)}
        iou = pooled["iou"] if number == 11 else float(random.beta(5, 9)) * 0.75 * (0.55 + 0.45 * epochs / 12)
        facts: dict[str, object] = {
            "num_params": PARAMETERS[chosen.get("backbone")],  # type: ignore[index]
            "train_s": float(random.uniform(8, 14)) * epochs / 3 * (1 + number % 2),
            "wall_s": float(random.uniform(30, 80)),
            "latency_s": float(random.uniform(0.01, 0.06)),
            "peak_memory_bytes": int(random.integers(1, 4)) * 2**30,
        }
        common = {"study_id": study, "hyperparameters": chosen, "classes": classes, "epochs": epochs} | facts
        if number in (5, 16, 27):
            error = FAILURES[(5, 16, 27).index(number)]
            trials.append(trial(number, None, status=FAILED, error=error, **common))  # type: ignore[arg-type]
        elif number in (8, 20, 22):
            trials.append(trial(number, 0.06, status=STOPPED, **common | {"epochs": 2, "planned": 12}))  # type: ignore[arg-type]
        elif number == 30:
            trials.append(trial(number, 0.004, **common | {"latency_s": None, "num_params": None}))  # type: ignore[arg-type]
        else:
            trials.append(trial(number, iou, **common))  # type: ignore[arg-type]
    best = trials[11]
    evaluations = [evaluation(part, scores[part], trial=best, num_classes=len(classes)) for part in images]
    for reference, iou in {"otsu": 0.11, "mean_mask": 0.257, "predict_nothing": 0.0}.items():
        for part, ids in images.items():
            drawn = {id: 0.0 if iou == 0 else float(np.clip(random.normal(iou, 0.08), 0, 1)) for id in ids}
            evaluations.append(evaluation(part, drawn, reference=reference, num_classes=len(classes)))
    findings = [
        Finding(
            kind="twins_across_splits", message="the same picture in two parts", files=("val03.jpg", "train07.jpg")
        ),
        Finding(
            kind="exif_rotation",
            message="stored rotated, turned upright",
            files=tuple(f"train{i:02d}.jpg" for i in range(9)),
        ),
        Finding(
            kind="polygon_out_of_bounds", message="polygon 2 leaves the picture by 14 px, cut", files=("train11.jpg",)
        ),
    ]
    excluded = {"val13.jpg": "twin of train07.jpg"}
    return run(directory, trials=trials, evaluations=evaluations, classes=classes, findings=findings, excluded=excluded)


def write_arrays(run: Run, size: int = 96) -> None:
    """Pictures of a textured scene with one blob a class, predictions that are shifted blobs, and an augmentation
    strip."""
    Path(run.directory).mkdir(parents=True, exist_ok=True)
    store = RunStore(Path(run.directory))
    random = np.random.default_rng(5)
    ids, num_classes = run.split.val[:9], len(run.dataset.classes)
    y, x = np.mgrid[:size, :size] / size
    images, truths, predictions, valid = [], [], [], []
    for index in range(len(ids)):
        scene = np.stack([90 + 80 * x, 110 + 60 * y, 150 - 60 * x * y], axis=-1) + random.normal(0, 12, (size, size, 3))
        truth, prediction = np.zeros((2, size, size), np.uint8)
        for class_id in range(1, num_classes + 1):
            cx, cy, radius = random.uniform(0.3, 0.7), random.uniform(0.35, 0.65), random.uniform(0.08, 0.2)
            shift = 0.02 * index
            truth[(x - cx) ** 2 + (y - cy) ** 2 < radius**2] = class_id
            prediction[(x - cx - shift) ** 2 + (y - cy) ** 2 < (radius * 1.1) ** 2] = class_id
        usable = np.broadcast_to((y > 0.12) & (y < 0.88), (size, size)) if index % 2 else np.ones((size, size), bool)
        scene[truth > 0] *= 0.6
        images.append(np.clip(scene, 0, 255).astype(np.uint8))
        truths.append(truth * usable)
        predictions.append(prediction * usable)
        valid.append(usable)
    store.write_arrays(
        "predictions/images",
        {
            "ids": np.array(ids),
            "images": np.array(images),
            "truth": np.array(truths, np.uint8),
            "valid": np.array(valid),
        },
    )
    best = max((t for t in run.trials if t.status == COMPLETED), key=lambda t: t.val_metrics.get("iou") or 0)
    kept = {"ids": np.array(ids), "prediction": np.array(predictions, np.uint8)}
    store.write_arrays(f"predictions/{best.study_id}-{best.trial_id}", kept)
    strengths = np.array([0, 0.25, 0.5, 0.75, 1.0])
    store.write_arrays(
        "augmentation",
        {
            "strengths": strengths,
            "images": np.array([np.roll(images[0], int(20 * s), axis=1) for s in strengths]),
            "masks": np.array([np.roll(truths[0], int(20 * s), axis=1) for s in strengths]),
        },
    )
