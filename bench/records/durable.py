"""Files that a crash cannot spoil: whole files that replace their forerunner in one step, and lines that are only ever
appended.

Every method either does its whole work or leaves what was there. What the operating system says against it becomes one
line.
"""

import contextlib
import errno
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

from bench.errors import StoreError

_CHECKSUM = b'{"crc32": "%08x", '
_CHECKSUM_LENGTH = len(_CHECKSUM % 0)
UNFINISHED = ".unfinished"
"""How the hidden name of a file ends that is not whole yet."""


def write_file(path: Path, content: bytes) -> None:
    """Replaces `path` in one step. Raises StoreError."""
    with atomic_file(path) as file:
        file.write(content)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its place at `path` only when it is whole and on disk. Raises StoreError."""
    with store_errors(path):
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
            sync_directory(path.parent)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def remove_unfinished(directory: Path) -> None:
    """Removes what processes left in `directory` that died while they wrote; nobody may be writing."""
    for left in directory.glob(f".*{UNFINISHED}"):
        left.unlink(missing_ok=True)


def append_line(path: Path, content: bytes) -> None:
    """Adds a JSON object as one line with a checksum, and syncs it to disk; a torn line that a crash left is cut first.

    The line is an object itself, `{"crc32": "<of the bytes behind it>", ...}`. Raises StoreError.
    """
    rest = content[1:]
    line = _CHECKSUM % zlib.crc32(rest) + rest + b"\n"
    # Unbuffered: a buffer that a full disk kept from being flushed would be written after all when the file is closed.
    with store_errors(path):
        is_new = not path.exists()
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        with path.open("ab", buffering=0) as file:
            size, end = _cut_torn_line(path)
            try:
                _write_whole(file, end + line)
                os.fsync(file.fileno())
            except BaseException:
                os.truncate(path, size)
                raise
        if is_new:
            sync_directory(path.parent)


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """The objects that `append_line` wrote, with their line numbers from 1. A torn last line, which was never
    acknowledged, is left out. Raises StoreError, naming file and line, for one that is not what was written."""
    if not path.is_file():
        return
    content = path.read_bytes()
    for number, line in enumerate(content[: _whole_length(content)].splitlines(), start=1):
        if not _is_whole(line):
            raise StoreError(
                f"{path}:{number} is damaged: it is not what was written (its checksum does not fit); restore the "
                "file from a copy"
            )
        yield number, parse_json(b"{" + line[_CHECKSUM_LENGTH:], f"{path}:{number}")


def parse_json(content: bytes, place: str) -> Any:
    """The value of a JSON text from anywhere. Raises StoreError, one line that begins with `place`."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number of JSON")

    try:
        return json.loads(content, parse_constant=refuse)
    except RecursionError:
        raise StoreError(f"{place} is not valid JSON for records: it is nested too deeply") from None
    except ValueError as error:
        raise StoreError(f"{place} is not valid JSON: {error}") from error


def _whole_length(content: bytes) -> int:
    """Bytes up to a torn last line. A last line without its end that is whole by its checksum was cut by an editor or a
    copy, not torn."""
    ended = content.rfind(b"\n") + 1
    return len(content) if _is_whole(content[ended:]) else ended


def _is_whole(line: bytes) -> bool:
    return line[:_CHECKSUM_LENGTH] == _CHECKSUM % zlib.crc32(line[_CHECKSUM_LENGTH:])


def sync_directory(directory: Path) -> None:
    """Makes names in `directory` durable: a rename or a new file is on disk only when its folder is."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_writable(directory: Path) -> None:
    """Raises StoreError where `directory` cannot be written or made; makes nothing itself."""
    present = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    with store_errors(directory), tempfile.TemporaryFile(dir=present):
        pass


@contextlib.contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Raises StoreError, one line for the user, where the operating system refuses to write `path`."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: "the disk is full",
            errno.EDQUOT: "the disk quota is used up",
            errno.EFBIG: "the file size limit is reached",
            errno.EACCES: "no write permission",
            errno.EPERM: "no write permission",
            errno.EROFS: "the file system is read-only",
            errno.ELOOP: "it is a link, and records are written to files alone",
        }
        reason = reasons.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))
        raise StoreError(f"cannot write {path}: {reason}") from error


def _cut_torn_line(path: Path) -> tuple[int, bytes]:
    """The file's size without it, and what its last line lacks."""
    with path.open("rb+") as file:
        content = file.read()
        size = _whole_length(content)
        if size < len(content):
            file.truncate(size)
    return size, b"\n" if size and content[size - 1 : size] != b"\n" else b""


def _write_whole(file: RawIOBase, content: bytes) -> None:
    """A raw write may take only the part that still fits; the next one then says why."""
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[file.write(remaining) :]
