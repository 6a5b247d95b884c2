"""Files of tensors as PyTorch 1.6 and later save them, written without PyTorch."""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


class _Storage:
    def __init__(self, key: str, length: int) -> None:
        self.key, self.length = key, length


class _Tensor:
    def __init__(self, storage: _Storage, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.arguments = (storage, 0, shape, strides, False, OrderedDict())


class _Global:
    """Pickled as the name of something in a module that is not here."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Pickler(pickle._Pickler):  # type: ignore[name-defined, misc]  # the one in Python can write any name
    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, _Storage):
            return "storage", _Global("torch", "FloatStorage"), value.key, "cpu", value.length
        return None

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, _Global):
            self.write(f"c{value.module}\n{value.name}\n".encode())
        elif isinstance(value, _Tensor):
            self.save(_Global("torch._utils", "_rebuild_tensor_v2"))
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


def pickled_state(arrays: Mapping[str, np.ndarray]) -> bytes:
    state: OrderedDict[str, _Tensor] = OrderedDict()
    for number, (name, array) in enumerate(arrays.items()):
        strides = tuple(each // array.itemsize for each in array.strides)
        state[name] = _Tensor(_Storage(str(number), array.size), array.shape, strides)
    content = io.BytesIO()
    _Pickler(content, 2).dump(state)
    return content.getvalue()


def write_archive(path: Path, arrays: Mapping[str, np.ndarray], **others: bytes) -> None:
    """The arrays, C-contiguous float32, as `torch.save` writes a state dictionary; `others` replace entries by name."""
    entries = {"data.pkl": pickled_state(arrays), "byteorder": b"little", "version": b"3\n"}
    entries |= {f"data/{number}": array.tobytes() for number, array in enumerate(arrays.values())}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**entries, **others}.items():
            archive.writestr(f"{path.stem}/{name}", content)
