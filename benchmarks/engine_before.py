"""Whether trials cost more than in another checkout: the same trials, in turns, in seconds of the processor.

    git worktree add ../before 7515af7      # the last commit before records, files and machines were guarded
    python benchmarks/engine_before.py --before ../before [--repeats 3]

Each turn is a process of its own, with one worker that trains `trial_engine.trial_list` of two networks on the sample
set: every network for 2 epochs twice and for 6 epochs twice. Seconds are those of the worker process, user and system,
of all its threads: a neighbour that takes the cores counts less than it does on the clock. `first` is a network's first
trial, with building and compiling; `later` are the others. Of the repeats the least counts, of each trial apart. The
last line is JSON; its `ratio` is here / before.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from tabulate import tabulate

NETWORKS = (("linknet", "mobilenetv2"), ("unet", "resnet18"))
HERE = Path(__file__).resolve().parent.parent
Turn = Sequence[Mapping[str, float | str]]
"""A row a trial: `name`, `cpu_s`, `first`."""


def main() -> None:
    arguments = _arguments()
    if arguments.timed:
        print(json.dumps(timed()))
        return
    checkouts = {"here": HERE, "before": arguments.before.resolve()}
    turns: dict[str, list[Turn]] = {name: [] for name in checkouts}
    for number in range(arguments.repeats):
        for name in list(checkouts)[:: 1 if number % 2 else -1]:
            turns[name].append(_turn(checkouts[name]))
            print(f"turn {number + 1} {name}: {sum(float(row['cpu_s']) for row in turns[name][-1]):.2f} s", flush=True)
    found = {name: {kind: least_s(of, kind) for kind in ("first", "later")} for name, of in turns.items()}
    for each in found.values():
        each["all"] = each["first"] + each["later"]
    ratios = {kind: found["here"][kind] / found["before"][kind] for kind in ("first", "later", "all")}
    rows = [[kind, *(found[name][kind] for name in found), ratio] for kind, ratio in ratios.items()]
    heads = ["trials", "here, s", "before, s", "ratio"]
    print(tabulate(rows, heads, floatfmt=("", ".2f", ".2f", ".3f"), tablefmt="github"))
    print(json.dumps({"cpu_s": found, "repeats": arguments.repeats, "ratio": ratios["all"]}))


def least_s(turns: Sequence[Turn], kind: str) -> float:
    """Seconds of all trials of a kind, each in its cheapest turn."""
    return sum(
        min(float(row["cpu_s"]) for row in of_trial)
        for of_trial in zip(*turns, strict=True)
        if bool(of_trial[0]["first"]) == (kind == "first")
    )


def timed() -> Turn:
    """By whichever checkout is imported."""
    import bench
    from bench.engine.worker import TrialWorker

    assert Path(bench.__path__[0]).parent == Path.cwd(), f"{bench.__path__} is not the checkout {Path.cwd()}"
    from setting import worker_setup
    from trial_engine import LONG, SIZE, trial_list

    rows: list[Mapping[str, float | str]] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        setup = worker_setup("sample", SIZE, scratch, epochs=LONG, train_images=49, batch_norm="keras")
        with TrialWorker(setup, scratch / "engine.log") as worker:
            worker.device()
            process = psutil.Process(worker.process_id)
            for spec in trial_list(NETWORKS):
                before_s = _processor_s(process)
                record = worker.run(spec, lambda epoch: None).record
                assert record.status == "COMPLETED", record.error
                name = f"{spec.trial_id} {spec.hyperparameters['architecture']}, {record.epochs_run} epochs"
                rows.append({"name": name, "cpu_s": _processor_s(process) - before_s, "first": not record.graph_reused})
    return rows


def _processor_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _turn(checkout: Path) -> Turn:
    paths = os.pathsep.join(map(str, (checkout, checkout / "benchmarks")))
    done = subprocess.run(
        [sys.executable, __file__, "--timed"],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{checkout}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--timed", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
