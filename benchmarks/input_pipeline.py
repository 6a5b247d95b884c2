"""Does the step ever wait for data? Augmented batches against bare albumentations, and the wait of a real trial.

    python benchmarks/input_pipeline.py [--data PATH] [--sizes 96 256] [--batches 150]

`images_per_s` is the rate of `TrainingBatches` by size in pixels, at strength 1 with no other load. `ratio_to_raw` (of
the worst size) divides it by the bare albumentations pipeline in a loop, without a seed for each image, times the
number of threads (each candidate in turn, three times, medians). `wait_share` is the fraction of step time that a trial
of the fastest network at 96 px spends waiting for input. Prints tables and, as its last line, one JSON object.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import cv2
from setting import hyperparameters, worker_setup
from tabulate import tabulate

from bench.datasets.cache import CachedPixels, open_cache
from bench.engine.spec import TrialSetup, TrialSpec
from bench.engine.training.batches import THREADS, TrainingBatches, TrainingPlan
from bench.engine.worker import TrialWorker
from bench.records import COMPLETED
from search_spaces.augmentations import build

BATCH = 8
FASTEST = ("pspnet", "mobilenetv2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="sample")
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 256])
    parser.add_argument("--batches", type=int, default=150)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)  # as in the engine's worker
    with tempfile.TemporaryDirectory() as folder:
        rates = {size: compare(arguments, size, Path(folder)) for size in arguments.sizes}
        wait_share = trial(arguments.data, Path(folder))
    rows = [[size, ours, raw, ours / raw] for size, (ours, raw) in rates.items()]
    headers = ["px, strength 1", "images/s", f"bare albumentations x {THREADS} threads", "ratio"]
    print(tabulate(rows, headers, floatfmt=("", ".0f", ".0f", ".2f")))
    print(f"a trial of {'/'.join(FASTEST)} waits for {wait_share:.1%} of its steps' time")
    figures = {
        "images_per_s": {str(size): ours for size, (ours, _) in rates.items()},
        "ratio_to_raw": min(ours / raw for ours, raw in rates.values()),
        "wait_share": wait_share,
    }
    print(json.dumps(figures))


def compare(arguments: argparse.Namespace, size: int, scratch: Path) -> tuple[float, float]:
    """Images a second: through TrainingBatches, and through albumentations on as many threads."""
    place = scratch / str(size)
    place.mkdir()
    setup = worker_setup(arguments.data, size, place, epochs=1)
    pixels = open_cache(setup.cache_directory, size)
    ours, raw = [], []
    for _ in range(3):
        ours.append(pipeline(pixels, setup, arguments.batches))
        raw.append(loop(pixels, setup, arguments.batches * BATCH))
    return statistics.median(ours), THREADS * statistics.median(raw)


def pipeline(pixels: CachedPixels, setup: TrialSetup, count: int) -> float:
    plan = TrainingPlan(num_images=len(setup.train_ids), batch_size=BATCH, steps_per_epoch=count, seed=0)
    batches = TrainingBatches(pixels, setup.train_ids, plan, 1.0)
    started = time.perf_counter()
    seen = sum(len(images) for images, _ in batches.steps(count))
    return seen / (time.perf_counter() - started)


def loop(pixels: CachedPixels, setup: TrialSetup, count: int) -> float:
    transform, rows = build(1.0), pixels.rows(setup.train_ids)
    started = time.perf_counter()
    for number in range(count):
        row = rows[number % len(rows)]
        transform(image=pixels.images[row], mask=pixels.masks[row])
    return count / (time.perf_counter() - started)


def trial(data: str, scratch: Path) -> float:
    """Of a trial on a used graph: seconds waited by seconds waited and stepped."""
    (scratch / "small").mkdir()
    setup = worker_setup(data, 96, scratch / "small", epochs=6)
    values = hyperparameters(*FASTEST, 96, augmentation=1.0)
    with TrialWorker(setup, scratch / "worker.log") as worker:
        for number in range(2):
            spec = TrialSpec(study_id="benchmark", trial_id=str(number), hyperparameters=values, seed=0, epochs=6)
            record = worker.run(spec).record
            assert record.status == COMPLETED, record.error
    waited_s = record.input_wait_s or 0.0
    return waited_s / (waited_s + (record.train_s or 0.0) + (record.first_step_s or 0.0))


if __name__ == "__main__":
    main()
