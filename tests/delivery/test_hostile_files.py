"""Model files from anywhere: one clear line, and no code of theirs runs."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.delivery.description import read_description, sha256_of
from bench.delivery.keras_file import check_keras_file
from bench.delivery.model import load_model
from bench.errors import DataError

pytestmark = pytest.mark.slow

Change = Callable[[dict[str, bytes]], None]


@pytest.fixture
def folder(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small / "model", tmp_path / "model"))


def change_parts(folder: Path, change: Change, compression: int = zipfile.ZIP_STORED) -> None:
    """Changes the parts of model.keras, and seals the description as an attacker would."""
    path = folder / "model.keras"
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    seal(folder)


def seal(folder: Path) -> None:
    path = folder / "model.keras"
    about = json.loads((folder / "model.json").read_text())
    about |= {"sha256": sha256_of(path), "num_bytes": path.stat().st_size}
    (folder / "model.json").write_text(json.dumps(about))


def refused(folder: Path, said: str) -> None:
    with pytest.raises(DataError, match=said) as raised:
        load_model(folder)
    assert "\n" not in str(raised.value)
    assert str(folder) in str(raised.value)


def change_config(folder: Path, old: str, new: str) -> None:
    def change(parts: dict[str, bytes]) -> None:
        config = parts["config.json"].decode()
        assert old in config
        parts["config.json"] = config.replace(old, new).encode()

    change_parts(folder, change)


def test_the_file_as_it_was_written_is_loaded(folder: Path) -> None:
    change_parts(folder, lambda parts: None)
    assert load_model(folder).predict(np.zeros((20, 30, 3), np.uint8)).shape == (20, 30)


def test_a_torn_network_is_noticed_by_its_checksum(folder: Path) -> None:
    content = (folder / "model.keras").read_bytes()
    (folder / "model.keras").write_bytes(content[:-1000])
    refused(folder, "is not the file that model.json describes")
    (folder / "model.keras").write_bytes(content[:5000] + b"x" + content[5001:])
    refused(folder, "torn or was replaced")


def test_a_torn_network_is_told_before_tensorflow_is_imported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.cli.delivery.import_tensorflow", lambda: pytest.fail("it was imported"))
    (folder / "model.keras").write_bytes(b"")
    run = CliRunner().invoke(app, ["export", str(folder), "--format", "keras"])
    assert (run.exit_code, run.stderr.count("\n")) == (2, 1)
    assert "is not the file that model.json describes" in run.stderr


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x80\x04cos\nsystem\n(S'true'\ntR."])
def test_what_is_no_archive_is_said_to_be_none(content: bytes, folder: Path) -> None:
    (folder / "model.keras").write_bytes(content)
    seal(folder)
    refused(folder, "is no Keras model, or a torn one")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("schema_version", 7, "has schema version 7; this SegBench reads versions 1 to 2"),
        ("classes", [], "classes is"),
        ("threshold", 1.5, r"threshold is 1\.5"),
        ("image_size", "wide", "image_size"),
        ("members", None, "members"),
    ],
)
def test_a_foreign_description_is_named_with_the_value(name: str, value: object, said: str, folder: Path) -> None:
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**about, name: value}))
    refused(folder, said)


def test_a_description_of_version_1_is_read_and_a_version_that_is_no_number_is_not(folder: Path) -> None:
    about = json.loads((folder / "model.json").read_text())
    members = [{"contestant" if name == "candidate" else name: v for name, v in m.items()} for m in about["members"]]
    (folder / "model.json").write_text(json.dumps({**about, "schema_version": 1, "members": members}))
    described = read_description(folder)
    assert [each.candidate for each in described.members] == [each["candidate"] for each in about["members"]]
    (folder / "model.json").write_text(json.dumps({**about, "schema_version": True}))
    refused(folder, "has schema version True")


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000])
def test_a_torn_description_is_named(content: str, folder: Path) -> None:
    (folder / "model.json").write_text(content)
    refused(folder, r"model\.json")


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "model.keras").unlink()
    refused(folder, r"holds no model \(no model\.keras\)")


def test_a_lambda_layer_is_not_loaded(folder: Path) -> None:
    change_config(folder, '"class_name": "Rescaling"', '"class_name": "Lambda"')
    refused(folder, "has a layer 'Lambda', which runs code from the file")


@pytest.mark.parametrize("module", ["os", "search_spaces.segmentation", "keras.src.utils.file_utils", "builtins"])
def test_a_class_from_elsewhere_is_not_loaded(module: str, folder: Path) -> None:
    old = '"module": "keras.layers", "class_name": "Rescaling"'
    change_config(folder, old, f'"module": "{module}", "class_name": "system"')
    refused(folder, f"needs {module}.system, which is none of Keras's own layers")


def test_an_archive_that_unpacks_to_more_than_it_weighs_is_not_unpacked(folder: Path) -> None:
    def change(parts: dict[str, bytes]) -> None:
        parts["config.json"] += b" " * 65 * 2**20

    change_parts(folder, change, zipfile.ZIP_DEFLATED)
    refused(folder, r"config\.json unpacks to \d+ bytes, which no model does")


def test_an_archive_with_another_part_is_not_loaded(folder: Path) -> None:
    change_parts(folder, lambda parts: parts.update({"assets/run.py": b"1"}))
    refused(folder, r"it holds assets/run\.py")


def write_h5(fill: Callable[[h5py.File], None]) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        fill(file)
    return content.getvalue()


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (lambda file: file.create_dataset("w", (2**28,), "f4", compression="gzip"), "are not plain arrays"),
        (lambda file: file.__setitem__("w", h5py.ExternalLink("/etc/passwd", "/")), "are a link out of the file"),
        (lambda file: file.create_dataset("w", (4,), "u1", external=[("/etc/passwd", 0, 4)]), "are not plain arrays"),
    ],
)
def test_weights_that_are_no_plain_arrays_are_not_read(
    fill: Callable[[h5py.File], None], said: str, folder: Path
) -> None:
    change_parts(folder, lambda parts: parts.update({"model.weights.h5": write_h5(fill)}))
    refused(folder, said)


def test_weights_of_another_shape_are_said_not_to_fit(folder: Path) -> None:
    def change(parts: dict[str, bytes]) -> None:
        content = io.BytesIO(parts["model.weights.h5"])
        with h5py.File(content, "r+") as file:
            found: list[str] = []
            file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
            del file[found[0]]
            file[found[0]] = np.zeros((3, 3), np.float32)
        parts["model.weights.h5"] = content.getvalue()

    change_parts(folder, change)
    refused(folder, "cannot be loaded")


def test_a_network_of_another_size_than_described_is_refused(folder: Path) -> None:
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**about, "image_size": 64}))
    refused(folder, r"maps \(None, 32, 32, 3\) to \(None, 32, 32, 1\); model\.json says \(None, 64, 64, 3\)")


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 3)),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        None,
    ],
)
def test_an_image_of_another_kind_is_refused_in_one_line(image: object, small_model) -> None:
    with pytest.raises(DataError, match="an image is"):
        small_model.predict(image)


def test_a_check_of_the_file_alone_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lost\.keras is no Keras model"):
        check_keras_file(tmp_path / "lost.keras")
