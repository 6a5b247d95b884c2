"""A `.keras` file of any origin, inspected before Keras opens it.

It must be an archive of three known parts, with Keras's own layers and plain arrays only.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from bench.errors import DataError
from bench.records.weights import require_plain_arrays

_PARTS = {"metadata.json", "config.json", "model.weights.h5"}

MOST_CONFIG_BYTES = 64 * 2**20
"""Of a part that is JSON: an ensemble of ten networks has 3 MB."""

_MODULES = ("keras.layers", "keras.initializers", "keras.regularizers", "keras.constraints")
_CLASSES = {
    ("keras", "DTypePolicy"),
    ("keras", "Sequential"),
    ("keras.src.models.functional", "Functional"),
    ("keras.src.applications.convnext", "LayerScale"),
}
_OPERATIONS = "keras.src.ops."
_RUNS_CODE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
"""Layers of Keras's own that run what the file says."""


def check_keras_file(path: Path) -> None:
    """Raises DataError, one line with the file's name, for anything that no delivered model has.

    That is an unknown part, a part that unpacks to far more than its size, a layer that is not Keras's or runs code,
    and a link out of the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_parts(path, archive)
            config = json.loads(archive.read("config.json"))
            _check_config(path, config)
            weights = io.BytesIO(archive.read("model.weights.h5"))  # in an archive h5py would seek for minutes
            with h5py.File(weights, "r") as arrays:
                require_plain_arrays(path, arrays)
    except DataError:
        raise
    except Exception as error:  # whatever zipfile, json and h5py find wrong
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} is no Keras model, or a torn one: {reason}") from error


def _check_parts(path: Path, archive: zipfile.ZipFile) -> None:
    names = [part.filename for part in archive.infolist()]
    if sorted(names) != sorted(_PARTS):
        raise DataError(f"{path} is no Keras model: it holds {', '.join(sorted(names)[:5]) or 'nothing'}")
    for part in archive.infolist():
        too_large = part.filename.endswith(".json") and part.file_size > MOST_CONFIG_BYTES
        if too_large or part.file_size > 20 * part.compress_size + 2**20:
            raise DataError(f"{path}: {part.filename} unpacks to {part.file_size} bytes, which no model does")


def _check_config(path: Path, config: Any) -> None:
    for module, name in _named_classes(config):
        if name in _RUNS_CODE:
            raise DataError(f"{path} has a layer {name!r}, which runs code from the file; it is not loaded")
        known = module in _MODULES or (module, name) in _CLASSES or module.startswith(_OPERATIONS)
        if not known:
            raise DataError(f"{path} needs {module}.{name}, which is none of Keras's own layers; it is not loaded")


def _named_classes(config: Any) -> Iterator[tuple[str, str]]:
    """Module and name of every object that Keras would make."""
    waiting = [config]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            name = node.get("class_name")
            if isinstance(name, str) and not (name.startswith("__") and node.get("module") is None):
                yield str(node.get("module")), name
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
