"""What does a budget buy? This project and its peers, from decoded files to a model, scored on the held-out images.

    python benchmarks/anytime.py --data PATH [PATH ...] --minutes 5 15 60 [--tools ...] [--seeds 0 1 2]
                                 [--out FILE] [--figure FILE]

Tools (each run is a separate process with the whole budget; none is read off a longer one; `default`, `seeds` and
`random` average the predictions of an image and its mirrored copy):
    segbench      python -m bench run --budget; the delivered model, with the counts of its own record
    default       the default configuration alone: one training on all development images for as long as there is time
    seeds         the default configuration with several seeds, at most five, on all development images; their mean
    random        random search on a third of the budget, its best configuration trained again for the rest
    keras_tuner   plain kt.Hyperband over the same space by validation IoU, `get_best_models(1)`, Keras Tuner's defaults
    optuna_smp    Optuna over segmentation-models-pytorch with the same encoder weights (anytime_torch.py), its best
                  trained again; needs --torch-python
    nnunet        nnU-Net v2, 2d, on all development images, planned, preprocessed and trained within the budget, its
                  epochs and iterations fitted to it, random initial weights (anytime_nnunet.py); needs --nnunet-python

A run starts with its process and is late if it takes more than 1.05 of its minutes. All tools have the same images and
are scored at the run's evaluation size, the largest image size of the space. All but nnU-Net have the same encoder
weights and augmentation. The peers are in anytime_peers.py.

Every finished run is appended to --out with machine, commit, processor seconds and the counts of each held-out image.
It is not run again, so that hours can be measured in pieces. A run without a model counts as the mean mask. The
difference to `default` is paired; its 95 % interval is over images and seeds (`bench.evaluation.statistics`; over
images alone with one seed). Normalised regret is (best known - IoU) / (best known - mean mask); the best known is the
best of all recorded runs on that set. Prints a table and, as its last line, one JSON object.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from counted_lines import (
    Counts,
    Line,
    append,
    counts_from,
    difference,
    figures_of,
    pooled_iou,
    recorded,
    said,
    told,
)
from tabulate import tabulate

from bench.records.environment import current_environment
from bench.records.store import load

HERE = Path(__file__).parent
TOOLS = ("segbench", "default", "seeds", "random", "keras_tuner", "optuna_smp", "nnunet")
ELSEWHERE = {"optuna_smp": "torch_python", "nnunet": "nnunet_python"}
"""Tools that run in another interpreter, by the option that names it."""

LATE = 1.05
KEY = ("data", "tool", "minutes", "seed")
"""The key of a run in --out. Its line also has `counts` of the held-out images (None: no model), by image, as [[tp, fp,
fn, tn], ...]."""


def main() -> None:
    arguments = _arguments()
    done = recorded(arguments.out)
    known = {tuple(run[key] for key in KEY) for run in done}
    for minutes in arguments.minutes:
        for seed in arguments.seeds:
            for data in arguments.data:
                for tool in arguments.tools:  # side by side, so that a busy hour is everybody's
                    run = dict(zip(KEY, (Path(data).resolve().name, tool, minutes, seed), strict=True))
                    if tuple(run.values()) in known:
                        continue
                    python = getattr(arguments, ELSEWHERE.get(tool, ""), None)
                    done.append(run | measured(run, data, python))
                    append(arguments.out, done[-1])
                    print(f"{' '.join(map(str, run.values()))}: {test_iou(done[-1])}", flush=True)
    say(done, arguments.figure)


def measured(run: Line, data: str, python: str | None) -> Line:
    """The result of a run and its costs; `python` is the interpreter of a tool that needs another one."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    result = _segbench(run, data) if run["tool"] == "segbench" else _peer(run, data, python)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return result | {
        "wall_s": time.monotonic() - began,
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[1]:.1f}",
        "commit": current_environment("", "float32").commit,
    }


def _peer(run: Line, data: str, python: str | None) -> Line:
    command = [sys.executable, HERE / "anytime_peers.py", run["tool"], data, str(60 * run["minutes"]), str(run["seed"])]
    command += [python] if python else []
    ended = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
    if ended.returncode:
        return {"counts": None, "error": ended.stderr.strip()[-500:]}
    return json.loads(ended.stdout.splitlines()[-1])


def _segbench(run: Line, data: str) -> Line:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        command = [sys.executable, "-m", "bench", "run", "--data", data, "--budget", f"{60 * run['minutes']:.0f}s"]
        command += ["--seed", str(run["seed"]), "--name", "anytime", "--results", str(results)]
        command += ["--reports", f"{folder}/reports"]
        ended = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
        if not (results / "anytime" / "delivery.json").is_file():
            return {"counts": None, "error": (ended.stderr or ended.stdout).strip()[-500:]}
        record = load(results / "anytime")
    assert record.delivery is not None
    plain = next(e for e in record.evaluations if e.reference == "mean_mask" and e.split == "test")
    return {
        "counts": told(record.delivery.test),
        "out_of_fold_iou": pooled_iou(record.delivery.out_of_fold),
        "mean_mask": pooled_iou(plain.counts),
        "candidates": len(record.finals.candidates) if record.finals else 0,
        "members": len(record.delivery.members),
        "networks": [member.weights for member in record.delivery.members],  # their names end with fold or length
        "recipe": record.delivery.members[0].hyperparameters,
        "trainings": len(record.trainings),
        "steps": record.finals.epochs * (record.finals.steps_per_epoch or 0) if record.finals else None,
    }


