"""Seconds from a data set's folder to its audit, for images of one megapixel (JPEG) with masks (PNG), in two checkouts.

usage: python benchmarks/reading.py [--before CHECKOUT] [--count 5000] [--side 1000] [--repeats 3] [--classes 1]

Images are drawn once into a temporary folder. Each turn is one process that opens and audits them. With --before the
two checkouts take turns, so that other load slows both. Seconds are processor time of all threads of a turn, without
imports; for each step the least of the repeats counts. Both checkouts must find the same fingerprint. The last line is
JSON; its `ratio` is here / before.

Readers for data as people have it began after commit 27d215b: git worktree add ../before 27d215b
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from tabulate import tabulate

DRAWN = 50
"""Pictures that are drawn; the others are these, shifted: no two are twins, whose masks an audit would compare."""

HERE = Path(__file__).resolve().parent.parent
Turn = Mapping[str, float | str]


def main() -> None:
    arguments = _arguments()
    if arguments.timed:
        print(json.dumps(timed(arguments.timed)))
        return
    checkouts = {"here": HERE} | ({"before": arguments.before.resolve()} if arguments.before else {})
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        num_bytes = draw(root, arguments.count, arguments.side, arguments.classes)
        print(f"{arguments.count} images of {arguments.side}x{arguments.side} pixels, {num_bytes / 1e6:.0f} MB")
        turns: dict[str, list[Turn]] = {name: [] for name in checkouts}
        for number in range(arguments.repeats):
            for name in list(checkouts)[:: 1 if number % 2 else -1]:
                turns[name].append(_turn(checkouts[name], root))
                print(f"turn {number + 1} {name}: {_said(turns[name][-1])}", flush=True)
    _require_one_fingerprint(turns)
    print(table(turns, arguments.count))
    print(json.dumps(summary(turns, arguments.count)))


def draw(root: Path, count: int, side: int, classes: int) -> int:
    """Writes `count` pairs; how many bytes they have."""
    randomness = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    pictures = []
    for _ in range(min(DRAWN, count)):
        coarse = randomness.integers(0, 255, (40, 40, 3), np.uint8)
        image = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        pictures.append(cv2.add(image, randomness.integers(0, 24, image.shape, np.uint8)))
    num_bytes = 0
    for number in range(count):
        image = np.roll(pictures[number % len(pictures)], randomness.integers(0, side, 2).tolist(), axis=(0, 1))
        mask = np.zeros((side, side), np.uint8)
        for class_id in range(1, classes + 1):
            centre = randomness.integers(side // 4, 3 * side // 4, 2).tolist()
            cv2.circle(mask, centre, side // 8, 255 if classes == 1 else class_id, -1)
        for path, content in (
            (root / "images" / f"{number}.jpg", cv2.imencode(".jpg", image)[1].tobytes()),
            (root / "masks" / f"{number}.png", cv2.imencode(".png", mask)[1].tobytes()),
        ):
            path.write_bytes(content)
            num_bytes += len(content)
    return num_bytes


def timed(root: Path) -> Turn:
    """Seconds and processor seconds to open and to audit, by whichever `bench` is imported, and what it found."""
    import bench
    from bench.datasets import DataOptions, open_dataset
    from bench.datasets.audit import audit

    assert Path(bench.__path__[0]).parent == Path.cwd(), f"{bench.__path__} is not the checkout {Path.cwd()}"

    start, cpu_start = time.perf_counter(), time.process_time()
    dataset = open_dataset(root, DataOptions())
    opened, cpu_opened = time.perf_counter(), time.process_time()
    _, identity = audit(dataset, DataOptions())
    return {
        "open_s": opened - start,
        "audit_s": time.perf_counter() - opened,
        "open_cpu_s": cpu_opened - cpu_start,
        "audit_cpu_s": time.process_time() - cpu_opened,
        "fingerprint": identity.fingerprint,
    }


def table(turns: Mapping[str, Sequence[Turn]], count: int) -> str:
    """Milliseconds an image, the least of the turns for each step."""
    rows = []
    for name, runs in turns.items():
        cpu = [_least(runs, f"{step}_cpu_s") for step in ("open", "audit")]
        wall = sum(_least(runs, f"{step}_s") for step in ("open", "audit"))
        rows.append([name, *(1000 * seconds / count for seconds in (*cpu, sum(cpu), wall))])
    heads = ["ms an image", "open, processor", "audit, processor", "both, processor", "both, by the clock"]
    return tabulate(rows, heads, floatfmt=".2f", tablefmt="github")


def summary(turns: Mapping[str, Sequence[Turn]], count: int) -> dict[str, object]:
    """Processor seconds of each checkout and, of two, their ratio."""
    cpu_s = {name: _least(runs, "open_cpu_s") + _least(runs, "audit_cpu_s") for name, runs in turns.items()}
    ratio = cpu_s["here"] / cpu_s["before"] if "before" in cpu_s else None
    return {"images": count, "repeats": len(turns["here"]), "cpu_s": cpu_s, "ratio": ratio}


def _turn(checkout: Path, root: Path) -> Turn:
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, __file__, "--timed", str(root)]
    done = subprocess.run(command, env=environment, cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{checkout}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def _require_one_fingerprint(turns: Mapping[str, Sequence[Turn]]) -> None:
    found = {name: {str(run["fingerprint"]) for run in runs} for name, runs in turns.items()}
    if len(set.union(*found.values())) > 1:
        sys.exit(f"the checkouts read different pixels: {found}")


def _least(runs: Sequence[Turn], name: str) -> float:
    return min(float(run[name]) for run in runs)


def _said(run: Turn) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in run.items() if isinstance(value, float))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--side", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--classes", type=int, default=1)
    parser.add_argument("--timed", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
