"""What does a budget buy? From decoded files to a model that can predict, scored on the locked images: this project and its peers.

    python benchmarks/anytime.py --data PATH [--data ...] --minutes 5 15 60 [--tools ...] [--seeds 0 1 2] [--out FILE]

Tools (each run is a process of its own, and has the whole budget; none is read off a longer one):
    segbench      python -m bench run --budget; the delivered ensemble, as its own record counts it
    default       the default recipe alone, one training on all development images for as long as there is time
    keras_tuner   plain kt.Hyperband over the same space, `get_best_models(1)`, Keras Tuner's defaults
    random        random search on a third of the budget, its best configuration trained again for the rest
    optuna_smp    Optuna over segmentation-models-pytorch (search_torch.py), with --torch-python

Every finished run is appended to --out with machine and commit, and is not run again: hours of it can be measured in pieces. Normalised
regret is (best known - IoU) / (best known - mean mask), where the best known is the best of all recorded runs on that set. Prints a table,
writes a figure with --figure, and prints one JSON object as its last line.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from tabulate import tabulate

from bench.evaluation.metrics import pool, summarise
from bench.progress import PlainProgress
from bench.records.environment import current_environment
from bench.records.store import load

HERE = Path(__file__).parent
TOOLS = ("segbench", "default", "random", "keras_tuner", "optuna_smp")
SIZE = 192
CLOSING_S = 10.0
"""What a child leaves of its budget for its last scores."""


def main() -> None:
    arguments = _arguments()
    if arguments.child:
        print(json.dumps(_child(arguments.child, arguments.data[0], 60 * arguments.minutes[0], arguments.seeds[0])))
        return
    done = _recorded(arguments.out)
    wanted = [
        {"data": Path(data).resolve().name, "path": data, "tool": tool, "minutes": minutes, "seed": seed}
        for minutes in arguments.minutes
        for seed in arguments.seeds
        for data in arguments.data
        for tool in arguments.tools
    ]
    for run in wanted:
        if not any(all(each[key] == run[key] for key in ("data", "tool", "minutes", "seed")) for each in done):
            began = time.monotonic()
            result = _run(run, arguments)
            result |= {"wall_s": time.monotonic() - began, "machine": _machine(), "commit": _commit()}
            done.append({key: value for key, value in run.items() if key != "path"} | result)
            with arguments.out.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
            print(
                f"{run['data']} {run['tool']} {run['minutes']} min, seed {run['seed']}: {result['test_iou']}",
                flush=True,
            )
    _say(done, arguments.figure)


def _run(run: dict, arguments: argparse.Namespace) -> dict:
    """Figures of one run; an IoU of None where it left no model."""
    if run["tool"] == "segbench":
        return _segbench(run)
    if run["tool"] == "optuna_smp":
        return _optuna(run, arguments.torch_python)
    command = [sys.executable, __file__, "--child", run["tool"], "--data", run["path"]]
    command += ["--minutes", str(run["minutes"]), "--seeds", str(run["seed"])]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(ended.stdout.splitlines()[-1]) if ended.returncode == 0 else {"test_iou": None}


def _segbench(run: dict) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        command = [
            sys.executable,
            "-m",
            "bench",
            "run",
            "--data",
            run["path"],
            "--budget",
            f"{run['minutes'] * 60:.0f}s",
        ]
        command += ["--seed", str(run["seed"]), "--name", "anytime", "--results", str(results)]
        ended = subprocess.run(
            [*command, "--reports", f"{folder}/reports"], stdout=subprocess.PIPE, text=True, check=False
        )
        if not (results / "anytime" / "delivery.json").is_file():
            return {"test_iou": None, "said": ended.stdout[-300:]}
        record = load(results / "anytime")
    assert record.delivery is not None
    classes = record.dataset.classes
    plain = next(e for e in record.evaluations if e.reference == "mean_mask" and e.split == "test")
    return {
        "test_iou": summarise(pool(record.delivery.test.values()), classes)["iou"],
        "out_of_fold_iou": summarise(pool(record.delivery.out_of_fold.values()), classes)["iou"],
        "mean_mask": summarise(pool(plain.counts.values()), classes)["iou"],
        "candidates": len(record.finals.contestants) if record.finals else 0,
        "members": len(record.delivery.members),
        "trainings": len(record.trainings),
        "steps": record.finals.epochs * (record.finals.steps_per_epoch or 0) if record.finals else None,
    }


def _child(tool: str, data: str, budget_s: float, seed: int) -> dict:
    """One peer, in this process's own time: its budget began when the process did."""
    deadline = time.monotonic() + budget_s - CLOSING_S
    with tempfile.TemporaryDirectory() as folder:
        if tool == "keras_tuner":
            return _keras_tuner(data, seed, deadline, Path(folder))
        return _own_engine(tool, data, seed, deadline, Path(folder))


