"""How long a data set takes from its folder to its audit: images of one megapixel with masks, JPEG and PNG.

usage: python benchmarks/reading.py [--count 5000] [--side 1000] [--repeats 3] [--classes 1]

Pictures are drawn once into a temporary folder; reading and audit are timed apart, the fastest of the repeats counts. The machine's
file cache is warm after the first.
"""

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from bench.datasets import DataOptions, open_dataset
from bench.datasets.audit import audit

DISTINCT = 50
"""Pictures that are drawn; the others are copies with another mask, since drawing takes longer than reading."""


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        num_bytes = draw(root, arguments.count, arguments.side, arguments.classes)
        print(f"{arguments.count} images of {arguments.side}x{arguments.side} pixels, {num_bytes / 1e6:.0f} MB")
        runs = [timed(root) for _ in range(arguments.repeats)]
    for name, row in (("opened", 0), ("audited", 1)):
        seconds = min(run[row] for run in runs)
        print(
            f"{name}: {seconds:.2f} s, {1000 * seconds / arguments.count:.2f} ms an image ({spread([r[row] for r in runs])})"
        )
    both = [sum(run) for run in runs]
    print(f"both: {min(both):.2f} s, {1000 * min(both) / arguments.count:.2f} ms an image ({spread(both)})")


def draw(root: Path, count: int, side: int, classes: int) -> int:
    """Writes `count` pairs; how many bytes they have."""
    randomness = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    photographs = []
    for _ in range(min(DISTINCT, count)):
        coarse = randomness.integers(0, 255, (40, 40, 3), np.uint8)
        image = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        noise = randomness.integers(0, 24, image.shape, np.uint8)
        photographs.append(cv2.imencode(".jpg", cv2.add(image, noise))[1].tobytes())
    num_bytes = 0
    for number in range(count):
        mask = np.zeros((side, side), np.uint8)
        for class_id in range(1, classes + 1):
            centre = randomness.integers(side // 4, 3 * side // 4, 2).tolist()
            cv2.circle(mask, centre, side // 8, 255 if classes == 1 else class_id, -1)
        for path, content in (
            (root / "images" / f"{number}.jpg", photographs[number % len(photographs)]),
            (root / "masks" / f"{number}.png", cv2.imencode(".png", mask)[1].tobytes()),
        ):
            path.write_bytes(content)
            num_bytes += len(content)
    return num_bytes


def timed(root: Path) -> tuple[float, float]:
    """Seconds to open and to audit."""
    start = time.perf_counter()
    dataset = open_dataset(root, DataOptions())
    opened = time.perf_counter()
    audit(dataset, DataOptions())
    return opened - start, time.perf_counter() - opened


def spread(seconds: list[float]) -> str:
    return f"{min(seconds):.2f} to {max(seconds):.2f} s in {len(seconds)} runs"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--side", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--classes", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
