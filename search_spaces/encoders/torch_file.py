"""The tensors of a file that `torch.save` wrote, read without PyTorch.

Since PyTorch 1.6 it is a ZIP archive without compression: the pickled state dictionary, and a file of numbers for every
storage. Before, it was five pickles (a magic number, a version, facts about the writer's machine, the state dictionary,
the keys of the storages) and then, for every key, a count (int64) and that many numbers.

A pickle can name any function to call; here it may name an ordered dictionary, a tensor and three kinds of storage, and
anything else ends the reading.
"""

import io
import math
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

import numpy as np

MOST_BYTES = 1 << 28
_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_STORAGES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8"}


class TorchFileError(ValueError):
    """A file is not what `read_tensors` reads; the message is one line that names it."""


class _Storage(NamedTuple):
    key: str
    dtype: str
    length: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in numbers, not bytes


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Name -> array (float32, float64 or int64, read-only, PyTorch's axes), in the order of the state dictionary.

    Raises TorchFileError if the file is larger than `MOST_BYTES`, names anything but tensors, is cut short or goes on
    after its last storage, or has a tensor that does not lie in its storage.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        file = io.BytesIO(path.read_bytes())  # a read past its end takes no memory
        return (_read_archive if zipfile.is_zipfile(file) else _read_legacy)(file, len(file.getbuffer()))
    except Exception as error:  # whatever a broken pickle makes Python raise
        reason = " ".join(str(error).split())
        raise TorchFileError(f"{path} is no file of tensors as PyTorch saves them: {reason[:200]}") from error


def _read_archive(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}  # all in one folder
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise ValueError("it is a compressed archive")
        if sum(entry.file_size for entry in entries.values()) > size:
            raise ValueError("its entries overlap")  # each alone would fit, and all of them take any memory
        if "byteorder" in entries and archive.read(entries["byteorder"]) != b"little":
            raise ValueError("its numbers have their bytes in another order")

        def content(name: str) -> bytes:
            if name not in entries:
                raise ValueError(f"it has no {name}")
            return archive.read(entries[name])

        state = _state(io.BytesIO(content("data.pkl")))
        numbers = {}
        for storage in {tensor.storage.key: tensor.storage for tensor in state.values()}.values():
            numbers[storage.key] = np.frombuffer(content(f"data/{storage.key}"), storage.dtype)
            if len(numbers[storage.key]) != storage.length:
                raise ValueError(
                    f"storage {storage.key} should have {storage.length} numbers and has {len(numbers[storage.key])}"
                )
    return {name: _array(tensor, numbers[tensor.storage.key]) for name, tensor in state.items()}


def _read_legacy(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    file.seek(0)
    if (_load(file), _load(file)) != (_MAGIC, _VERSION):
        raise ValueError("it does not begin as one")
    _load(file)
    state, keys = _state(file), _load(file)
    storages = {tensor.storage.key: tensor.storage for tensor in state.values()}
    if not isinstance(keys, list) or sorted(keys) != sorted(storages):
        raise ValueError("its storages are not those of its tensors")
    numbers = {key: _numbers(file, storages[key], size) for key in keys}
    if file.tell() != size:
        raise ValueError(f"{size - file.tell()} bytes follow its last storage")
    return {name: _array(tensor, numbers[tensor.storage.key]) for name, tensor in state.items()}


def _state(file: IO[bytes]) -> dict[str, _Tensor]:
    state = _load(file)
    if not isinstance(state, dict) or not all(isinstance(tensor, _Tensor) for tensor in state.values()):
        raise ValueError("it holds other things than tensors by name")
    return state


def _load(file: IO[bytes]) -> Any:
    begin = file.tell()
    for operation, argument, _ in pickletools.genops(file):
        # The unpickler takes memory for all smaller numbers too.
        if operation.name.endswith("PUT") and int(argument or 0) > file.tell() - begin:
            raise ValueError(f"it keeps an object under number {argument}")
    file.seek(begin)
    return _Unpickler(file).load()


def _numbers(file: BinaryIO, storage: _Storage, size: int) -> np.ndarray:
    count = int.from_bytes(file.read(8), "little", signed=True)
    count_bytes = count * np.dtype(storage.dtype).itemsize
    if count != storage.length or not 0 <= count_bytes <= size - file.tell():
        raise ValueError(f"storage {storage.key} should have {storage.length} numbers and has {count}")
    return np.frombuffer(file.read(count_bytes), storage.dtype)


def _array(tensor: _Tensor, numbers: np.ndarray) -> np.ndarray:
    steps = [(length - 1) * stride for length, stride in zip(tensor.shape, tensor.strides, strict=True)]
    if 0 in tensor.shape or math.prod(tensor.shape) > len(numbers) or tensor.offset + sum(steps) >= len(numbers):
        raise ValueError(f"a tensor of shape {tensor.shape} does not lie in its storage of {len(numbers)} numbers")
    strides = [stride * numbers.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(numbers[tensor.offset :], tensor.shape, strides, writeable=False)


class _Unpickler(pickle.Unpickler):
    """A name stands for a built-in type, something that makes a tuple, or a string: nothing that could do harm, and
    nothing whose state a file could change."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Rebuild()
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise ValueError(f"it wants {module}.{name}, which no tensor needs")

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", str(dtype), str(key), str(), int(length), *view) if dtype in _STORAGES.values():
                if view in ([], [None]):  # the legacy format could cut a storage out of another one
                    return _Storage(key, dtype, length)
        raise ValueError("it has a storage of an unknown kind")


class _Rebuild:
    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, shape: Any, stride: Any, requires_grad: Any, hooks: Any) -> _Tensor:
        """Stands in for PyTorch's function of six arguments; the last two matter to training only."""
        whole = isinstance(storage, _Storage) and isinstance(shape, tuple) and isinstance(stride, tuple)
        if not whole or not all(isinstance(number, int) and number >= 0 for number in (offset, *shape, *stride)):
            raise ValueError("it has a tensor of an unknown kind")
        return _Tensor(storage, offset, shape, stride)
