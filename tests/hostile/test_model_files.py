"""Model files that a stranger made: `predict` says in one line what is wrong, and nothing
of theirs runs or is read outside."""

import io
import json
import random
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from bench.delivery.artefact import write
from bench.delivery.description import sha256_of
from tests.datasets.drawings import picture, save
from tests.delivery import made
from tests.hostile.mutations import SECRET, command_ends, examples, failures_in, watched

pytestmark = pytest.mark.slow

CHANGES = examples(60, 12)

DESCRIPTIONS: list[tuple[str, Any]] = [
    ("schema_version", 2), ("schema_version", None), ("classes", []), ("classes", ["x"] * 300), ("classes", "damage"),
    ("classes", [None]), ("classes", ["a", "b"]), ("threshold", 2), ("threshold", float("nan")), ("threshold", "x"),
    ("image_size", 10**9), ("image_size", -1), ("image_size", 64), ("smallest_object", -1), ("smallest_object", None),
    ("flips", "perhaps"), ("members", [{}]), ("members", None), ("versions", 3), ("value_range", {"low": 1}),
    ("name", None), ("created_at", 5), ("num_bytes", 1), ("sha256", "0" * 64), ("name", "x" * 100_000),
    ("name", "\ud800"),
]  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = made.made_run(tmp_path_factory.mktemp("small"))
    members = made.save_members(directory, [made.PLAIN_UNET], made.SIZE, num_classes=1)
    write(
        directory / "model",
        name="made-up",
        members=members,
        weights_folder=directory,
        classes=("damage",),
        image_size=made.SIZE,
        evaluation_size=made.EVALUATION_SIZE,
        flips=False,
        threshold=0.5,
        smallest_object=0.002,
    )
    return directory / "model"


def weights(fill: Any) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        fill(file)
    return content.getvalue()


def archive(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as file:
        for name, each in parts.items():
            file.writestr(name, each)
    return content.getvalue()


def networks(sound: bytes) -> Iterator[tuple[str, bytes]]:
    """Files in the place of model.keras."""
    with zipfile.ZipFile(io.BytesIO(sound)) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    config = parts["config.json"].decode()
    layer = '"module": "keras.layers", "class_name": "Rescaling"'
    assert layer in config
    for module, name in (
        ("keras.layers", "Lambda"), ("keras.layers", "TFSMLayer"), ("os", "system"), ("builtins", "eval"),
        ("keras.src.utils", "get_file"), ("keras.layers", "Nonesuch"),
    ):  # fmt: skip
        changed = config.replace(layer, f'"module": "{module}", "class_name": "{name}"').encode()
        yield f"a layer {module}.{name}", archive(parts | {"config.json": changed})
    yield "no config", archive({name: each for name, each in parts.items() if name != "config.json"})
    yield "another part", archive(parts | {"assets/run.py": b"1"})
    yield "a part outside", archive(parts | {f"../{SECRET}": b"1"})
    for name, content in (
        ("empty", b""),
        ("null", b"null"),
        ("deep", b"[" * 100_000),
        ("text", b"no json"),
        ("list", b"[]"),
    ):
        yield f"config {name}", archive(parts | {"config.json": content})
    yield (
        "a bomb of a config",
        archive(parts | {"config.json": parts["config.json"] + b" " * 70 * 2**20}, zipfile.ZIP_DEFLATED),
    )
    for name, content in (
        ("1e12 entries", weights(lambda file: file.create_dataset("w", (10**12,), "f4"))),
        ("compressed", weights(lambda file: file.create_dataset("w", (2**26,), "f4", compression="gzip"))),
        ("a link", weights(lambda file: file.__setitem__("w", h5py.ExternalLink(f"../{SECRET}", "/")))),
        ("external", weights(lambda file: file.create_dataset("w", (4,), "u1", external=[("/etc/passwd", 0, 4)]))),
        ("objects", weights(lambda file: file.create_dataset("w", data="text"))),
        ("nothing", weights(lambda file: None)),
        ("no file", b"no h5"),
    ):
        yield f"weights: {name}", archive(parts | {"model.weights.h5": content})
    for content in (
        b"",
        b"PK",
        b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        b"\x89HDF\r\n\x1a\n" + bytes(100),
        sound[: len(sound) // 2],
        sound[100:],
    ):
        yield f"other content {content[:4]!r}", content
    arrays = io.BytesIO()
    np.savez(arrays, a=np.array([{}], object))
    yield "arrays of objects", arrays.getvalue()
    dice = random.Random(0)
    for number in range(CHANGES):
        spoiled = bytearray(sound)
        for _ in range(dice.choice((1, 20, 400))):
            spoiled[dice.randrange(len(spoiled))] = dice.randrange(256)
        yield f"bytes changed {number}", bytes(spoiled)


def test_a_made_up_model_ends_in_masks_or_in_one_line(small: Path, tmp_path: Path) -> None:
    failures: list[str] = []
    (tmp_path / SECRET).write_bytes(b"secret")
    root = tmp_path / "root"
    save(root / "photo.png", picture())
    sound, about = (small / "model.keras").read_bytes(), json.loads((small / "model.json").read_text())

    def predict(what: str, network: bytes, description: bytes) -> None:
        (root / "model").mkdir()
        (root / "model" / "model.keras").write_bytes(network)
        (root / "model" / "model.json").write_bytes(description)
        with failures_in(failures, what), watched(root, Path("/tmp/__autograph")):
            words = ("predict", root / "model", root / "photo.png", "-o", root / "masks", "--force")
            command_ends("model files", *words, limit_s=120)
        shutil.rmtree(root / "model")

    for name, value in DESCRIPTIONS:
        predict(f"{name} {value!r}"[:80], sound, json.dumps(about | {name: value}).encode())
    for what, network in networks(sound):
        (root / "one").write_bytes(network)
        sealed = about | {"sha256": sha256_of(root / "one"), "num_bytes": len(network)}
        predict(what, network, json.dumps(sealed).encode())
    assert not failures, failures
