"""Whether a delivered model still gives the counts on record, from the image files themselves."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.datasets import open_dataset
from bench.datasets.dataset import Dataset
from bench.datasets.sample import write_sample_set
from bench.delivery.model import SegmentationModel
from bench.delivery.scoring import score_samples
from bench.errors import DataError
from bench.experiments import SAMPLE, load_stored
from bench.records import Run
from bench.records.store import load


def differences(run_directory: Path, model: SegmentationModel) -> Iterator[str]:
    """A line for each held-out test image whose counts are not the recorded ones, or which is gone.

    Another kind of processor may round a pixel at the threshold differently. Raises DataError if the run has no such
    record or its data set is not there.
    """
    run = load(run_directory)
    recorded = run.delivery.test if run.delivery else {}
    if not recorded:
        raise DataError(f"run {run_directory} has no counts of held-out test images by a delivered model")
    with _dataset(run) as dataset:
        samples = [sample for sample in dataset.samples if sample.id in recorded]
        counted = score_samples(model, samples, model.description.evaluation_size, run.dataset.mask_resize)
    for name, counts in recorded.items():
        if name not in counted:
            yield f"{name}: is not in {run.dataset.path} any more"
        elif counted[name] != tuple(counts):
            now, then = (" ".join(f"{c.tp}/{c.fp}/{c.fn}" for c in each[1:]) for each in (counted[name], counts))
            yield f"{name}: tp/fp/fn of foreground {now}, on record {then}"


@contextlib.contextmanager
def _dataset(run: Run) -> Iterator[Dataset]:
    options = load_stored(Path(run.directory) / "experiment.json").data.options
    if run.dataset.path != SAMPLE:
        yield open_dataset(Path(run.dataset.path), options)
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / SAMPLE
        write_sample_set(root)
        yield open_dataset(root, options)
