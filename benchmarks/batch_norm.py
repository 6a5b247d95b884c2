"""What should validation run on? Each batch normalisation policy, on the same networks, data and seeds.

    python benchmarks/batch_norm.py [--data PATH] [--encoder-weights imagenet] [--epochs 12] [--seeds 3]

Prints a table (validation IoU of the best epoch, locked-test IoU of that model, seconds) and, as its last line, one
JSON object.
"""

import argparse
import json
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from tabulate import tabulate

from bench.engine.spec import TrialSetup, TrialSpec
from bench.engine.training.batch_statistics import BATCH_NORM
from bench.engine.worker import TrialWorker
from bench.evaluation.metrics import pool, summarise
from bench.experiments import Data, Protocol
from bench.progress import PlainProgress
from bench.run.setup import prepare

NETWORKS = (("unet", "mobilenetv2"), ("linknet", "mobilenet"))


def main() -> None:
    arguments = _arguments()
    protocol = Protocol(steps=6 * arguments.epochs, steps_per_epoch=6)
    with tempfile.TemporaryDirectory() as scratch:
        material = prepare(Data(path=arguments.data), protocol, [arguments.size], Path(scratch), PlainProgress(print))
        setup = TrialSetup(
            cache_directory=material.cache_directory,
            train_ids=material.split.train,
            val_ids=material.split.val,
            classes=material.dataset.classes,
            evaluation_size=material.evaluation_size,
            threshold=protocol.threshold,
            steps_per_epoch=protocol.steps_per_epoch,
            batch_norm="keras",
        )
        results = {policy: [] for policy in BATCH_NORM}
        for policy in BATCH_NORM:
            with TrialWorker(replace(setup, batch_norm=policy), Path(scratch) / "worker.log") as worker:
                for network in NETWORKS:
                    for seed in range(arguments.seeds):
                        results[policy].append(_train(worker, network, seed, arguments, material.split.test, scratch))
                        print(policy, *network, seed, *(f"{value:.3f}" for value in results[policy][-1]), flush=True)
    summary = {
        policy: [statistics.mean(column) for column in zip(*rows, strict=True)] for policy, rows in results.items()
    }
    print(
        tabulate(
            [[policy, *row] for policy, row in summary.items()],
            ["policy", "val IoU", "test IoU", "s a trial"],
            floatfmt=".3f",
        )
    )
    print(json.dumps({policy: {"val_iou": v, "test_iou": t, "trial_s": s} for policy, (v, t, s) in summary.items()}))


def _train(worker, network, seed, arguments, test_ids, scratch) -> tuple[float, float, float]:
    architecture, backbone = network
    spec = TrialSpec(
        study_id="batch-norm",
        trial_id="0",
        hyperparameters={
            "architecture": architecture, "backbone": backbone, "encoder_weights": arguments.encoder_weights,
            "loss": "bce_dice", "augmentation": 0.5, "image_size": arguments.size, "batch_size": 8, "optimizer": "adam",
            "learning_rate": 1e-3, "schedule": "cosine", "weight_decay": 0.0,
        },
        seed=seed,
        epochs=arguments.epochs,
    )  # fmt: skip
    outcome = worker.run(spec, lambda epoch: None)
    path = Path(scratch) / "model.weights.h5"
    worker.save_model(path)
    scored = worker.score_model(spec, path, test_ids)
    test = summarise(pool(scored.counts.values()), ["foreground"])["iou"]
    return outcome.record.val_metrics["iou"], test, outcome.record.wall_s


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="sample")
    parser.add_argument("--encoder-weights", default="none")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=96)
    return parser.parse_args()


if __name__ == "__main__":
    main()
