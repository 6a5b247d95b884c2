"""How many configurations does a search of twelve minutes get through, and what does it find?

    python benchmarks/search_12min.py --data PATH [--tuner tpe_asha] [--minutes 12] [--workers N]

96 px, batch 8, at most 10 epochs, three architectures x four backbones without pretrained weights, as in the comparison with Optuna over
segmentation_models.pytorch (73 trials, most of them pruned early). A trial is counted once however often it is promoted: `trials` are
distinct configurations that ended, `trainings` counts promotions too. Prints a table and, as its last line, one JSON object; `test_iou`
is that of the best trial by validation, on the locked images.
"""

import argparse
import json
import tempfile
from pathlib import Path

from tabulate import tabulate

from bench.experiment import Experiment
from bench.progress import PlainProgress
from bench.records import FAILED, Run, configuration_key
from bench.report.leaderboard import leaderboard, ranked
from bench.runner import run_experiment
from bench.store import load


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
    print(tabulate([[name, value] for name, value in figures.items()], ["", arguments.tuner], floatfmt=".3f"))
    print(json.dumps({"tuner": arguments.tuner, "minutes": arguments.minutes, "workers": arguments.workers, **figures}))


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
        "protocol": {"epochs": 10, "keep_models": 1, "finalists": 0},
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


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="sample")
    parser.add_argument("--tuner", default="tpe_asha")
    parser.add_argument("--minutes", type=int, default=12)
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
