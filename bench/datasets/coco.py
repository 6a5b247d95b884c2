from pathlib import Path

from bench.datasets.dataset import DataOptions, Dataset


def recognises(root: Path) -> bool:
    return False


def read(root: Path, options: DataOptions) -> Dataset:
    raise NotImplementedError
