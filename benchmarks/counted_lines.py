"""What finished runs of a benchmark leave: lines of JSON with the counts of each image, and what follows from them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.evaluation.metrics import iou, mean, pool
from bench.evaluation.resampling import counts_array
from bench.evaluation.statistics import Difference, compare
from bench.records import ClassCounts, Evaluation

Line = dict
"""One finished run or training, as it stands in a file."""

Counts = Mapping[str, Sequence[ClassCounts]]
"""By image: of each class, background first."""


def recorded(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def append(path: Path, line: Line) -> None:
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def told(counts: Counts) -> dict[str, list[list[int]]]:
    """[[tp, fp, fn, tn], ...] by image, as a line has them."""
    return {name: [[c.tp, c.fp, c.fn, c.tn] for c in classes] for name, classes in counts.items()}


def counts_from(told: Mapping[str, Sequence[Sequence[int]]]) -> dict[str, tuple[ClassCounts, ...]]:
    return {
        name: tuple(ClassCounts(tp=tp, fp=fp, fn=fn, tn=tn) for tp, fp, fn, tn in classes)
        for name, classes in told.items()
    }


def pooled_iou(counts: Counts) -> float:
    """Pooled over images, averaged over the foreground classes that occur; 0 where none does."""
    return mean(iou(each) for each in pool(counts.values())[1:]) or 0.0


def difference(ones: Mapping[int, Counts], others: Mapping[int, Counts]) -> Difference | None:
    """The difference of `ones` to `others`, counts by seed, paired over common seeds and images; None without a common
    seed."""
    seeds = sorted(ones.keys() & others.keys())
    if not seeds:
        return None
    rows = [[_evaluation(seed, each[seed]) for seed in seeds] for each in (others, ones)]
    return compare(counts_array(rows), np.random.default_rng(0)).differences_to(0)[0]


def said(gain: Difference | None) -> str:
    return f"{gain.value:+.3f} ({gain.interval.low:+.3f} to {gain.interval.high:+.3f})" if gain else ""


def figures_of(gain: Difference | None) -> list[float] | None:
    """Value, low and high end of its 95 % interval."""
    return [gain.value, gain.interval.low, gain.interval.high] if gain else None


def _evaluation(seed: int, counts: Counts) -> Evaluation:
    return Evaluation(split="test", seed=seed, counts={name: tuple(classes) for name, classes in counts.items()})
