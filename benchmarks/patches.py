"""Patches and whole images, each trained on the same folds and scored on the same squares.

`python benchmarks/patches.py [--data DIR]`

Without --data it draws photographs with thin cracks (benchmarks/thin_cracks.py). It prints each view's IoU out of fold
with its 95 % interval, and the paired difference; the run with its page and its model stays in --results.
"""

import argparse
import tempfile
from pathlib import Path

from bench.analysis.final_evaluation import Finals, finals
from bench.experiments import Data, Experiment, Protocol
from bench.formats import signed_within, within
from bench.progress import PlainProgress
from bench.records.store import load
from bench.run import run_experiment
from benchmarks.thin_cracks import write_thin_cracks
from search_spaces.space import Space


def experiment(data: Path, asked: argparse.Namespace) -> Experiment:
    backbone = () if asked.architecture == "plain_unet" else (asked.backbone,)
    weights = ("imagenet",) if backbone else ("none",)
    space = Space(
        architecture=(asked.architecture,), backbone=backbone, encoder_weights=weights, image_size=(asked.size,),
        view=("whole", "patches"), learning_rate=(asked.learning_rate,),
    )  # fmt: skip
    protocol = Protocol(
        steps=asked.steps,
        folds=asked.folds,
        final_seeds=asked.seeds,
        finalists=1,
        evaluation_size=asked.evaluation_size,
    )
    return Experiment(
        name=asked.name, space=space, data=Data(path=str(data)), search="compare", trials=None, protocol=protocol
    )


def table(directory: Path) -> str:
    run = load(directory)
    held = finals(run)
    if not isinstance(held, Finals):
        return f"no comparison: {held.reason}"
    size = run.experiment["protocol"]["evaluation_size"]  # type: ignore[index]
    lines = [
        f"{held.scored} images out of fold at {size} px, {len(held.seeds)} seed(s)",
        "",
        "| view | IoU | seconds a training | seconds an image |",
        "|---|---|---|---|",
    ]
    for each in held.ranking:
        view, interval = each.candidate.hyperparameters["view"], each.interval
        score = within(each.score, interval.low, interval.high)
        lines.append(f"| {view} | {score} | {each.train_s or 0:.0f} | {each.latency_s or 0:.2f} |")
    for first, second, difference, p in held.pairs:
        low, high = difference.interval.low, difference.interval.high
        views = [each.candidate.hyperparameters["view"] for each in (first, second)]
        lines += ["", f"{views[0]} - {views[1]}: {signed_within(difference.value, low, high)}, p = {p:.2g}"]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a data set of your own")
    parser.add_argument("--count", type=int, default=8, help="photographs that are drawn")
    parser.add_argument("--side", type=int, default=2000, help="their longest side, pixels")
    parser.add_argument("--architecture", default="unet_slim")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, default=128, help="of the network's input, pixels")
    parser.add_argument("--evaluation-size", type=int, help="pixels; left out: by the rule for patches")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--name", default="patches")
    parser.add_argument("--results", type=Path, default=Path("results"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="segbench-") as scratch:
        data = asked.data
        if data is None:
            data = Path(scratch) / "cracks"
            write_thin_cracks(data, count=asked.count, side=asked.side)
        run_experiment(
            experiment(data, asked),
            results=asked.results,
            reports=asked.results.with_name("reports"),
            command="benchmarks/patches.py",
            resume=False,
            progress=PlainProgress(print),
        )
    print(table(asked.results / asked.name))


if __name__ == "__main__":
    main()
