"""The model folder: written in a process of its own, opened again, scored as it was recorded."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.datasets.letterbox import letterbox, letterbox_mask, valid_area
from bench.delivery.artefact import new_folder
from bench.delivery.card import card
from bench.delivery.deliver import deliver
from bench.delivery.model import load_model
from bench.errors import DataError
from bench.evaluation.counting import confusion_of, counts_of
from bench.records.store import load
from tests.delivery import made
from tests.delivery.made import EVALUATION_SIZE, SIZE

pytestmark = pytest.mark.slow


def test_the_folder_holds_network_description_card_script_and_worst_pictures(delivered) -> None:
    directory, record, said = delivered
    names = {path.name for path in (directory / "model").iterdir()}
    assert {"model.keras", "model.json", "card.md", "predict.py", "worst-1.png"} <= names
    assert record.num_bytes == (directory / "model" / "model.keras").stat().st_size
    assert record.latency_s is not None
    assert record.latency_s > 0
    assert said[:2] == ["building member 1 of 2", "building member 2 of 2"]
    assert not list(directory.glob(".model*"))


def test_predicting_reproduces_the_recorded_counts_to_the_pixel(delivered) -> None:
    directory, record, _ = delivered
    model = load_model(directory)
    some_foreground = 0
    for name, picture in zip(record.test, made.photographs(), strict=True):
        square = letterbox(picture, SIZE)[None]
        valid = valid_area(*picture.shape[:2], EVALUATION_SIZE)
        found = model.mask_of(model.squares_at(square, EVALUATION_SIZE)[0], valid)
        truth = letterbox_mask(made.truth_of(picture, 1), EVALUATION_SIZE)
        assert counts_of(confusion_of(truth, found, valid, 2)) == record.test[name]
        some_foreground += int(found.sum())
    assert some_foreground > 0


def test_the_network_is_the_weighted_mean_of_its_members_over_mirrored_images(delivered) -> None:
    from search_spaces.segmentation import build_network

    directory, record, _ = delivered
    images = np.stack([letterbox(picture, SIZE) for picture in made.photographs()]).astype(np.float32)
    expected = np.zeros((len(images), SIZE, SIZE, 1))
    for member in record.members:
        network, _ = build_network({**member.hyperparameters, "image_size": SIZE}, 2)
        network.load_weights(directory / member.weights)
        mirrored = np.asarray(network(images[:, :, ::-1], training=False))[:, :, ::-1]
        expected += (np.asarray(network(images, training=False)) + mirrored) / 6
    got = np.asarray(load_model(directory).network(images, training=False))
    assert got.std() > 0.01
    np.testing.assert_allclose(got, expected, atol=2e-6)


def test_the_file_loads_in_safe_mode_where_the_project_is_not_installed(delivered, tmp_path: Path) -> None:
    directory, _, _ = delivered
    code = (
        "import sys, keras, numpy as np\n"
        "model = keras.models.load_model(sys.argv[1], safe_mode=True)\n"
        "assert 'bench' not in sys.modules and 'search_spaces' not in sys.modules\n"
        "np.save(sys.argv[2], model.predict(np.full((1, 32, 32, 3), 100, np.uint8), verbose=0))\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    arguments = [str(directory / "model" / "model.keras"), str(tmp_path / "out.npy")]
    subprocess.run([sys.executable, "-I", "-c", code, *arguments], check=True, cwd=tmp_path, env=environment)
    own = load_model(directory).squares(np.full((1, 32, 32, 3), 100, np.uint8))
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), own, atol=1e-6)


def test_the_script_in_the_folder_gives_the_masks_of_load_model(delivered, tmp_path: Path) -> None:
    from PIL import Image

    from bench.delivery import standalone

    directory, _, _ = delivered
    network, about = standalone.load(directory / "model")
    model = load_model(directory)
    for picture in made.photographs():
        np.testing.assert_array_equal(standalone.segment(network, about, picture), model.predict(picture))
    Image.fromarray(made.photographs()[0]).save(tmp_path / "photo.png")
    script = directory / "model" / "predict.py"
    subprocess.run([sys.executable, str(script), "photo.png"], check=True, cwd=tmp_path)
    written = np.asarray(Image.open(tmp_path / "photo.png.mask.png"))
    np.testing.assert_array_equal(written, model.predict(made.photographs()[0]))


def test_the_card_says_how_good_it_is_and_what_it_is_made_of(delivered) -> None:
    directory, record, _ = delivered
    card = (directory / "model" / "card.md").read_text(encoding="utf-8")
    assert "# Model of the run made-up" in card
    assert f"{len(record.test)} held-out test images, by this model, once" in card
    assert "| c0 | 1/3 | 1 | 0 | plain_unet |" in card
    assert "| c1 | 2/3 | 2 | 0 | unet | mobilenetv2 / none |" in card
    assert "trained from random weights" in card
    assert "![" in card


def test_the_card_of_a_refit_says_that_no_development_image_scored_it(delivered) -> None:
    directory, record, _ = delivered
    member = replace(record.members[0], fold=None)
    text = card(load(directory), replace(record, members=(member,), refit=True, out_of_fold=record.test))
    assert "each by trainings of its recipe that did not see it" in text
    assert "none of them can score it" in text
    assert "| c0 | 1/1 | none | 0 | plain_unet |" in text


def test_missing_weights_leave_the_earlier_model_as_it_was(delivered, tmp_path: Path) -> None:
    directory, record, _ = delivered
    before = (directory / "model" / "model.json").read_bytes()
    lost = replace(record.members[0], weights="finals/lost.weights.h5")
    cache, ids = made.write_pixels(tmp_path, [SIZE])
    with pytest.raises(DataError, match=r"the weights .*lost\.weights\.h5 of a member are missing"):
        deliver(directory, replace(record, members=(lost,)), cache_directory=cache, test_ids=ids, evaluation_size=SIZE)
    assert (directory / "model" / "model.json").read_bytes() == before
    assert not list(directory.glob(".model*"))


def test_weights_of_another_network_are_refused_by_name(delivered, tmp_path: Path) -> None:
    directory, record, _ = delivered
    foreign = replace(record.members[0], hyperparameters=made.MOBILENET)
    cache, ids = made.write_pixels(tmp_path, [SIZE])
    with pytest.raises(DataError, match=r"the weights .*member0\.weights\.h5 cannot be loaded"):
        deliver(
            directory, replace(record, members=(foreign,)), cache_directory=cache, test_ids=ids, evaluation_size=SIZE
        )


def test_a_process_that_is_killed_while_it_writes_leaves_the_earlier_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.json").write_text("old")
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom bench.delivery.artefact import new_folder\n"
        "with new_folder(Path(sys.argv[1])) as new:\n"
        "    (new / 'model.json').write_text('new')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert (folder / "model.json").read_text() == "old"
    with new_folder(folder) as new:
        (new / "model.json").write_text("newer")
    assert (folder / "model.json").read_text() == "newer"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_model_that_was_moved_aside_when_the_process_died_comes_back(tmp_path: Path) -> None:
    aside = tmp_path / ".model.old"
    aside.mkdir()
    (aside / "model.json").write_text("old")
    with pytest.raises(RuntimeError, match="stop"), new_folder(tmp_path / "model"):
        raise RuntimeError("stop")
    assert (tmp_path / "model" / "model.json").read_text() == "old"


def test_several_classes_give_a_softmax_with_background_first(tmp_path: Path) -> None:
    directory = made.made_run(tmp_path, classes=("dent", "scratch"))
    members = made.save_members(directory, [made.PLAIN_UNET], SIZE, num_classes=2)
    cache, ids = made.write_pixels(tmp_path, [SIZE], num_classes=2)
    record = made.record_of(members, SIZE, flips=False)
    record = deliver(directory, record, cache_directory=cache, test_ids=ids, evaluation_size=SIZE)
    assert {len(per_class) for per_class in record.test.values()} == {3}
    model = load_model(directory / "model" / "model.keras")
    probabilities = model.probabilities(made.photographs()[3])
    assert probabilities.shape == (200, 150, 3)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-5)
    assert "| dent |" in (directory / "model" / "card.md").read_text(encoding="utf-8")
    about = json.loads((directory / "model" / "model.json").read_text())
    assert about["classes"] == ["dent", "scratch"]