def _prepared(data: str, scratch: Path):
    from bench.experiments import load_experiment, override
    from bench.run.setup import prepare

    experiment = override(load_experiment("transfer"), data=data)
    silent = PlainProgress(write=lambda line: None)
    return experiment, prepare(experiment.data, experiment.protocol, (SIZE,), scratch, silent)


def _own_engine(tool: str, data: str, seed: int, deadline: float, scratch: Path) -> dict:
    """The default recipe, or the best of a random search, trained for the rest of the time on all development images."""
    from dataclasses import replace

    from bench.engine.spec import TrialSpec
    from bench.engine.worker import TrialWorker
    from search_spaces.portfolio import portfolio

    experiment, material = _prepared(data, scratch)
    setup = material.trial_setup(experiment.protocol)
    development = tuple(sorted({*material.split.train, *material.split.val}))
    values = portfolio(experiment.space)[0]
    with TrialWorker(setup, scratch / "worker.log") as worker:
        if tool == "random":
            values = _random_search(
                worker, experiment.space, seed, time.monotonic() + (deadline - time.monotonic()) / 3
            )
    # Length: one epoch of a first training tells what the others cost.
    with TrialWorker(replace(setup, train_ids=development), scratch / "worker.log") as worker:

        def spec(epochs: int) -> TrialSpec:
            return TrialSpec(
                study_id="study", trial_id=str(epochs), hyperparameters=values, seed=seed, epochs=epochs, search_folds=1
            )

        probe = worker.run(replace(spec(1), fold=0, probe=True)).record
        step_s = probe.train_s / 5
        epochs = max(1, int((deadline - time.monotonic() - 5) / (1.05 * step_s + 0.1) / setup.steps_per_epoch))
        outcome = worker.run(spec(epochs))
        scored = worker.score(spec(epochs), worker.model(), material.split.test)
    iou = summarise(pool(scored.counts.values()), material.dataset.classes)["iou"]
    return {"test_iou": iou, "steps": epochs * setup.steps_per_epoch, "error": outcome.record.error, "recipe": values}


def _random_search(worker, space, seed: int, deadline: float) -> dict:
    """The best of independent draws, each trained for 100 steps."""
    import keras_tuner as kt

    from bench.engine.spec import TrialSpec
    from bench.tuners import ORACLES
    from bench.tuners.keras_tuner import ask
    from search_spaces.segmentation import SegmentationHyperModel

    oracle = ORACLES["random"].make(SegmentationHyperModel(space, 2).declare(kt.HyperParameters()), seed, 4)
    best, values = -1.0, {}
    while time.monotonic() < deadline:
        proposal = ask(oracle)
        spec = TrialSpec(
            study_id="search", trial_id=proposal.trial_id, hyperparameters=proposal.values, seed=seed, epochs=4,
            time_limit_s=2 * (deadline - time.monotonic()),
        )  # fmt: skip
        record = worker.run(spec).record
        iou = record.val_metrics.get("iou") or 0.0
        if iou > best or not values:
            best, values = iou, dict(proposal.values)
    return values


def _keras_tuner(data: str, seed: int, deadline: float, scratch: Path) -> dict:
    """Hyperband as one would write it, stopped when the time is over; its best model as Keras Tuner hands it out."""
    import keras
    import keras_tuner as kt

    from search_spaces.segmentation import SegmentationHyperModel

    experiment, material = _prepared(data, scratch)
    pixels, split = material.pixels(), material.split
    num_classes = len(material.dataset.classes) + 1

    def arrays(ids):
        rows = pixels.rows(ids)
        masks = pixels.masks[rows][..., None]
        truth = masks.astype("float32") if num_classes == 2 else keras.utils.to_categorical(masks, num_classes)
        return pixels.images[rows], truth

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if time.monotonic() > deadline:
                raise kt.errors.FatalError("the budget is over")

    space = experiment.space.model_copy(update={"image_size": (SIZE,)})
    tuner = kt.Hyperband(
        SegmentationHyperModel(space, num_classes),
        objective=kt.Objective("val_loss", "min"),
        max_epochs=40,
        seed=seed + 1,
        directory=scratch / "tuner",
    )
    try:
        train, val = arrays(split.train), arrays(split.val)
        tuner.search(*train, validation_data=val, batch_size=8, callbacks=[Stop()], verbose=0)
    except kt.errors.FatalError:
        pass
    try:
        model = tuner.get_best_models(1)[0]
    except (IndexError, ValueError, OSError) as error:
        return {"test_iou": None, "error": str(error)[:200]}
    images, _ = arrays(split.test)
    return {"test_iou": _iou_of(model.predict(images, verbose=0), pixels, split.test, num_classes)}


