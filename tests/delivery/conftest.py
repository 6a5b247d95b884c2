"""One delivered model for all tests of this folder: making it takes half a minute."""

from pathlib import Path

import pytest

from bench.delivery.artefact import write
from bench.delivery.deliver import deliver
from bench.delivery.model import SegmentationModel, load_model
from bench.records import DeliveryRecord
from bench.records.store import RunStore
from tests.delivery import made
from tests.delivery.made import EVALUATION_SIZE, SIZE

Delivered = tuple[Path, DeliveryRecord, list[str]]


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    """A run with an ensemble of two architectures, one of which counts twice; its record; what was told meanwhile."""
    root = tmp_path_factory.mktemp("delivered")
    directory = made.made_run(root)
    first, second = made.save_members(directory, [made.PLAIN_UNET, made.MOBILENET], SIZE, num_classes=1)
    cache, ids = made.write_pixels(root, [SIZE, EVALUATION_SIZE])
    said: list[str] = []
    record = deliver(
        directory,
        made.record_of([first, second, second], SIZE),
        cache_directory=cache,
        test_ids=ids,
        evaluation_size=EVALUATION_SIZE,
        tell=said.append,
    )
    RunStore(directory).write(record)
    return directory, record, said


@pytest.fixture(scope="session")
def model(delivered: Delivered) -> SegmentationModel:
    return load_model(delivered[0])


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with a model of one small network, for tests that load it often."""
    directory = made.made_run(tmp_path_factory.mktemp("small"))
    members = made.save_members(directory, [made.PLAIN_UNET], SIZE, num_classes=1)
    write(
        directory / "model",
        name="made-up",
        members=members,
        weights_folder=directory,
        classes=("damage",),
        image_size=SIZE,
        evaluation_size=EVALUATION_SIZE,
        flips=False,
        threshold=0.5,
        smallest_object=0.002,
    )
    return directory


@pytest.fixture(scope="session")
def small_model(small: Path) -> SegmentationModel:
    return load_model(small)
