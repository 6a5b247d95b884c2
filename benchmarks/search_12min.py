"""How many configurations does a search of twelve minutes try, and what does it find?

    python benchmarks/search_12min.py --data PATH [--tuner tpe_asha] [--minutes 12] [--workers N] [--torch-python PATH]

96 px, batch 8, at most 10 epochs, three architectures x four backbones without pretrained weights. A trial is counted
once however often it is promoted: `trials` are distinct configurations that ended, `trainings` counts promotions too.
`test_iou` is that of the best trial by validation, on the held-out images. With --torch-python, Optuna over
segmentation-models-pytorch searches the same space for the same time afterwards (search_torch.py); its figures are
under "optuna". Prints a table and, as its last line, one JSON object.

The interpreter at --torch-python needs what step_time.py's does, and optuna and albumentations:

    python -m venv venv-torch
    venv-torch/bin/pip install torch segmentation-models-pytorch==0.6.0 optuna albumentations
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from tabulate import tabulate

from bench.analysis.leaderboard import leaderboard, ranked
from bench.experiments import Experiment
from bench.progress import PlainProgress
from bench.records import FAILED, Run, configuration_key
from bench.records.store import load
from bench.run import run_experiment
from bench.run.setup import prepare


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        run_experiment(
            experiment(arguments),
            results=root / "results",
            reports=root / "reports",
            command="benchmarks/search_12min.py",
            resume=False,
            progress=PlainProgress(write=lambda line: print(line, flush=True)),
        )
        figures = summary(load(root / "results" / "search"))
        other = optuna_search(arguments, root) if arguments.torch_python else {}
    rows = [[name, value, other.get(name)] for name, value in figures.items()]
    print(tabulate(rows, ["", arguments.tuner, "optuna"] if other else ["", arguments.tuner], floatfmt=".3f"))
    told = {"tuner": arguments.tuner, "minutes": arguments.minutes, "workers": arguments.workers, **figures}
    print(json.dumps(told | ({"optuna": other} if other else {})))


def experiment(arguments: argparse.Namespace) -> Experiment:
    content = {
        "name": "search",
        "data": {"path": arguments.data},
        "space": {
            "architecture": ["unet", "linknet", "fpn"],
            "backbone": ["mobilenetv2", "mobilenet", "resnet18", "efficientnetb0"],
            "loss": ["bce", "dice", "focal", "bce_dice", "tversky"],
            "augmentation": [0.0, 0.25, 0.5, 1.0],
            "image_size": [96],
            "learning_rate": {"min": 3e-4, "max": 1e-2, "sampling": "log"},
        },
        "tuners": [arguments.tuner],
        "trials": None,
        "budget": f"{arguments.minutes}m",
        "workers": arguments.workers,
        "protocol": {"steps": 60, "steps_per_epoch": 6, "keep_models": 1, "finalists": 0},
    }
    return Experiment.model_validate(content)


def summary(run: Run) -> dict[str, float | int | None]:
    rows = leaderboard(run)
    best = ranked(rows)[0]
    return {
        "trials": len({configuration_key(trial.hyperparameters) for trial in run.trials}),
        "trainings": len(run.trials),
        "failed": sum(trial.status == FAILED for trial in run.trials),
        "longest": sum(trial.epochs_planned == 10 for trial in run.trials),
        "wall_s": run.record.wall_s,
        "best_val_iou": best.iou,
        "test_iou": (best.test or {}).get("iou"),
    }


def optuna_search(arguments: argparse.Namespace, scratch: Path) -> dict[str, float | int | None]:
    """Figures of the other search, of the same images at the same size."""
    chosen = experiment(arguments)
    material = prepare(chosen.data, chosen.protocol, chosen.space.image_size, scratch, PlainProgress(print))
    pixels, split = material.pixels(), material.split
    parts = {"train": split.train, "val": split.val, "test": split.test}
    arrays = {
        f"{name}/{what}": getattr(pixels, what)[pixels.rows(ids)]
        for name, ids in parts.items()
        for what in ("images", "masks", "valid")
    }
    np.savez(scratch / "pixels.npz", **arrays)
    here = Path(__file__).parent
    command = [
        arguments.torch_python,
        here / "search_torch.py",
        scratch / "pixels.npz",
        str(60 * arguments.minutes),
        "0",
    ]
    environment = {**os.environ, "PYTHONPATH": str(here.parent)}
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="sample")
    parser.add_argument("--tuner", default="tpe_asha")
    parser.add_argument("--minutes", type=int, default=12)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--torch-python", help="an interpreter with PyTorch, segmentation-models-pytorch and Optuna")
    return parser.parse_args()


if __name__ == "__main__":
    main()
