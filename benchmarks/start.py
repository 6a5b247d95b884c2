"""From the command to the first training step: where does the time go?

    python benchmarks/start.py --data PATH [--repeats 3]

Starts `run --data PATH --budget 15m` in a separate process, as the command line does, notes when each stage starts, and
ends it after the default configuration's first step. Processor seconds are those of the driver and its worker together,
so that other load shows in the seconds alone; those of the last line include five more steps. The first of the repeats
also reads files that the others find in memory. Prints a table of medians and, as its last line, one JSON object.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

import psutil
from tabulate import tabulate

ROOT = Path(__file__).parents[1]
MEASURED = "note: a step of the default configuration takes"
"""A run's message after its probe; the line ends with the seconds of the first step, building the network included."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = defaultdict(list)
    processor: dict[str, list[float]] = defaultdict(list)
    for number in range(arguments.repeats):
        for stage, wall_s, cpu_s in stages(arguments.data):
            seconds[stage].append(wall_s)
            processor[stage].append(cpu_s)
        print(f"repeat {number + 1} of {arguments.repeats}", file=sys.stderr)
    rows = [[stage, median(seconds[stage]), median(processor[stage])] for stage in seconds]
    rows.append(["all", *(sum(row[column] for row in rows) for column in (1, 2))])
    print(tabulate(rows, ["until the next stage", "s", "processor s"], floatfmt=".1f"))
    print(json.dumps({stage: {"s": wall_s, "cpu_s": cpu_s} for stage, wall_s, cpu_s in rows}))


def stages(data: str) -> list[tuple[str, float, float]]:
    """(stage, seconds, processor seconds) of one start, in order."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench", "run", "--data", str(Path(data).resolve()), "--budget", "15m"]
        command += ["--name", "start", "--results", f"{folder}/results", "--reports", f"{folder}/reports"]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
        began = time.monotonic()
        run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            return _until_measured(run, began)
        finally:
            run.send_signal(signal.SIGTERM)
            run.communicate()


def _until_measured(run: subprocess.Popen, began: float) -> list[tuple[str, float, float]]:
    found, stage, since, spent = [], "starting Python, imports", began, 0.0
    process = psutil.Process(run.pid)
    assert run.stdout is not None
    for line in run.stdout:
        now, used = time.monotonic(), _processor_s(process)
        if line.startswith(MEASURED):
            first_s = float(line.rsplit(" ", 2)[-2])
            found.append(("building the network and its first step", first_s, used - spent))
            return found
        if line.startswith(("note:", "warning:", " ")) or ":" in line:
            continue
        found.append((stage, now - since, used - spent))
        stage, since, spent = line.strip(), now, used
    raise SystemExit(f"the run ended before its first step, with exit code {run.wait()}")


def _processor_s(process: psutil.Process) -> float:
    """Of the process and of all that it started and that still run."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


if __name__ == "__main__":
    main()
