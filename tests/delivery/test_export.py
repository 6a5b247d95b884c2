"""Other formats: the same probabilities, from engines that know nothing of Keras."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.datasets.letterbox import letterbox
from bench.delivery.artefact import write
from bench.delivery.export import FORMATS, export
from bench.delivery.model import SegmentationModel, load_model
from bench.errors import DataError, StoreError
from tests.delivery import made
from tests.delivery.made import SIZE

pytestmark = pytest.mark.slow

CLOSE = 1e-3
"""In probability: what another engine may round differently."""


def squares() -> np.ndarray:
    """Photographs of several sizes, uint8, as the model gets them: float32 [N, S, S, 3]."""
    return np.stack([letterbox(picture, SIZE) for picture in made.photographs()]).astype(np.float32)


def expected(model: SegmentationModel) -> np.ndarray:
    probabilities = model.squares(squares().astype(np.uint8))
    assert probabilities.std() > 0.01  # else any model would be close
    return probabilities


def test_onnx_gives_the_same_probabilities_in_onnxruntime(delivered, model, tmp_path: Path) -> None:
    import onnxruntime

    path = export(model, delivered[0] / "model", "onnx", tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    ((name, shape),) = [(each.name, each.shape) for each in session.get_inputs()]
    assert (name, shape[1:]) == ("image", [SIZE, SIZE, 3])
    together = session.run(["probabilities"], {name: squares()})[0]
    one = session.run(["probabilities"], {name: squares()[:1]})[0]
    np.testing.assert_allclose(together, expected(model), atol=CLOSE)
    np.testing.assert_allclose(one, expected(model)[:1], atol=CLOSE)
    about = json.loads(session.get_modelmeta().custom_metadata_map["model.json"])
    assert about["classes"] == ["damage"]
    assert about["threshold"] == 0.5
    assert json.loads((tmp_path / "m.onnx.json").read_text()) == about


def test_a_network_with_gelu_and_attention_becomes_onnx_without_a_word_and_litert(
    tmp_path: Path, capfd, caplog
) -> None:
    """tf2onnx does not know the erfc of a GELU, and says so at every one."""
    import onnxruntime
    import tensorflow as tf

    members = made.save_members(tmp_path, [made.SEGFORMER], SIZE, num_classes=1)
    write(
        tmp_path / "model", name="made-up", members=members, weights_folder=tmp_path, classes=("damage",),
        image_size=SIZE, evaluation_size=SIZE, flips=True, threshold=0.5, smallest_object=0.0,
    )  # fmt: skip
    model = load_model(tmp_path)
    capfd.readouterr()
    session = onnxruntime.InferenceSession(
        export(model, tmp_path / "model", "onnx", tmp_path / "m.onnx"), providers=["CPUExecutionProvider"]
    )
    assert "Erfc" not in capfd.readouterr().err + caplog.text
    np.testing.assert_allclose(session.run(["probabilities"], {"image": squares()})[0], expected(model), atol=CLOSE)
    path = export(model, tmp_path / "model", "litert", tmp_path / "m.tflite")
    with pytest.warns(UserWarning, match=r"tf\.lite\.Interpreter is deprecated"):
        runner = tf.lite.Interpreter(str(path)).get_signature_runner()
    found = [runner(image=square[None])["output_0"] for square in squares()]
    np.testing.assert_allclose(np.concatenate(found), expected(model), atol=CLOSE)


def test_litert_gives_the_same_probabilities(delivered, model, tmp_path: Path) -> None:
    import tensorflow as tf

    path = export(model, delivered[0] / "model", "litert", tmp_path / "m.tflite")
    with pytest.warns(UserWarning, match=r"tf\.lite\.Interpreter is deprecated"):
        runner = tf.lite.Interpreter(str(path)).get_signature_runner()
    found = [runner(image=square[None])["output_0"] for square in squares()]
    np.testing.assert_allclose(np.concatenate(found), expected(model), atol=CLOSE)


def test_savedmodel_gives_the_same_probabilities(delivered, model, tmp_path: Path) -> None:
    import tensorflow as tf

    path = export(model, delivered[0] / "model", "savedmodel", tmp_path / "saved")
    loaded = tf.saved_model.load(str(path))
    found = np.asarray(loaded.serve(squares()))
    np.testing.assert_allclose(found, expected(model), atol=CLOSE)


def test_keras_gives_the_same_probabilities(delivered, model, tmp_path: Path) -> None:
    import keras

    path = export(model, delivered[0] / "model", "keras", tmp_path / "m.keras")
    found = np.asarray(keras.models.load_model(path)(squares(), training=False))
    np.testing.assert_allclose(found, expected(model), atol=CLOSE)


def test_what_is_there_stays_without_force_and_the_model_itself_always(small, small_model, tmp_path: Path) -> None:
    folder = small / "model"
    path = export(small_model, folder, "keras", tmp_path / "m.keras")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"m\.keras exists; give --force"):
        export(small_model, folder, "keras", path)
    assert path.read_bytes() == before
    export(small_model, folder, "savedmodel", tmp_path / "saved")
    assert export(small_model, folder, "savedmodel", tmp_path / "saved", force=True).is_dir()
    with pytest.raises(StoreError, match="is the model itself"):
        export(small_model, folder, "keras", folder / "model.keras", force=True)


def test_a_missing_package_is_named_with_its_extra(small, small_model, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("bench.delivery.export.find_spec", lambda name: None if name == "tf2onnx" else name)
    with pytest.raises(DataError, match=r"format onnx needs tf2onnx: pip install 'segbench\[export\]'"):
        export(small_model, small / "model", "onnx", tmp_path / "m.onnx")


def test_the_command_writes_beside_the_model_and_names_choices(small) -> None:
    run = CliRunner().invoke(app, ["export", str(small), "--format", "keras"])
    assert run.exit_code == 0
    assert run.stdout == f"keras: {small / 'model' / 'export.keras'}\n"
    run = CliRunner().invoke(app, ["export", str(small), "--format", "torch"])
    assert (run.exit_code, run.stderr) == (2, f"error: unknown format 'torch'; choose from {', '.join(FORMATS)}\n")
