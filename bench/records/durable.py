"""Files that a crash cannot spoil: whole files that replace their forerunner in one step, and lines that are only ever appended.

Every method either does its whole work or leaves what was there. What the operating system says against it becomes one line.
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
    with said_plainly(path):
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
    with said_plainly(path):
        is_new = not path.exists()
        with path.open("ab", buffering=0) as file:
            _cut_torn_line(path)
            size = path.stat().st_size
            try:
                _write_whole(file, line)
                os.fsync(file.fileno())
            except BaseException:
                os.truncate(path, size)
                raise
        if is_new:
            sync_directory(path.parent)


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """The objects that `append_line` wrote, with their line numbers from 1. A torn last line, which was never acknowledged, is left
    out. Raises StoreError, naming file and line, for one that is not what was written."""
    if not path.is_file():
        return
    content = path.read_bytes()
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
        rest = line[_CHECKSUM_LENGTH:]
        if line[:_CHECKSUM_LENGTH] != _CHECKSUM % zlib.crc32(rest):
            raise StoreError(
                f"{path}:{number} is damaged: it is not what was written (its checksum does not fit); restore the file from a copy"
            )
        yield number, json.loads(b"{" + rest)


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
    with said_plainly(directory), tempfile.TemporaryFile(dir=present):
        pass


@contextlib.contextmanager
def said_plainly(path: Path) -> Iterator[None]:
    """Turns what the operating system says about a path into one line for the user."""
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
        }
        reason = reasons.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))
        raise StoreError(f"cannot write {path}: {reason}") from error


def _cut_torn_line(path: Path) -> None:
    with path.open("rb+") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


def _write_whole(file: RawIOBase, content: bytes) -> None:
    """A raw write may take only the part that still fits; the next one then says why."""
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[file.write(remaining) :]