def _environment() -> dict[str, str]:
    """With this checkout first, whatever is installed."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))}


def test_iou(run: Line) -> float | None:
    """None where the run left no model."""
    return None if run["counts"] is None else pooled_iou(counts_from(run["counts"]))


def by_seed(runs: Sequence[Line]) -> dict[int, Counts]:
    return {run["seed"]: counts_from(run["counts"]) for run in runs if run["counts"] is not None}


def say(done: Sequence[Line], figure: Path | None) -> None:
    best: dict[str, float] = defaultdict(float)
    mean_mask: dict[str, float] = {}
    cells: dict[tuple, list[Line]] = defaultdict(list)
    for run in done:
        best[run["data"]] = max(best[run["data"]], test_iou(run) or 0.0)
        if run.get("mean_mask") is not None:
            mean_mask[run["data"]] = run["mean_mask"]
        cells[run["data"], run["minutes"], run["tool"]].append(run)
    rows, figures = [], {}
    for (data, minutes, tool), runs in sorted(cells.items()):
        floor = mean_mask.get(data, 0.0)
        ious = [floor if (found := test_iou(run)) is None else found for run in runs]
        regret = mean(min(1.5, (best[data] - value) / max(1e-9, best[data] - floor)) for value in ious)
        reference = by_seed(cells.get((data, minutes, "default"), []))
        gain = difference(by_seed(runs), reference) if tool != "default" else None
        failed, late = (
            sum(run["counts"] is None for run in runs),
            sum(run["wall_s"] > 60 * LATE * minutes for run in runs),
        )
        took, cpu = mean(run["wall_s"] for run in runs) / 60, mean(run["cpu_s"] for run in runs) / 60
        spread = stdev(ious) if len(ious) > 1 else None
        rows.append([data, minutes, tool, len(runs), mean(ious), spread, said(gain), regret, took, cpu, failed, late])
        figures["/".join(map(str, (data, minutes, tool)))] = {
            "test_iou": mean(ious),
            "runs": len(runs),
            "regret": regret,
            "to_default": figures_of(gain),
            "failed": failed,
            "late": late,
        }
    heads = ["set", "budget, min", "tool", "runs", "test IoU", "sd", "minus default (95 %)", "regret"]
    print(tabulate(rows, [*heads, "took, min", "processor, min", "no model", "late"], floatfmt=".3f"))
    if figure is not None:
        _draw(cells, mean_mask, figure)
    print(json.dumps(figures))


def _draw(cells: Mapping[tuple, Sequence[Line]], mean_mask: Mapping[str, float], path: Path) -> None:
    import matplotlib.pyplot as plt

    sets = sorted({data for data, _, _ in cells})
    _, panels = plt.subplots(1, len(sets), figsize=(4 * len(sets), 3.4), squeeze=False, layout="constrained")
    for axes, data in zip(panels[0], sets, strict=True):
        for tool in sorted({tool for name, _, tool in cells if name == data}):
            points = sorted(
                (m, [mean_mask.get(data, 0.0) if (found := test_iou(run)) is None else found for run in runs])
                for (d, m, t), runs in cells.items()
                if (d, t) == (data, tool)
            )
            thick = 2.5 if tool == "default" else 1.5
            axes.plot([m for m, _ in points], [mean(v) for _, v in points], marker="o", label=tool, linewidth=thick)
            for minutes, values in points:
                axes.plot([minutes, minutes], [min(values), max(values)], color="0.6", linewidth=1, zorder=0)
        axes.set(title=data, xscale="log", xlabel="budget, minutes", ylabel="IoU on the locked images")
        ticks = sorted({minutes for name, minutes, _ in cells if name == data})
        axes.set_xticks(ticks, labels=[f"{minutes:g}" for minutes in ticks])
        axes.minorticks_off()
    panels[0][0].legend(frameon=False)
    plt.savefig(path, dpi=150)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--minutes", nargs="+", type=float, default=[15.0])
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=["segbench", "default"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--out", type=Path, default=Path("anytime.jsonl"))
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--torch-python", help="with what benchmarks/search_12min.py says")
    parser.add_argument("--nnunet-python", help="with nnunetv2")
    arguments = parser.parse_args()
    for tool, option in ELSEWHERE.items():
        if tool in arguments.tools and getattr(arguments, option) is None:
            parser.error(f"{tool} needs --{option.replace('_', '-')}")
    return arguments


if __name__ == "__main__":
    main()
