"""results/<run>/: what a run leaves on disk, written so that a crash at any moment loses nothing that was finished.

Whole files are written beside their place, synced and renamed; trials and evaluations are appended, one JSON object a line,
and a torn last line is cut when it is next opened. Nothing here imports TensorFlow.
"""

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydantic import TypeAdapter, ValidationError

from bench.errors import StoreError
from bench.records import (
    SCHEMA_VERSION,
    AuditRecord,
    DatasetRecord,
    Environment,
    Evaluation,
    Run,
    RunRecord,
    SplitRecord,
    TrialRecord,
)

_FILES: Mapping[str, type] = {
    "run.json": RunRecord,
    "environment.json": Environment,
    "dataset.json": DatasetRecord,
    "audit.json": AuditRecord,
    "split.json": SplitRecord,
}
_LINES: Mapping[str, type] = {"trials.jsonl": TrialRecord, "evaluations.jsonl": Evaluation}
_NAME_OF = {kind: name for name, kind in (*_FILES.items(), *_LINES.items())}
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


class RunStore:
    """One run's directory, open for writing. Every method either does its whole work or leaves the directory as it was."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def create(cls, directory: Path, experiment: Mapping[str, object]) -> "RunStore":
        """Claims `directory` for a new run. Raises StoreError when it holds one already."""
        with _said_plainly(directory):
            directory.parent.mkdir(parents=True, exist_ok=True)
            try:
                directory.mkdir()
            except FileExistsError:
                raise StoreError(
                    f"run {directory.name!r} exists in {directory.parent}; continue it with --resume or choose another --name"
                ) from None
            try:
                _write_atomically(directory / "experiment.json", _dumps(experiment, indent=2))
            except BaseException:
                directory.rmdir()  # or the name would be taken by a run that never was
                raise
        return cls(directory)

    def write_experiment(self, experiment: Mapping[str, object]) -> None:
        """Replaces the stored experiment: a resumed run may have other limits."""
        path = self.directory / "experiment.json"
        with _said_plainly(path):
            _write_atomically(path, _dumps(experiment, indent=2))

    def write(self, record: object) -> None:
        """Writes one of the run's single records (RunRecord, Environment, DatasetRecord, AuditRecord, SplitRecord)."""
        path = self.directory / _NAME_OF[type(record)]
        with _said_plainly(path):
            _write_atomically(path, _dumps(_adapter(type(record)).dump_python(record, mode="json"), indent=1))

    def append(self, record: TrialRecord | Evaluation) -> None:
        """Adds one line and syncs it to disk; a torn line that an earlier crash left is cut first."""
        path = self.directory / _NAME_OF[type(record)]
        line = _dumps(_adapter(type(record)).dump_python(record, mode="json")) + b"\n"
        # Unbuffered: a buffer that a full disk kept from being flushed would be written after all when the file is closed.
        with _said_plainly(path), path.open("ab", buffering=0) as file:
            _cut_torn_line(path)
            size = path.stat().st_size
            try:
                _write_whole(file, line)
                os.fsync(file.fileno())
            except BaseException:
                os.truncate(path, size)
                raise

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Stores arrays as `name`.npz (compressed); `name` may hold a folder."""
        path = self.directory / f"{name}.npz"
        with _said_plainly(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _atomic_file(path) as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    def remove_arrays(self, name: str) -> None:
        (self.directory / f"{name}.npz").unlink(missing_ok=True)


def load(directory: Path) -> Run:
    """Reads a run back. Raises StoreError, naming the file, for a missing, torn or foreign record."""
    if not (directory / "run.json").is_file():
        if directory.is_dir():
            raise StoreError(f"{directory} holds no run (no run.json): remove it, or choose another name")
        known = sorted(path.parent.name for path in directory.parent.glob("*/run.json"))
        hint = f"; choose from {', '.join(known)}" if known else "; start one with: python -m bench run"
        raise StoreError(f"no run {directory.name!r} in {directory.parent}{hint}")
    single = {name: _load_json(directory / name, kind) for name, kind in _FILES.items()}
    lines = {name: tuple(load_lines(directory / name, kind)) for name, kind in _LINES.items()}
    return Run(
        directory=str(directory),
        experiment=_parse(directory / "experiment.json", _read(directory / "experiment.json")),
        record=single["run.json"],
        environment=single["environment.json"],
        dataset=single["dataset.json"],
        audit=single["audit.json"],
        split=single["split.json"],
        trials=lines["trials.jsonl"],
        evaluations=lines["evaluations.jsonl"],
    )


def load_arrays(directory: Path, name: str) -> dict[str, np.ndarray] | None:
    """The arrays stored as `name`, or None where the run kept none."""
    path = directory / f"{name}.npz"
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def load_lines(path: Path, kind: type) -> Iterator[Any]:
    """The records of an append-only file; a torn last line, which was never acknowledged, is left out."""
    if not path.is_file():
        return
    content = path.read_bytes()
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
        yield _validate(f"{path}:{number}", kind, _parse(path, line, number))


def _load_json(path: Path, kind: type) -> Any:
    return _validate(str(path), kind, _parse(path, _read(path)))


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise StoreError(f"{path} is missing: the run was not recorded completely")
    return path.read_bytes()


def _parse(path: Path, content: bytes, number: int | None = None) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        place = f"{path}:{number}" if number else str(path)
        raise StoreError(f"{place} is not valid JSON: {error}") from error


def _validate(place: str, kind: type, content: Any) -> Any:
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise StoreError(f"{place} has schema version {version}; this SegBench reads version {SCHEMA_VERSION}")
    try:
        return _adapter(kind).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise StoreError(f"{place}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _dumps(content: object, indent: int | None = None) -> bytes:
    return json.dumps(content, indent=indent, allow_nan=False, ensure_ascii=False).encode()


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


def _write_atomically(path: Path, content: bytes) -> None:
    with _atomic_file(path) as file:
        file.write(content)


@contextlib.contextmanager
def _atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its place at `path` only when it is whole and on disk."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        _sync_directory(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_writable(directory: Path) -> None:
    """Raises StoreError where `directory` cannot be written or made; makes nothing itself."""
    present = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    with _said_plainly(directory), tempfile.TemporaryFile(dir=present):
        pass


@contextlib.contextmanager
def _said_plainly(path: Path) -> Iterator[None]:
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