def _iou_of(probabilities: np.ndarray, pixels, ids, num_classes: int) -> float:
    from bench.evaluation.counting import confusion_of, counts_of
    from bench.evaluation.postprocess import class_ids

    rows = pixels.rows(ids)
    masks = class_ids(probabilities, 0.5)
    counts = [
        counts_of(confusion_of(pixels.masks[row], mask, pixels.valid[row], num_classes))
        for row, mask in zip(rows, masks, strict=True)
    ]
    return summarise(pool(counts), [str(number) for number in range(1, num_classes)])["iou"] or 0.0


def _optuna(run: dict, torch_python: str | None) -> dict:
    if torch_python is None:
        raise SystemExit("optuna_smp needs --torch-python (benchmarks/search_12min.py says what is in it)")
    with tempfile.TemporaryDirectory() as folder:
        _, material = _prepared(run["path"], Path(folder))
        pixels, split = material.pixels(), material.split
        parts = {"train": split.train, "val": split.val, "test": split.test}
        chosen = {
            f"{name}/{what}": getattr(pixels, what)[pixels.rows(ids)]
            for name, ids in parts.items()
            for what in ("images", "masks", "valid")
        }
        np.savez(Path(folder) / "pixels.npz", **chosen)
        command = [torch_python, HERE / "search_torch.py", Path(folder) / "pixels.npz"]
        command += [str(60 * run["minutes"] - CLOSING_S), str(run["seed"])]
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(ended.stdout.splitlines()[-1]) if ended.returncode == 0 else {"test_iou": None}


def _say(done: list[dict], figure: Path | None) -> None:
    best = defaultdict(float)
    mean_mask = defaultdict(float)
    for each in done:
        best[each["data"]] = max(best[each["data"]], each["test_iou"] or 0.0)
        mean_mask[each["data"]] = max(mean_mask[each["data"]], each.get("mean_mask") or 0.0)
    cells = defaultdict(list)
    for each in done:
        cells[each["data"], each["minutes"], each["tool"]].append(each)
    rows, told = [], {}
    for (data, minutes, tool), runs in sorted(cells.items()):
        ious = [each["test_iou"] or 0.0 for each in runs]
        regret = mean((best[data] - iou) / max(1e-9, best[data] - mean_mask[data]) for iou in ious)
        spread = stdev(ious) if len(ious) > 1 else None
        wall = mean(each["wall_s"] for each in runs) / 60
        rows.append([data, minutes, tool, len(runs), mean(ious), spread, min(ious), max(ious), regret, wall])
        told[f"{data}/{minutes}/{tool}"] = {"test_iou": mean(ious), "runs": len(runs), "regret": regret}
    heads = ["set", "budget, min", "tool", "runs", "test IoU", "sd", "worst", "best", "regret", "took, min"]
    print(tabulate(rows, heads, floatfmt=".3f"))
    if figure is not None:
        _draw(cells, figure)
    print(json.dumps(told))


def _draw(cells: dict, path: Path) -> None:
    import matplotlib.pyplot as plt

    sets = sorted({data for data, _, _ in cells})
    _, panels = plt.subplots(1, len(sets), figsize=(4 * len(sets), 3.4), squeeze=False, layout="constrained")
    for axes, data in zip(panels[0], sets, strict=True):
        for tool in sorted({tool for name, _, tool in cells if name == data}):
            points = sorted(
                (m, [r["test_iou"] or 0.0 for r in runs]) for (d, m, t), runs in cells.items() if (d, t) == (data, tool)
            )
            middle = [mean(values) for _, values in points]
            axes.plot(
                [m for m, _ in points], middle, marker="o", label=tool, linewidth=2.5 if tool == "default" else 1.5
            )
            for minutes, values in points:
                axes.plot([minutes, minutes], [min(values), max(values)], color="0.6", linewidth=1, zorder=0)
        axes.set(title=data, xscale="log", xlabel="budget, minutes", ylabel="IoU on the locked images")
        axes.set_xticks(
            sorted({m for d, m, _ in cells if d == data}), labels=sorted({m for d, m, _ in cells if d == data})
        )
        axes.minorticks_off()
    panels[0][0].legend(frameon=False)
    plt.savefig(path, dpi=150)


def _recorded(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[1]:.1f}"


def _commit() -> str | None:
    return current_environment("", "float32").commit


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--minutes", nargs="+", type=float, default=[15.0])
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=["segbench", "default"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--out", type=Path, default=Path("anytime.jsonl"))
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--torch-python")
    parser.add_argument("--child", choices=TOOLS, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
