"""Small records for tests that need some, and do not care which."""

from pathlib import Path
from typing import Any

from bench.records import (
    COMPLETED,
    AuditRecord,
    ClassCounts,
    DatasetRecord,
    Environment,
    EpochRecord,
    Evaluation,
    ImageFacts,
    RunRecord,
    SplitRecord,
    StudyRecord,
    TrialRecord,
)
from bench.records.store import RunStore

STARTED_AT = "2026-01-01T00:00:00+00:00"


def trial(number: int = 0, **changes: Any) -> TrialRecord:
    facts: dict[str, Any] = {
        "study_id": "random-0",
        "trial_id": f"{number:04d}",
        "status": COMPLETED,
        "hyperparameters": {"architecture": "unet", "learning_rate": 0.001, "image_size": 96},
        "seed": 0,
        "val_metrics": {"iou": 0.25, "dice": 0.4, "precision": None, "recall": 1 / 3, "pixel_accuracy": 0.9},
        "curve": (EpochRecord(epoch=1, train_loss=0.7, val_loss=None, val_iou=0.25, elapsed_s=1.5),),
        "wall_s": 2.0,
        "started_at": STARTED_AT,
    }
    return TrialRecord(**(facts | changes))


def evaluation(number: int = 0, split: str = "val") -> Evaluation:
    background, damage = ClassCounts(tp=6, fp=1, fn=2, tn=1), ClassCounts(tp=1, fp=2, fn=1, tn=6)
    return Evaluation(
        study_id="random-0",
        trial_id=f"{number:04d}",
        split=split,
        seed=0,
        counts={"images/a.png": (background, damage)},
    )


def single_records(name: str = "quick", status: str = "finished") -> tuple[object, ...]:
    """The five records that a run has one of."""
    return (
        RunRecord(
            name=name,
            command="python -m bench run",
            started_at=STARTED_AT,
            status=status,
            wall_s=60.0,
            studies=(StudyRecord(study_id="random-0", tuner="random", seed=0, ended="trials", wall_s=50.0),),
        ),
        Environment(
            versions={"keras": "3.15.1"},
            python="3.11.0",
            platform="Linux",
            device="CPU, 2 cores",
            cores=2,
            memory_bytes=2**30,
            commit=None,
        ),
        DatasetRecord(
            name="sample", path="sample", format="folders", classes=("damage",), fingerprint="ab" * 32, num_images=3
        ),
        AuditRecord(
            images=(ImageFacts(id="images/a.png", split=None, width=8, height=8, foreground_share=(0.1,)),),
            findings=(),
            background_accuracy={"all": 0.9},
        ),
        SplitRecord(
            train=("images/b.png",), val=("images/a.png",), test=("images/c.png",), rule="random", fingerprint="cd" * 32
        ),
    )


def stored_run(directory: Path, *, trials: int = 2) -> RunStore:
    """A whole run on disk."""
    with RunStore.create(directory) as store:
        store.write_experiment({"name": directory.name, "protocol": {"epochs": 1}})
        for record in single_records(directory.name):
            store.write(record)
    for number in range(trials):
        store.append(trial(number))
        store.append(evaluation(number))
    return store


def empty_run(directory: Path) -> RunStore:
    """A run of which nothing is on record."""
    with RunStore.create(directory) as store:
        pass
    return store
