"""segmentation-models-pytorch in the ranking of a finished run: the same folds, images, encoder weights and steps.

    python benchmarks/score_smp.py RUN --torch-python PYTHON [--data DIR] [--results results] [--steps N] [--seeds 0]

It writes the run's folds (`bench data split --for smp`), has folds_torch.py train a U-Net with smp's decoder on
EfficientNet-Lite0 with ImageNet weights on each of them, scores its masks (`bench score`), writes the page
(`bench report`), and prints the ranking. A training has --steps steps, without it as many as the longest of the run's
leading candidate. Both sides see squares of --size px, the default configuration's. PYTHON has PyTorch:

    python -m venv venv-torch
    venv-torch/bin/pip install torch segmentation-models-pytorch==0.6.0 optuna albumentations==2.0.8 \\
        opencv-python-headless
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tabulate import tabulate

from bench.analysis.final_evaluation import Finals, finals
from bench.analysis.scored_trainings import trainings_of
from bench.evaluation.statistics import Difference, Interval
from bench.formats import signed_within, within
from bench.records import Run
from bench.records.store import load
from search_spaces.encoders.packaged_weights import weights_file

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
HEADINGS = ("rank", "model", "steps", "seeds", "IoU out of fold", "minus the default", "IoU held out")


def ranking(directory: Path) -> Finals:
    held = finals(load(directory))
    if not isinstance(held, Finals):
        raise SystemExit(f"run {directory.name} has no ranking: {held.reason}")
    return held


def steps_of(run: Run, held: Finals, number: int) -> list[int]:
    """Of each training of the candidate at that place."""
    per_epoch = held.record.steps_per_epoch
    if per_epoch is None:
        raise SystemExit(f"run {run.record.name} does not say how many steps an epoch has; give --steps")
    return [per_epoch * training.epochs_run for training in trainings_of(run, held.ranking[number].candidate)]


def rows(run: Run, held: Finals, steps: int) -> Iterator[Sequence[object]]:
    """Candidates and other tools, best first."""
    found = []
    for number, each in enumerate(held.ranking):
        own = sorted(set(steps_of(run, held, number)))
        said = f"{own[0]}" if len(own) == 1 else f"{own[0]} to {own[-1]}"
        scores = _with(each.score, each.interval), _difference(each.to_default), _with(each.test, each.test_interval)
        found.append((each.score, (held.rank_of(each), each.label, said, len(held.seeds), *scores)))
    for other in held.external.ranking:
        scores = (
            _with(other.score, other.interval),
            _difference(other.to_default),
            _with(other.test, other.test_interval),
        )
        found.append((other.score or 0, (other.rank, other.label, steps, 1, *scores)))
    yield from (row for _, row in sorted(found, key=lambda item: -item[0]))


def _with(value: float | None, interval: Interval | None) -> str:
    return "" if value is None or interval is None else within(value, interval.low, interval.high)


def _difference(found: Difference | None) -> str:
    return "" if found is None else signed_within(found.value, found.interval.low, found.interval.high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--torch-python", required=True)
    parser.add_argument("--data", type=Path, help="where the run's data lie; left out: where it read them")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--reports", type=Path, default=Path("reports"))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    asked = parser.parse_args()
    directory = asked.results / asked.run
    run, held = load(directory), ranking(directory)
    data, steps = asked.data or Path(run.dataset.path), asked.steps or max(steps_of(run, held, 0))
    results = ["--results", str(asked.results)]
    with tempfile.TemporaryDirectory() as scratch:
        folds = Path(scratch) / "folds"
        bench("data", "split", data, "--run", asked.run, "-o", folds, "--for", "smp", *results)
        for seed in asked.seeds:
            masks = Path(scratch) / f"masks{seed}"
            encoder = str(weights_file("efficientnet_lite0"))
            settings = {"steps": steps, "seed": seed, "size": asked.size, "encoder_file": encoder}
            script = [asked.torch_python, HERE / "folds_torch.py", folds, masks, json.dumps(settings)]
            subprocess.run(script, check=True, env=os.environ | {"PYTHONPATH": str(REPOSITORY)})
            name = f"smp Unet EfficientNet-Lite0, seed {seed}"
            bench("score", masks, "--run", asked.run, "--as", name, "--data", data, *results)
        bench("report", asked.run, *results, "--reports", asked.reports)
    run, held = load(directory), ranking(directory)
    print(f"\n{held.scored} images, {held.held_out}; {len(run.split.test)} held-out images")
    print(tabulate(rows(run, held, steps), headers=HEADINGS, tablefmt="github"))


def bench(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "bench", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()
