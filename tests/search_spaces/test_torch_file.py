"""Reading tensors without PyTorch: what a file may hold, and that nothing else comes of it."""

import copy
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from search_spaces.encoders import torch_file
from search_spaces.encoders.torch_file import TorchFileError, read_tensors
from tests.search_spaces.torch_files import pickled_state, write_archive

NUMBERS = np.arange(6, dtype="<f4")


def tensor(shape: str, strides: str, offset: int = 0, length: int = 6, storage: str = "torch\nFloatStorage") -> bytes:
    """The opcodes (protocol 0) that make a tensor; shape and strides as "2 3"."""
    sizes, steps = ("".join(f"I{number}\n" for number in numbers.split()) for numbers in (shape, strides))
    stored = f"(Vstorage\nc{storage}\nVkey\nVcpu\nI{length}\nNtQ"
    return f"ctorch._utils\n_rebuild_tensor_v2\n({stored}I{offset}\n({sizes}t({steps}tI00\nNtR".encode()


def contents(
    of_state: bytes, magic: int = 0x1950A86A20F9469CFC6C, count: int = 6, numbers: bytes = NUMBERS.tobytes()
) -> bytes:
    head = b"".join(pickle.dumps(part, 2) for part in (magic, 1001, {"little_endian": True}))
    state = b"(Vweight\n" + of_state + b"d."
    return head + state + pickle.dumps(["key"], 2) + count.to_bytes(8, "little", signed=True) + numbers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pth"


@pytest.mark.parametrize(
    ("of_state", "expected"),
    [
        (tensor("2 3", "3 1"), [[0, 1, 2], [3, 4, 5]]),
        (tensor("3 2", "1 3"), [[0, 3], [1, 4], [2, 5]]),  # transposed, as converted files have it
        (tensor("2", "1", offset=4), [4, 5]),
        (tensor("", "", offset=3), 3),
    ],
)
def test_a_tensor_is_read_where_its_shape_strides_and_offset_say(path, of_state, expected):
    path.write_bytes(contents(of_state))
    found = read_tensors(path)
    assert list(found) == ["weight"]
    np.testing.assert_array_equal(found["weight"], np.array(expected, np.float32))
    assert found["weight"].dtype == np.float32


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (contents(tensor("2 4", "4 1")), "does not lie in its storage"),
        (contents(tensor("2 3", "4 1")), "does not lie in its storage"),
        (contents(tensor("2 3", "3 1", offset=1)), "does not lie in its storage"),
        (contents(tensor("1000 1000", "0 0")), "does not lie in its storage"),
        (contents(tensor("2 3", "-3 1", offset=3)), "unknown kind"),
        (contents(tensor("2 3", "3 1", length=-1)), "should have -1 numbers"),
        (contents(tensor("2 3", "3 1", length=1 << 40), count=1 << 40), "should have"),
        (contents(tensor("2 3", "3 1"), count=5), "should have 6 numbers and has 5"),
        (contents(tensor("2 3", "3 1"), numbers=b"short"), "should have 6 numbers"),
        (contents(tensor("2 3", "3 1"), numbers=NUMBERS.tobytes() + b"more"), "4 bytes follow"),
        (contents(tensor("2 3", "3 1"), magic=1), "does not begin as one"),
        (contents(tensor("2 3", "3 1", storage="torch\nQInt8Storage")), "wants torch.QInt8Storage"),
        (contents(b"I5\n"), "other things than tensors"),
        (b"", "pickle exhausted"),
        (b"PK\x03\x04 the beginning of an archive", "saves them: .+"),
    ],
)
def test_a_file_that_is_not_whole_or_holds_something_else_is_refused_in_one_line(path, data, reason):
    path.write_bytes(data)
    with pytest.raises(TorchFileError, match=reason) as error:
        read_tensors(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("function", ["os\nsystem", "builtins\nexec", "torch._utils\n_rebuild_tensor", "torch\nload"])
def test_a_pickle_that_calls_anything_else_is_refused_before_it_is_called(path, function):
    path.write_bytes(contents(f"c{function}\n(Vraise SystemExit\ntR".encode()))
    with pytest.raises(TorchFileError, match=f"wants {function.replace(chr(10), '.')}, which no tensor needs"):
        read_tensors(path)


def test_a_number_in_a_file_takes_no_memory_of_its_size(path):
    path.write_bytes(b"\x80\x02K\x01r" + (2**26).to_bytes(4, "little") + b".")  # one object, to be kept under 2**26
    tracemalloc.start()
    with pytest.raises(TorchFileError, match="keeps an object under number 67108864"):
        read_tensors(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1 << 20


def test_a_file_cannot_change_the_reader(path):
    path.write_bytes(contents(b"ctorch._utils\n_rebuild_tensor_v2\n}(V__defaults__\n(I1\nI2\ntub"))
    with pytest.raises(TorchFileError, match="no attribute '__dict__'"):
        read_tensors(path)
    path.write_bytes(contents(b"ctorch._utils\n_rebuild_tensor_v2\n(N}(V__call__\nI1\nutb"))
    with pytest.raises(TorchFileError, match="read-only"):
        read_tensors(path)


def test_a_file_that_is_too_large_is_not_read(path, monkeypatch):
    path.write_bytes(contents(tensor("2 3", "3 1")))
    monkeypatch.setattr(torch_file, "MOST_BYTES", 100)
    with pytest.raises(TorchFileError, match="more than 100 bytes"):
        read_tensors(path)


ARRAYS = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.array([7.0], np.float32)}


def test_an_archive_is_read_as_newer_versions_write_it(path):
    write_archive(path, ARRAYS)
    found = read_tensors(path)
    assert list(found) == ["weight", "bias"]
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"data/0": b"short"}, "buffer size must be a multiple"),
        ({"data/0": bytes(8)}, "storage 0 should have 6 numbers and has 2"),
        ({"byteorder": b"big"}, "bytes in another order"),
        ({"data.pkl": pickle.dumps(print)}, "wants builtins.print, which no tensor needs"),
        ({"data.pkl": pickle.dumps({"epoch": 3})}, "other things than tensors"),
    ],
)
def test_an_archive_that_holds_anything_else_is_refused_in_one_line(path, entries, reason):
    write_archive(path, ARRAYS, **entries)
    with pytest.raises(TorchFileError, match=f"model.pth is no file of tensors as PyTorch saves them: .*{reason}"):
        read_tensors(path)


def test_a_compressed_archive_and_one_without_a_storage_are_refused(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", pickled_state(ARRAYS))
    with pytest.raises(TorchFileError, match="it is a compressed archive"):
        read_tensors(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickled_state(ARRAYS))
    with pytest.raises(TorchFileError, match="it has no data/0"):
        read_tensors(path)


def test_entries_that_share_their_bytes_do_not_take_more_memory_than_the_file(path):
    """Two names in the directory of the archive for the same 4,000 bytes."""
    write_archive(path, {"weight": np.zeros(1000, np.float32)})
    with zipfile.ZipFile(path, "a") as archive:
        twice = copy.copy(archive.getinfo("model/data/0"))
        twice.filename = "model/data/1"
        archive.filelist.append(twice)
        archive._didModify = True
    with pytest.raises(TorchFileError, match="its entries overlap"):
        read_tensors(path)
