"""Time and memory of the report of a large run: a made-up one of 5,000 trials and a final evaluation of 20 finalists.

    python benchmarks/report.py [--trials 5000] [--finalists 20]

The run is written through the store into a temporary folder, then read and reported in a separate process, and once
more there under a profiler. Prints where the time goes (seconds under the profiler, which slows small functions most)
and, as its last line, one JSON object: `trials`, and `seconds` and `peak_memory_bytes` of the process without profiler,
imports included.
"""

import argparse
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import numpy as np
from tabulate import tabulate

from bench.evaluation.pixel_metrics import BINS
from bench.evaluation.pixel_statistics import PixelStatistics
from bench.records import (
    COMPLETED,
    FAILED,
    STOPPED,
    AuditRecord,
    Candidate,
    ClassCounts,
    DatasetRecord,
    Environment,
    EpochRecord,
    Evaluation,
    FinalsRecord,
    HyperparameterValue,
    ImageFacts,
    RunRecord,
    SplitRecord,
    Status,
    StudyRecord,
    TrainingRecord,
    TrialRecord,
)
from bench.records.store import RunStore, load
from bench.report import write_report

TUNERS, FOLDS, SEEDS, EPOCHS, PIXELS = ("random", "bayesian", "hyperband", "tpe"), 5, (0, 1, 2), 16, 9216
IDS = tuple(f"images/{number:04}.jpg" for number in range(600))
OPEN, VAL, LOCKED = IDS[:500], IDS[400:500], IDS[500:]
START = datetime(2026, 1, 1, tzinfo=UTC)
SCORED = 50
"""Every so many trials were among the best when they ended, so that the run kept their counts by image."""
SHOWN = 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--finalists", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "results" / "large"
        with patch("os.fsync"):  # what is measured is reading
            _write_run(run, arguments.trials, arguments.finalists)
        print(f"records: {sum(path.stat().st_size for path in run.rglob('*')) / 2**20:.0f} MiB")
        plain, profiled = (_in_process(run, Path(folder) / name, name) for name in ("plain", "profiled"))
    print(tabulate(profiled["profile"], ["function", "calls", "seconds in all"], floatfmt=".1f"))
    facts = {name: plain[name] for name in ("seconds", "peak_memory_bytes")}
    print(json.dumps(facts | {"trials": arguments.trials}))


def _in_process(run: Path, report: Path, how: str) -> dict:
    command = [
        sys.executable,
        "-c",
        f"import report; report.measure({str(run)!r}, {str(report)!r}, {how == 'profiled'})",
    ]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent)
    return json.loads(done.stdout) | {"seconds": time.perf_counter() - began}


def measure(run: str, report: str, profiled: bool) -> None:
    """What the process of its own does; prints its peak memory and where its time went as one JSON object."""
    profiler = cProfile.Profile()
    if profiled:
        profiler.enable()
    write_report(load(Path(run)), Path(report))
    profiler.disable()
    print(
        json.dumps(
            {
                "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "profile": _slowest(profiler) if profiled else [],
            }
        )
    )


