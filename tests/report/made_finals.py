"""Made-up finals of a made-up run."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bench.records import COMPLETED, Candidate, FinalsRecord, Run, TrainingRecord
from tests.report.runs import START, counts, evaluation

SEEDS, FOLDS = (0, 1, 2), 3
LEVELS = {"finalist 1": 0.6, "finalist 2": 0.3, "default configuration": 0.4, "original baseline": 0.2}


def candidates() -> tuple[Candidate, ...]:
    common = {"augmentation": 0.5, "image_size": 96, "batch_size": 8}
    return (
        Candidate(name="finalist 1", roles=("finalist",), study_id="random-s1", trial_id="0011", search_iou=0.65,
                   hyperparameters={"architecture": "unet", "backbone": "resnet18", "loss": "dice", **common}),
        Candidate(name="finalist 2", roles=("finalist",), study_id="random-s1", trial_id="0007", search_iou=0.5,
                   hyperparameters={"architecture": "linknet", "backbone": "resnet18", "loss": "dice", **common}),
        Candidate(name="default configuration", roles=("default configuration",),
                   hyperparameters={"architecture": "unet", "backbone": "mobilenet", "loss": "bce_dice", **common}),
        Candidate(name="original baseline", roles=("original baseline",),
                   hyperparameters={"architecture": "plain_unet", "loss": "bce", **common}),
    )  # fmt: skip


def with_finals(run: Run, levels: Mapping[str, float] = LEVELS, *, noise: float = 0.08, luck: float = 0.01) -> Run:
    """Trainings whose images score around a level, each training with some luck of its own."""
    random = np.random.default_rng(0)
    names = sorted((*run.split.train, *run.split.val))
    folds = tuple(tuple(names[number::FOLDS]) for number in range(FOLDS))
    num_classes = len(run.dataset.classes)
    difficulty = {name: float(random.normal(0, noise)) for name in (*names, *run.split.test)}

    def scored(ids, level):
        drawn = {name: float(np.clip(level + difficulty[name] + random.normal(0, 0.02), 0.01, 0.98)) for name in ids}
        return {name: (counts(iou)[0], *[counts(iou)[1]] * num_classes) for name, iou in drawn.items()}

    trainings = []
    for seed in SEEDS:
        for each in candidates():
            for number, fold in enumerate(folds):
                level = levels[each.name] + float(random.normal(0, luck))
                trainings.append(
                    TrainingRecord(
                        candidate=each.name, hyperparameters=each.hyperparameters, fold=number, seed=seed,
                        status=COMPLETED, out_of_fold=scored(fold, level), test=scored(run.split.test, level),
                        epochs_run=12, num_params=10**7, latency_s=0.02, peak_memory_bytes=2**30, train_s=20.0,
                        wall_s=30.0, started_at=START.isoformat(),
                    )
                )  # fmt: skip
    references = [
        evaluation("out_of_fold", dict.fromkeys(names, level), reference=name, num_classes=num_classes)
        for name, level in {"predict_nothing": 0.0, "mean_mask": 0.25, "otsu": 0.1}.items()
    ]
    return replace(
        run,
        split=replace(run.split, folds=folds),
        finals=FinalsRecord(candidates=candidates(), folds=FOLDS, seeds=SEEDS, epochs=12, rule="the whole protocol"),
        trainings=tuple(trainings),
        evaluations=(*run.evaluations, *references),
    )
