"""Does the step ever wait for data? Augmented batches against the bare augmentation loop, and the wait of a real trial.

    python benchmarks/input_pipeline.py [--data PATH] [--batches 150]

`images_per_s` is what `TrainingBatches` delivers at strength 1 and 256 px with nobody computing beside it; `ratio_to_raw` divides it by the
same augmentation called in a plain loop, times the number of threads (each contestant in turn, three times, medians). `wait_share` is
the share of a trial's steps, of the fastest network at 96 px, for which the step stood still. Prints tables and, as its last line, one
JSON object.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from setting import hyperparameters, worker_setup
from tabulate import tabulate

from bench.datasets.cache import CachedPixels, open_cache
from bench.engine.batches import TrainingBatches, TrainingPlan
from bench.engine.spec import TrialSetup, TrialSpec
from bench.engine.worker import TrialWorker
from bench.records import COMPLETED
from search_spaces.augmentations import augment

SIZE, BATCH = 256, 8
FASTEST = ("pspnet", "mobilenetv2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="sample")
    parser.add_argument("--batches", type=int, default=150)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "large").mkdir()
        setup = worker_setup(arguments.data, SIZE, Path(folder) / "large", epochs=1)
        pixels = open_cache(setup.cache_directory, SIZE)
        ours, raw = [], []
        for _ in range(3):
            ours.append(pipeline(pixels, setup, arguments.batches))
            raw.append(loop(pixels, setup, arguments.batches * BATCH // 4))
        wait_share = trial(arguments.data, Path(folder))
    threads = max(1, (os.cpu_count() or 1) // 2)
    images_per_s, raw_per_s = statistics.median(ours), threads * statistics.median(raw)
    rows = [["TrainingBatches", threads, images_per_s], ["bare loop x threads", threads, raw_per_s]]
    print(tabulate(rows, ["256 px, strength 1", "threads", "images/s"], floatfmt=".0f"))
    print(f"a trial of {'/'.join(FASTEST)} waits for {wait_share:.1%} of its steps' time")
    print(
        json.dumps({"images_per_s": images_per_s, "ratio_to_raw": images_per_s / raw_per_s, "wait_share": wait_share})
    )


def pipeline(pixels: CachedPixels, setup: TrialSetup, count: int) -> float:
    plan = TrainingPlan(num_images=len(setup.train_ids), batch_size=BATCH, max_steps_per_epoch=count, seed=0)
    batches = TrainingBatches(pixels, setup.train_ids, plan, 1.0)
    started = time.perf_counter()
    seen = sum(len(images) for images, _ in batches.steps(0, count))
    return seen / (time.perf_counter() - started)


def loop(pixels: CachedPixels, setup: TrialSetup, count: int) -> float:
    rows = pixels.rows(setup.train_ids)
    started = time.perf_counter()
    for number in range(count):
        row = rows[number % len(rows)]
        augment(pixels.images[row], pixels.masks[row], strength=1.0, seed=0, epoch=number, image_id=str(number))
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
