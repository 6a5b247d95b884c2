"""What a training step costs with each backbone and decoder, as a multiple of unet/mobilenet's.

    python benchmarks/encoders.py [--size 192] [--batch-size 8] [--rounds 8] [--steps 2] [unet_slim/mobilenetv2 ...]

One process trains all of them in turn, a few steps at a time, set up as in the engine's worker; each round gives one
ratio of neighbours in time, and the table has the median and the extremes. The first block of each compiles and is not
counted.
"""

import argparse
import statistics
import time

import numpy as np
from setting import hyperparameters
from tabulate import tabulate

from bench.engine.devices import Placement, prepare

YARDSTICK = "unet/mobilenet"
CANDIDATES = (
    "unet_slim/mobilenet",
    "unet_slim/mobilenetv2",
    "unet_slim/efficientnet_lite0",
    "unet_slim/efficientnet_lite1",
)


def main() -> None:
    arguments = _arguments()
    prepare(Placement())  # before TensorFlow is imported, as in a worker
    rng = np.random.default_rng(0)
    shape = (arguments.batch_size, arguments.size, arguments.size)
    images = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    masks = rng.integers(0, 2, shape, dtype=np.uint8)
    graphs = {name: _graph(name, arguments.size) for name in (YARDSTICK, *arguments.candidates)}

    def seconds(name: str) -> float:
        started = time.perf_counter()
        for _ in range(arguments.steps):
            float(graphs[name].train_step(images, masks))
        return (time.perf_counter() - started) / arguments.steps

    for name in graphs:
        seconds(name)
    step_s: dict[str, list[float]] = {name: [] for name in graphs}
    for _ in range(arguments.rounds):
        for name, times in step_s.items():
            times.append(seconds(name))
    rows = []
    for name, times in step_s.items():
        ratios = [mine / yardstick for mine, yardstick in zip(times, step_s[YARDSTICK], strict=True)]
        rows.append([name, 1000 * statistics.median(times), statistics.median(ratios), min(ratios), max(ratios)])
    headers = ["", "median ms a step", f"of {YARDSTICK}", "least", "most"]
    print(tabulate(rows, headers, floatfmt=("", ".0f", ".2f", ".2f", ".2f")))


def _graph(name: str, size: int):
    from bench.engine.training.graph import GraphKey, TrainingGraph

    values = hyperparameters(*name.split("/"), size)
    graph = TrainingGraph(GraphKey.of(values, num_classes=2, evaluation_size=size, threshold=0.5))
    graph.reset(values, seed=0, pretrained=None)
    return graph


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidates", nargs="*", default=CANDIDATES, help="architecture/backbone")
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2, help="of a block")
    return parser.parse_args()


if __name__ == "__main__":
    main()
