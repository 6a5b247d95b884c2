"""Does a worker grow? Sixty short trials on a few graphs in one process, and what it holds after each ten.

    python benchmarks/memory.py [--data PATH] [--trials 60]

Prints a table and, as its last line, one JSON object. `growth_bytes` is resident memory at the end minus that after the
trial that compiled the last graph.
"""

import argparse
import json
import tempfile
from pathlib import Path

import psutil
from setting import hyperparameters, worker_setup
from tabulate import tabulate

from bench.engine.spec import TrialSpec
from bench.engine.worker import TrialWorker
from bench.records import COMPLETED

NETWORKS = (("linknet", "mobilenet"), ("pspnet", "mobilenetv2"), ("plain_unet", None))
LOSSES = ("bce_dice", "focal", "dice", "bce", "tversky")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="sample")
    parser.add_argument("--trials", type=int, default=60)
    arguments = parser.parse_args()
    held: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        setup = worker_setup(arguments.data, 96, Path(folder), epochs=1, train_images=16)
        with TrialWorker(setup, Path(folder) / "worker.log") as worker:
            for number in range(arguments.trials):
                record = worker.run(_spec(number)).record
                assert record.status == COMPLETED, record.error
                held.append(psutil.Process(worker.process_id).memory_info().rss)
            assert worker.starts == 1
    shown = [len(NETWORKS), *range(10, arguments.trials + 1, 10)]
    print(tabulate([[count, held[count - 1] / 2**20] for count in shown], ["trials", "MiB held"], floatfmt=".0f"))
    print(json.dumps({"growth_bytes": held[-1] - held[len(NETWORKS) - 1], "trials": arguments.trials}))


def _spec(number: int) -> TrialSpec:
    architecture, backbone = NETWORKS[number % len(NETWORKS)]
    values = hyperparameters(architecture, backbone, 96, loss=LOSSES[number % len(LOSSES)])
    return TrialSpec(study_id="benchmark", trial_id=f"{number:02}", hyperparameters=values, seed=number, epochs=1)


if __name__ == "__main__":
    main()
