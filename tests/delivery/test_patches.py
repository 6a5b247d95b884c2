"""A delivered model that sees patches: one answer from predict, predict.py and the scores,
and one honest line from export."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bench.cli import app
from bench.datasets.letterbox import letterbox_mask, valid_area
from bench.datasets.native import NATIVE
from bench.delivery import standalone
from bench.delivery.deliver import deliver_here
from bench.delivery.model import load_model
from bench.evaluation.counting import confusion_of, counts_of
from bench.evaluation.postprocess import segment
from tests.delivery import made
from tests.delivery.made import EVALUATION_SIZE, SIZE
from tests.delivery.masks_read import read_mask

pytestmark = pytest.mark.slow


def write_native_pictures(cache: Path, ids: tuple[str, ...]) -> None:
    """As `bench.datasets.native` lays them out; where foreground is does not matter to who predicts."""
    folder = cache / NATIVE
    folder.mkdir()
    for row, picture in enumerate(made.photographs()):
        np.save(folder / f"{row}.image.npy", picture)
        np.save(folder / f"{row}.mask.npy", made.truth_of(picture, 1))
    points = {f"{row}_0": np.zeros((0, 2), np.int32) for row in range(len(ids))}
    np.savez(folder / "foreground.npz", classes=np.array(1), **points)
    (folder / "ids.json").write_text(json.dumps({"ids": list(ids), "fingerprint": "made up"}))


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("patches")
    directory = made.made_run(root)
    members = made.save_members(directory, [made.PLAIN_UNET | {"view": "patches"}], SIZE, num_classes=1)
    cache, ids = made.write_pixels(root, [SIZE, EVALUATION_SIZE])
    write_native_pictures(cache, ids)
    wanted = made.record_of(members, SIZE, view="patches", flips=False)
    return directory, deliver_here(directory, wanted, cache, ids, EVALUATION_SIZE, lambda text: None), ids


def test_photographs_are_seen_at_their_own_resolution_by_predict_and_by_the_script_alike(delivered, tmp_path) -> None:
    directory, *_ = delivered
    model = load_model(directory)
    network, about = standalone.load(directory / "model")
    for number, picture in enumerate(made.photographs()):
        mask = model.predict(picture)
        np.testing.assert_array_equal(standalone.segment(network, about, picture), mask)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    done = CliRunner().invoke(app, ["predict", str(directory), str(tmp_path), "-o", str(tmp_path / "masks")])
    assert done.exit_code == 0
    np.testing.assert_array_equal(read_mask(tmp_path / "masks" / "4.png"), mask)


def test_a_picture_of_one_window_gets_what_the_network_says(delivered) -> None:
    model = load_model(delivered[0])
    picture = made.photographs()[2]  # of SIZE x SIZE
    np.testing.assert_allclose(model.probabilities(picture), model.squares(picture[None])[0], atol=1e-6)


def test_scores_are_of_the_same_probabilities_averaged_to_the_evaluation_size(delivered) -> None:
    directory, record, ids = delivered
    model = load_model(directory)
    picture = made.photographs()[3]
    valid = valid_area(picture.shape[0], picture.shape[1], EVALUATION_SIZE)
    found = segment(
        model.scored(picture, EVALUATION_SIZE),
        threshold=record.threshold,
        smallest_object=record.smallest_object,
        valid=valid,
    )
    truth = letterbox_mask(made.truth_of(picture, 1), EVALUATION_SIZE)
    assert record.test[ids[3]] == counts_of(confusion_of(truth, found, valid, 2))
    assert record.latency_s is not None


def test_the_card_and_export_say_that_windows_are_left_to_the_caller(delivered, tmp_path) -> None:
    directory, *_ = delivered
    card = (directory / "model" / "card.md").read_text()
    assert f"through windows of {SIZE} px" in card
    assert "are shrunk to" not in card
    done = CliRunner().invoke(app, ["export", str(directory), "--format", "keras", "-o", str(tmp_path / "m.keras")])
    assert done.exit_code == 0
    assert f"note: this file sees one window of {SIZE} px" in done.stdout
