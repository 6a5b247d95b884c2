"""The data of a finished run, found again and known to be the same."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

from bench.datasets import open_dataset
from bench.datasets.audit import fingerprint
from bench.datasets.convert import file_names
from bench.datasets.dataset import Dataset, at_home
from bench.datasets.sample import write_sample_set
from bench.errors import DataError
from bench.experiments import SAMPLE, Experiment, load_stored
from bench.records import Run

TEST = "test"
"""The part of the held-out images; folds are `fold_1`, `fold_2`, ..."""

_SHOWN = 12
"""Digits of a fingerprint that an error shows."""


def experiment_of(run: Run) -> Experiment:
    return load_stored(Path(run.directory) / "experiment.json")


def evaluation_size(run: Run) -> int:
    """The side in pixels of the square on which the run's models are compared."""
    experiment = experiment_of(run)
    return experiment.protocol.evaluation_size or max(experiment.space.image_size)


@contextmanager
def data_of(run: Run, folder: Path | None = None) -> Iterator[Dataset]:
    """The data set of the run, from `folder` or from where the run read it.

    Raises DataError if it is not there, or not what it was, or has not all images of the run's split.
    """
    options = experiment_of(run).data.options
    with tempfile.TemporaryDirectory(prefix="segbench-") as scratch:
        if folder is None and run.dataset.path == SAMPLE:
            folder = Path(scratch) / SAMPLE
            write_sample_set(folder)
        root = folder or Path(run.dataset.path)
        if not at_home(root).is_dir():
            raise DataError(f"the data of run {run.record.name} are not in {root}; say where they are")
        dataset = open_dataset(root, options)
        now, then = fingerprint(dataset, options), run.dataset.fingerprint
        if now != then:
            raise DataError(
                f"{root} is not the data of run {run.record.name}: its fingerprint is {now[:_SHOWN]}, "
                f"the run's {then[:_SHOWN]} ({_first_difference(run, dataset)}); "
                f"give the folder as the run read it ({run.dataset.path})"
            )
        _require_images(run, dataset)
        yield dataset


def _require_images(run: Run, dataset: Dataset) -> None:
    """A split may be a stranger's, and name what was never there."""
    split, here = run.split, {sample.id for sample in dataset.samples}
    for name in chain(split.train, split.val, split.test, *split.folds):
        if name not in here:
            raise DataError(f"{run.directory}/split.json names the image {name[:200]!r}, which {dataset.root} has not")


def _first_difference(run: Run, dataset: Dataset) -> str:
    known = {image.id for image in run.audit.images}
    here = {sample.id for sample in dataset.samples}
    for names, said in (
        (sorted(known - here), "is missing"),
        (sorted(here - known - set(run.dataset.skipped)), "is new"),
    ):
        if names:
            more = f", and {len(names) - 1} more" if len(names) > 1 else ""
            return f"{names[0]} {said}{more}"
    return "the same images, and pixels or masks that changed"


def parts_of(run: Run) -> Mapping[str, tuple[str, ...]]:
    """Ids of images by part: `fold_1`, `fold_2`, ... of the final evaluation, then TEST.

    Raises DataError for a run without folds.
    """
    if len(run.split.folds) < 2:
        raise DataError(f"run {run.record.name} has no folds: it was made before there were any, or has too few images")
    folds = {f"fold_{number}": ids for number, ids in enumerate(run.split.folds, start=1)}
    return {**folds, TEST: run.split.test}


def stems_of(dataset: Dataset, ids: Sequence[str]) -> dict[str, str]:
    """For each id the name without suffix of an image's files for other tools.

    All names differ, even where upper and lower case are the same.
    """
    wanted = set(ids)
    samples = [replace(sample, split=None) for sample in dataset.samples if sample.id in wanted]
    return {name: file.removesuffix(".png") for name, file in file_names(samples).items()}