def _slowest(profiler: cProfile.Profile) -> list[tuple[str, int, float]]:
    """The suite's own functions with the most time in them and in what they call."""
    rows = []
    for (file, line, name), (_, calls, _, cumulative_s, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        if f"{os.sep}bench{os.sep}" in file:
            rows.append((f"{file.rsplit(f'{os.sep}bench{os.sep}', 1)[1]}:{line} {name}", calls, cumulative_s))
    return sorted(rows, key=lambda row: -row[2])[:SHOWN]


def _write_run(directory: Path, trials: int, finalists: int) -> None:
    random = np.random.default_rng(0)
    records = [_trial(number, random) for number in range(trials)]
    folds = tuple(OPEN[number::FOLDS] for number in range(FOLDS))
    with RunStore.create(directory) as store:
        store.write_experiment({"dataset": "made up", "protocol": {"epochs": EPOCHS, "finalists": finalists}})
        for record in _single_records(folds, random):
            store.write(record)
        for number, trial in enumerate(records):
            store.append(trial)
            if trial.status == COMPLETED and number % SCORED == 0:
                store.append(_evaluation("val", VAL, random, trial=trial))
        best = sorted(records, key=lambda trial: -(trial.val_metrics.get("iou") or 0.0))
        for trial in best[:5]:
            store.append(_evaluation("test", LOCKED, random, trial=trial))
        for split, ids in (("val", VAL), ("test", LOCKED), ("out_of_fold", OPEN)):
            for reference in ("predict_nothing", "mean_mask", "otsu"):
                store.append(_evaluation(split, ids, random, reference=reference))
        candidates = tuple(_candidates(best[:finalists]))
        store.write(
            FinalsRecord(candidates=candidates, folds=FOLDS, seeds=SEEDS, epochs=EPOCHS, rule="the whole protocol")
        )
        for training in _trainings(candidates, folds, random):
            store.write_arrays(training.evidence or "", _evidence((*training.out_of_fold, *LOCKED), random).arrays())
            store.append(training)


def _single_records(folds: Sequence[Sequence[str]], random: np.random.Generator) -> Iterator[object]:
    images = tuple(
        ImageFacts(id=name, split=None, width=640, height=480, foreground_share=(random.beta(1.2, 14),)) for name in IDS
    )
    studies = tuple(StudyRecord(study_id=name, tuner=name, seed=0, ended="trials", wall_s=9e4) for name in TUNERS)
    yield RunRecord(
        name="large",
        command="python -m bench run",
        started_at=START.isoformat(),
        status="finished",
        wall_s=4e5,
        studies=studies,
    )
    yield Environment(
        versions={}, python="3.11", platform="made up", device="made up", cores=2, memory_bytes=2**33, commit=None
    )
    yield DatasetRecord(
        name="made up",
        path="made up",
        format="folders",
        classes=("damage",),
        fingerprint="ab" * 32,
        num_images=len(IDS),
    )
    yield AuditRecord(images=images, findings=(), background_accuracy={"all": 0.93})
    yield SplitRecord(
        train=OPEN[:400], val=VAL, test=LOCKED, rule="made up", folds=tuple(map(tuple, folds)), fingerprint="cd" * 32
    )


def _trial(number: int, random: np.random.Generator) -> TrialRecord:
    status = Status(random.choice([COMPLETED, STOPPED, FAILED], p=[0.85, 0.1, 0.05]))
    iou = float(random.beta(4, 9))
    scored = (
        {}
        if status == FAILED
        else {"iou": iou, "dice": 2 * iou / (1 + iou), "precision": 0.5, "recall": iou, "pixel_accuracy": 0.94}
    )
    curve = tuple(
        EpochRecord(
            epoch=epoch,
            train_loss=float(random.random()),
            val_loss=float(random.random()),
            val_iou=iou * epoch / EPOCHS,
            elapsed_s=7.3 * epoch,
        )
        for epoch in range(1, EPOCHS + 1)
    )
    return TrialRecord(
        study_id=TUNERS[number % len(TUNERS)],
        trial_id=f"{number:05}",
        status=status,
        hyperparameters=_configuration(random),
        seed=0,
        val_metrics=scored,
        curve=curve if scored else (),
        epochs_planned=EPOCHS,
        epochs_run=EPOCHS,
        best_epoch=EPOCHS,
        num_params=int(random.integers(10**6, 3 * 10**7)),
        train_s=float(random.uniform(20, 200)),
        wall_s=float(random.uniform(30, 250)),
        latency_s=float(random.uniform(0.01, 0.1)),
        peak_memory_bytes=2**30,
        started_at=(START + timedelta(seconds=90 * number)).isoformat(),
        error=None if scored else f"ValueError: loss is NaN at step {number}",
    )


def _configuration(random: np.random.Generator) -> dict[str, HyperparameterValue]:
    def drawn(*choices: HyperparameterValue) -> HyperparameterValue:
        return choices[int(random.integers(len(choices)))]

    return {
        "architecture": drawn("unet", "linknet", "fpn", "pspnet"),
        "backbone": drawn("resnet18", "mobilenet", "mobilenetv2", "efficientnetb0"),
        "encoder_weights": drawn("none", "imagenet"),
        "loss": drawn("bce", "bce_dice", "dice", "focal", "tversky"),
        "augmentation": float(random.random()),
        "image_size": drawn(96, 128, 192),
        "batch_size": drawn(4, 8),
        "optimizer": drawn("adam", "sgd"),
        "learning_rate": float(10 ** random.uniform(-4, -2)),
        "schedule": drawn("constant", "cosine"),
        "weight_decay": drawn(0.0, 1e-4),
    }


def _candidates(best: Sequence[TrialRecord]) -> Iterator[Candidate]:
    for number, trial in enumerate(best, start=1):
        roles = ("finalist", "default configuration") if number == len(best) else ("finalist",)
        yield Candidate(
            name=f"finalist {number}",
            roles=roles,
            hyperparameters=trial.hyperparameters,
            study_id=trial.study_id,
            trial_id=trial.trial_id,
            search_iou=trial.val_metrics["iou"],
        )


def _trainings(
    candidates: Sequence[Candidate], folds: Sequence[Sequence[str]], random: np.random.Generator
) -> Iterator[TrainingRecord]:
    for seed in SEEDS:
        for each in candidates:
            for number, fold in enumerate(folds):
                yield TrainingRecord(
                    candidate=each.name,
                    hyperparameters=each.hyperparameters,
                    fold=number,
                    seed=seed,
                    status=COMPLETED,
                    evidence=f"finals/{each.name.replace(' ', '-')}-seed{seed}-fold{number + 1}",
                    out_of_fold=_counts(fold, random),
                    test=_counts(LOCKED, random),
                    epochs_run=EPOCHS,
                    num_params=10**7,
                    latency_s=0.02,
                    peak_memory_bytes=2**30,
                    train_s=20.0,
                    wall_s=30.0,
                    started_at=START.isoformat(),
                )


def _evidence(ids: Sequence[str], random: np.random.Generator) -> PixelStatistics:
    """Probabilities that lean to the truth, 700 pixels of which are foreground."""
    sure = np.linspace(0, 1, BINS) ** 2
    leaning = [weights / weights.sum() for weights in (sure[::-1], sure)]
    histogram = np.stack(
        [
            random.multinomial(pixels, p, size=(len(ids), 1))
            for pixels, p in zip((PIXELS - 700, 700), leaning, strict=True)
        ],
        2,
    )
    middles = (np.arange(BINS) + 0.5) / BINS
    near = random.integers(50, 150, (len(ids), 1, 2))
    contours = np.stack([near[..., 0] + 60, near[..., 0], near[..., 1] + 60, near[..., 1]], -1)
    return PixelStatistics(
        ids=tuple(ids),
        histogram=histogram.astype(np.uint32),
        sums=(histogram.sum(2) * middles).astype(np.float32),
        contours=contours.astype(np.uint32),
        tolerance_px=1.0,
    )


def _evaluation(
    split: str,
    ids: Sequence[str],
    random: np.random.Generator,
    *,
    trial: TrialRecord | None = None,
    reference: str | None = None,
) -> Evaluation:
    return Evaluation(
        study_id=trial.study_id if trial else None,
        trial_id=trial.trial_id if trial else None,
        reference=reference,
        split=split,
        seed=0,
        counts=_counts(ids, random),
    )


def _counts(ids: Sequence[str], random: np.random.Generator) -> dict[str, tuple[ClassCounts, ClassCounts]]:
    found = {}
    for name, (tp, fp, fn) in zip(ids, random.integers(1, 900, (len(ids), 3)).tolist(), strict=True):
        tn = PIXELS - tp - fp - fn
        found[name] = ClassCounts(tp=tn, fp=fn, fn=fp, tn=tp), ClassCounts(tp=tp, fp=fp, fn=fn, tn=tn)
    return found


if __name__ == "__main__":
    main()
