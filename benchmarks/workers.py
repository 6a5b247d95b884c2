"""How many worker processes should share a CPU? The same trials on one worker with all cores, and on one worker a core.

    python benchmarks/workers.py [--data PATH] [--epochs 4] [--image-size 96]

Six networks, each trained twice with another loss, cold start included. Prints a table and, as its last line, one JSON
object: `speedup` is the time of one worker divided by that of as many workers as cores.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from setting import hyperparameters, worker_setup
from tabulate import tabulate

from bench.engine.devices import placements
from bench.engine.executor import LocalExecutor
from bench.engine.spec import TrialOutcome, TrialSetup, TrialSpec
from bench.records import COMPLETED

NETWORKS = [(a, b) for a in ("unet", "linknet", "pspnet") for b in ("mobilenetv2", "resnet18")]


def main() -> None:
    arguments = _arguments()
    specs = [
        TrialSpec(
            study_id="benchmark",
            trial_id=f"{number:02}",
            hyperparameters=hyperparameters(*network, arguments.image_size, loss=loss),
            seed=0,
            epochs=arguments.epochs,
        )
        for number, (loss, network) in enumerate(
            (loss, network) for loss in ("bce_dice", "focal") for network in NETWORKS
        )
    ]
    counts = (1, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        setup = worker_setup(arguments.data, arguments.image_size, scratch, epochs=arguments.epochs, train_images=49)
        wall_s = {count: run(specs, setup, scratch, count) for count in counts}
    rows = [[count, seconds, 3600 * len(specs) / seconds] for count, seconds in wall_s.items()]
    print(tabulate(rows, ["workers", "s", "trials an hour"], floatfmt=".1f"))
    print(json.dumps({"speedup": wall_s[counts[0]] / wall_s[counts[1]], "workers": counts[1], "trials": len(specs)}))


def run(specs: list[TrialSpec], setup: TrialSetup, scratch: Path, workers: int) -> float:
    """Wall seconds of all trials, the start of the processes included. A free worker prefers a trial of a compiled
    graph."""
    waiting, started = list(specs), time.perf_counter()
    with LocalExecutor(setup, scratch, placements(workers)) as executor:
        while waiting or executor.free_slots < executor.slots:
            while waiting and executor.free_slots:
                spec = min(waiting, key=lambda each: not executor.is_warm(each))
                waiting.remove(spec)
                executor.submit(spec)
            for event in executor.events():
                if isinstance(event, TrialOutcome):
                    assert event.record.status == COMPLETED, event.record.error
    return time.perf_counter() - started


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="sample")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--image-size", type=int, default=96)
    return parser.parse_args()


if __name__ == "__main__":
    main()
