"""A delivered model in other formats: the same network, and its description beside it."""

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bench.delivery import DESCRIPTION, NETWORK
from bench.delivery.description import dumps
from bench.delivery.model import SegmentationModel
from bench.errors import DataError, StoreError, unknown
from bench.records.durable import store_errors

_ONE = "one_of_erfc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One row of FORMATS.

    `save(model, path)` writes the format; `default` is its name beside the model; `needs` are packages of an extra.
    """

    description: str
    default: str
    save: Callable[[SegmentationModel, Path], None]
    needs: tuple[str, ...] = ()


def export(
    model: SegmentationModel, folder: Path, format_name: str, target: Path | None, *, force: bool = False
) -> Path:
    """Writes `model`, loaded from `folder`, as `target` (None: beside the model) and returns the path.

    `<target>.json` beside it has the content of model.json. The written network maps RGB 0-255, float32 [batch, S, S,
    3], to float32 probabilities [batch, S, S, channels]. Raises DataError for an unknown format or a missing package,
    StoreError if a file is in the way without `force`, or if the disk refuses.
    """
    if format_name not in FORMATS:
        raise DataError(unknown("format", format_name, FORMATS))
    kind = FORMATS[format_name]
    missing = [package for package in kind.needs if find_spec(package) is None]
    if missing:
        raise DataError(f"format {format_name} needs {', '.join(missing)}: pip install 'segbench[export]'")
    target = target or folder / kind.default
    beside = target.with_name(f"{target.name}.json")
    protected = {(folder / name).resolve() for name in (NETWORK, DESCRIPTION)}
    if protected & {target.resolve(), beside.resolve()}:
        raise StoreError(f"{target} is the model itself; choose another path with -o")
    for path in (target, beside):
        if os.path.lexists(path) and not force:
            raise StoreError(f"{path} exists; give --force, or another path with -o")
    with store_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
            made = Path(scratch) / target.name
            side = model.description.image_size
            model.network(np.zeros((1, side, side, 3), np.float32))  # Keras exports only what has been called
            kind.save(model, made)
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            made.replace(target)
        beside.write_bytes(dumps(model.description))
    return target


def _save_keras(model: SegmentationModel, path: Path) -> None:
    named = path.with_name(f"{path.name}.keras")  # the only suffix that Keras writes
    model.network.save(named)
    named.replace(path)


def _save_savedmodel(model: SegmentationModel, path: Path) -> None:
    model.network.export(path, format="tf_saved_model", verbose=False)


def _save_onnx(model: SegmentationModel, path: Path) -> None:
    named = path.with_name(f"{path.name}.onnx")
    with _quiet_about_erfc():
        model.network.export(named, format="onnx", verbose=False)
    import onnx

    content = onnx.load(named)
    onnx.helper.set_model_props(content, {DESCRIPTION: dumps(model.description).decode()})
    _without_erfc(content.graph)
    for output in content.graph.output:
        _rename(content.graph, output.name, "probabilities")
    onnx.checker.check_model(content)
    onnx.save(content, path)


@contextlib.contextmanager
def _quiet_about_erfc() -> Iterator[None]:
    """Without the converter's errors on an operation that `_without_erfc` replaces afterwards."""

    def is_other(record: logging.LogRecord) -> bool:
        return "Erfc" not in record.getMessage()

    converter = logging.getLogger("tf2onnx.tfonnx")
    converter.addFilter(is_other)
    try:
        yield
    finally:
        converter.removeFilter(is_other)


def _without_erfc(graph: Any) -> None:
    """TensorFlow computes GELU by erfc(x) = 1 - erf(x), which ONNX does not know and tf2onnx leaves as it is."""
    import onnx

    nodes = []
    for node in graph.node:
        if node.op_type == "Erfc":
            erf = f"{node.output[0]}_erf"
            nodes.append(onnx.helper.make_node("Erf", node.input, [erf], name=f"{node.name}_erf"))
            nodes.append(onnx.helper.make_node("Sub", [_ONE, erf], node.output, name=f"{node.name}_complement"))
        else:
            nodes.append(node)
    if len(nodes) > len(graph.node):
        graph.initializer.append(onnx.numpy_helper.from_array(np.float32(1.0), _ONE))
        del graph.node[:]
        graph.node.extend(nodes)


def _rename(graph: Any, old: str, new: str) -> None:
    """Of a value of an ONNX graph, wherever it is made and used."""
    for value in (*graph.output, *graph.value_info):
        value.name = new if value.name == old else value.name
    for node in graph.node:
        for names in (node.input, node.output):
            for number, name in enumerate(names):
                names[number] = new if name == old else name


def _save_litert(model: SegmentationModel, path: Path) -> None:
    named = path.with_name(f"{path.name}.tflite")
    model.network.export(named, format="litert", verbose=False)
    named.replace(path)


FORMATS: Mapping[str, Format] = {
    "keras": Format(description="the Keras file itself", default="export.keras", save=_save_keras),
    "savedmodel": Format(
        description="TensorFlow's folder, for TensorFlow Serving and other languages",
        default="savedmodel",
        save=_save_savedmodel,
    ),
    "onnx": Format(
        description="one file for onnxruntime and most other engines",
        default="model.onnx",
        save=_save_onnx,
        needs=("onnx", "tf2onnx"),
    ),
    "litert": Format(
        description="one file for phones and small machines (TensorFlow Lite)",
        default="model.tflite",
        save=_save_litert,
    ),
}
