"""`python -m bench verify`: from photographs in a folder to the counts that are on record."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bench.cli import app
from bench.datasets import open_dataset
from bench.datasets.cache import write_cache
from bench.datasets.images import read_image
from bench.delivery.deliver import deliver_here
from bench.exchange.scoring import score_masks
from bench.experiments import load_experiment, override
from bench.records.store import RunStore, load
from tests.delivery import made
from tests.delivery.made import EVALUATION_SIZE, SIZE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a folder of photographs of several sizes, one of them stored rotated, with a delivered model."""
    root = tmp_path_factory.mktemp("verified")
    for folder in ("photos/images", "photos/masks"):
        (root / folder).mkdir(parents=True)
    for number, picture in enumerate(made.photographs()):
        image = Image.fromarray(picture)
        exif = image.getexif()
        if number == 1:
            exif[0x0112] = 6
            image = Image.fromarray(np.rot90(picture).copy())
        image.save(root / f"photos/images/p{number}.jpg", quality=95, exif=exif)
        Image.fromarray(made.truth_of(picture, 1) * 255).save(root / f"photos/masks/p{number}.png")
    directory = made.made_run(root)
    experiment = override(load_experiment("transfer"), data=str(root / "photos"))
    store = RunStore(directory)
    protocol = experiment.protocol.model_copy(update={"evaluation_size": EVALUATION_SIZE})
    store.write_experiment(experiment.model_copy(update={"protocol": protocol}).model_dump(mode="json"))
    store.write(replace(load(directory).dataset, path=str(root / "photos")))
    data = open_dataset(root / "photos", experiment.data.options)
    ids = [sample.id for sample in data.samples]
    write_cache(data, ids, [SIZE, EVALUATION_SIZE], root / "pixels", fingerprint="made up")
    record = made.record_of(made.save_members(directory, [made.PLAIN_UNET], SIZE, num_classes=1), SIZE)
    store.write(deliver_here(directory, record, root / "pixels", ids, EVALUATION_SIZE, lambda text: None))
    return directory


def verify(directory: Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["verify", str(directory)])
    return result.exit_code, result.stdout, result.stderr


def test_the_photographs_themselves_give_the_recorded_counts_to_the_pixel(directory: Path) -> None:
    found = sum(per_class[1].tp + per_class[1].fp for per_class in load(directory).delivery.test.values())
    assert found > 0
    code, said, errors = verify(directory)
    assert (code, errors) == (0, "")
    assert said.startswith(f"the model of {directory} reproduces every recorded count")


def test_masks_that_predict_writes_as_scored_are_counted_again_without_any_difference(
    directory: Path, tmp_path: Path
) -> None:
    photos = directory.parents[1] / "photos"
    words = ["predict", str(directory), str(photos / "images"), "-o", str(tmp_path / "test"), "--as-scored"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    run = load(directory)
    data = open_dataset(photos, load_experiment("transfer").data.options)
    ids = tuple(sample.id for sample in data.samples)
    held_out = replace(run, split=replace(run.split, test=ids, folds=(("a",), ("b",))))
    record = score_masks(held_out, data, tmp_path, name="the run itself")
    assert record.test == dict(run.delivery.test)
    assert record.out_of_fold == {}


def test_a_photograph_that_changed_and_one_that_is_gone_are_named(directory: Path) -> None:
    images = directory.parents[1] / "photos" / "images"
    kept = (images / "p0.jpg").read_bytes(), (images / "p2.jpg").read_bytes()
    Image.fromarray(255 - read_image(images / "p0.jpg")[0]).save(images / "p0.jpg")
    (images / "p2.jpg").unlink()
    code, _, errors = verify(directory)
    (images / "p0.jpg").write_bytes(kept[0])
    (images / "p2.jpg").write_bytes(kept[1])
    assert code == 2
    assert "p0.jpg: tp/fp/fn of foreground" in errors
    assert "p2.jpg: is not in" in errors
    assert "(2 differences)" in errors
