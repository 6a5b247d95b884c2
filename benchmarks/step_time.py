"""Steps an hour of Unet resnet18: our TrainingGraph against segmentation-models-pytorch in plain eager PyTorch.

    python benchmarks/step_time.py --torch-python PATH [--size 96] [--batch-size 8] [--blocks 8] [--steps 10]

Same network, loss (BCE + Dice), optimiser (Adam), no pretrained weights, the same uint8 batches, float32, each
library's own number of threads. Each candidate has a process. They take turns, a block of steps at a time; the waiting
one sleeps on its input. PyTorch runs in its default memory format, which counts, and in channels_last, for comparison.
The first block of each does not count: it compiles.

The interpreter at --torch-python needs torch, torchvision, timm and segmentation-models-pytorch:

    python -m venv venv-torch && venv-torch/bin/pip install torch segmentation-models-pytorch==0.6.0

If the torchvision that pip finds belongs to another build of torch, install it with --no-deps: its compiled operators
are not used.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from setting import worker_setup
from tabulate import tabulate

from bench.datasets.cache import open_cache

HERE = Path(__file__).parent
OURS, PLAIN = "engine", "contiguous"


class Candidate:
    """A process that trains when it is told to."""

    def __init__(self, python: str, script: str, batches: Path) -> None:
        self._process = subprocess.Popen(
            [python, str(HERE / script), str(batches)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.what = self._answer()

    def seconds(self, name: str, steps: int) -> float:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is gone, and the answer says why
            self._process.stdin.write(f"{name} {steps}\n")
            self._process.stdin.flush()
        return float(self._answer().split()[0])

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, errors = self._process.communicate()
            last = (errors.strip().splitlines() or ["it printed nothing"])[-1]
            raise SystemExit(
                f"{self._process.args[0]} cannot run {self._process.args[1]}: {last}; see --help for what it needs"
            )
        return line.strip()


def main() -> None:
    arguments = _arguments()
    if not Path(arguments.torch_python).is_file():
        raise SystemExit(f"no interpreter at {arguments.torch_python}; make one as --help says")
    with tempfile.TemporaryDirectory() as folder:
        batches = write_batches(arguments, Path(folder))
        torch = Candidate(arguments.torch_python, "steps_torch.py", batches)
        ours = Candidate(sys.executable, "steps_keras.py", batches)
        turns = ((OURS, ours), (PLAIN, torch), ("channels_last", torch))
        for name, candidate in turns:
            candidate.seconds(name, 3)
        seconds: dict[str, list[float]] = {name: [] for name, _ in turns}
        for _ in range(arguments.blocks):
            for name, candidate in turns:
                seconds[name].append(candidate.seconds(name, arguments.steps))
        for _, candidate in turns[:2]:
            candidate.close()
    print(ours.what, "against", torch.what)
    rows = [
        [
            name,
            statistics.median(times) / arguments.steps,
            min(times) / arguments.steps,
            per_hour(times, arguments.steps),
        ]
        for name, times in seconds.items()
    ]
    print(tabulate(rows, ["", "median s a step", "fastest block", "steps an hour"], floatfmt=("", ".3f", ".3f", ".0f")))
    figures = {
        "ratio_to_smp": ratio(seconds[PLAIN], seconds[OURS]),
        "ratio_to_smp_channels_last": ratio(seconds["channels_last"], seconds[OURS]),
        "steps_per_hour": per_hour(seconds[OURS], arguments.steps),
        "smp_steps_per_hour": per_hour(seconds[PLAIN], arguments.steps),
    }
    print(json.dumps(figures))


def write_batches(arguments: argparse.Namespace, scratch: Path) -> Path:
    """Training images as they are, whole batches of them, in a file that both interpreters read."""
    setup = worker_setup(arguments.data, arguments.size, scratch, epochs=1)
    pixels = open_cache(setup.cache_directory, arguments.size)
    rows = pixels.rows(setup.train_ids)
    count = len(rows) // arguments.batch_size
    shape = (count, arguments.batch_size, arguments.size, arguments.size)
    rows = rows[: count * arguments.batch_size]
    path = scratch / "batches.npz"
    np.savez(path, images=pixels.images[rows].reshape(*shape, 3), masks=pixels.masks[rows].reshape(shape))
    return path


def ratio(theirs: list[float], ours: list[float]) -> float:
    """Median over the turns: neighbours in time have the same noise."""
    return statistics.median(their / our for their, our in zip(theirs, ours, strict=True))


def per_hour(seconds: list[float], steps: int) -> float:
    return 3600 * steps / statistics.median(seconds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", required=True, help="interpreter that has segmentation-models-pytorch")
    parser.add_argument("--data", default="sample")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10, help="of a block")
    return parser.parse_args()


if __name__ == "__main__":
    main()
