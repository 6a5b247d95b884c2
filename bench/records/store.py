"""results/<run>/: what a run leaves on disk, written so that a crash at any moment loses nothing that was finished.

Whole files are replaced in one step; proposals, trials and evaluations are appended, one JSON object a line
(`bench.records.durable`). Nothing here imports TensorFlow.
"""

import contextlib
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydantic import TypeAdapter, ValidationError

from bench.errors import StoreError, closest
from bench.formats import first_few
from bench.records import (
    AttemptRecord,
    AuditRecord,
    DatasetRecord,
    DeliveryRecord,
    Environment,
    Evaluation,
    ExternalRecord,
    FinalsRecord,
    ProposalRecord,
    Run,
    RunRecord,
    SplitRecord,
    TrainingRecord,
    TrialRecord,
)
from bench.records.arrays import read_arrays
from bench.records.consistency import contradiction
from bench.records.durable import (
    append_line,
    atomic_file,
    parse_json,
    read_lines,
    remove_unfinished,
    store_errors,
    sync_directory,
    write_file,
)
from bench.records.limits import excess, field
from bench.records.process import is_gone, own_mark
from bench.records.versions import HAS_CANDIDATES, as_of_today

_FILES: Mapping[str, type] = {
    "run.json": RunRecord,
    "environment.json": Environment,
    "dataset.json": DatasetRecord,
    "audit.json": AuditRecord,
    "split.json": SplitRecord,
}
_LINES: Mapping[str, type] = {
    "attempts.jsonl": AttemptRecord,
    "proposals.jsonl": ProposalRecord,
    "trials.jsonl": TrialRecord,
    "evaluations.jsonl": Evaluation,
    "trainings.jsonl": TrainingRecord,
    "external.jsonl": ExternalRecord,
}
_LATER: Mapping[str, type] = {"finals.json": FinalsRecord, "delivery.json": DeliveryRecord}
"""Single records that a run has only once it has come so far."""

MOST_NAMED = 10
"""Runs that the message about one which does not exist names."""

_NAME_OF = {kind: name for name, kind in (*_FILES.items(), *_LINES.items(), *_LATER.items())}
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


class RunStore:
    """One run's directory, open for writing. Every method either does its whole work or leaves the directory as it
    was."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    @contextlib.contextmanager
    def create(cls, directory: Path) -> Iterator["RunStore"]:
        """A new run. What is written within the block stands beside `directory`, and becomes the run at the end of it
        in one step; if the block is left by an error, or the process dies, there is no run. Raises StoreError when
        `directory` exists."""
        require_new(directory)
        with store_errors(directory):
            directory.parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(directory)
            beside = f".{directory.name}.{own_mark()}."
            unfinished = Path(tempfile.mkdtemp(dir=directory.parent, prefix=beside, suffix=".new"))
            unfinished.chmod(0o755)
        try:
            store = cls(unfinished)
            yield store
            with store_errors(directory):
                require_new(directory)
                unfinished.rename(directory)
                sync_directory(directory.parent)
            store.directory = directory
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def write_experiment(self, experiment: Mapping[str, object]) -> None:
        """Replaces the stored experiment: a resumed run may have other limits."""
        write_file(self.directory / "experiment.json", _dumps(experiment, indent=2))

    def write(self, record: object) -> None:
        """Writes one of the run's single records (RunRecord, Environment, DatasetRecord, AuditRecord, SplitRecord,
        FinalsRecord, DeliveryRecord)."""
        content = _dumps(_adapter(type(record)).dump_python(record, mode="json"), indent=1)
        write_file(self.directory / _NAME_OF[type(record)], content)

    def append(
        self, record: AttemptRecord | ProposalRecord | TrialRecord | Evaluation | TrainingRecord | ExternalRecord
    ) -> None:
        """Adds a record to its file; it is on disk when this returns."""
        content = _dumps(_adapter(type(record)).dump_python(record, mode="json"))
        append_line(self.directory / _NAME_OF[type(record)], content)

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Stores arrays as `name`.npz (compressed); `name` may hold a folder."""
        with self._file(f"{name}.npz") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    def remove_arrays(self, name: str) -> None:
        (self.directory / f"{name}.npz").unlink(missing_ok=True)

    def write_bytes(self, name: str, content: bytes) -> None:
        """Stores a file as it is; `name` may hold a folder."""
        with self._file(name) as file:
            file.write(content)

    def remove_unfinished(self) -> None:
        """Drops what a process that died in the middle of a write left. Only for who holds the run's lock."""
        for folder in (".", "models", "predictions", "finals", "maps", "members"):
            remove_unfinished(self.directory / folder)

    @contextlib.contextmanager
    def _file(self, name: str) -> Iterator[BinaryIO]:
        path = inside(self.directory, name)
        with store_errors(path):
            if not path.parent.is_dir():
                path.parent.mkdir(exist_ok=True)  # not the run's own folder: one that was removed stays removed
                sync_directory(path.parent.parent)
        with atomic_file(path) as file:
            yield file


def require_new(directory: Path) -> None:
    """Raises StoreError where `directory` exists, be it a run or not."""
    if not os.path.lexists(directory):
        return
    if not (directory / "run.json").is_file():
        raise StoreError(f"{directory} exists and holds no run (no run.json): remove it, or choose another --name")
    raise StoreError(
        f"run {directory.name!r} exists in {directory.parent}; continue it with --resume or choose another --name"
    )


def _remove_abandoned(directory: Path) -> None:
    """What processes left that died while they made this run."""
    for left in directory.parent.glob(f".{glob.escape(directory.name)}.*.new"):
        if is_gone(left.name.rsplit(".", 3)[1]):
            shutil.rmtree(left, ignore_errors=True)


def load(directory: Path) -> Run:
    """Reads a run back. Raises StoreError, naming the file, for a missing, torn or foreign record."""
    if not (directory / "run.json").is_file():
        if directory.is_dir():
            raise StoreError(f"{directory} holds no run (no run.json): remove it, or choose another name")
        raise no_run(directory)
    _require_no_way_out(directory)
    single = {name: _load_json(directory / name, kind) for name, kind in _FILES.items()}
    lines = {name: tuple(load_lines(directory / name, kind)) for name, kind in _LINES.items()}
    later = {
        name: _load_json(directory / name, kind) if (directory / name).is_file() else None
        for name, kind in _LATER.items()
    }
    run = Run(
        directory=str(directory),
        experiment=read_object(directory / "experiment.json"),
        record=single["run.json"],
        environment=single["environment.json"],
        dataset=single["dataset.json"],
        audit=single["audit.json"],
        split=single["split.json"],
        proposals=lines["proposals.jsonl"],
        trials=lines["trials.jsonl"],
        evaluations=lines["evaluations.jsonl"],
        finals=later["finals.json"],
        trainings=tuple(training for training in lines["trainings.jsonl"] if training.train_share == 1),
        curve_trainings=tuple(training for training in lines["trainings.jsonl"] if training.train_share < 1),
        delivery=later["delivery.json"],
        attempts=lines["attempts.jsonl"],
        external=lines["external.jsonl"],
    )
    wrong = contradiction(run)
    if wrong:
        raise StoreError(f"{directory}: the records contradict each other; {wrong}")
    return run


def no_run(directory: Path) -> StoreError:
    """What is wrong with the folder of a run that does not exist: there are others, and one may be meant."""
    known = sorted(path.parent.name for path in directory.parent.glob("*/run.json"))
    hint = f"choose from {first_few(known, MOST_NAMED)}" if known else "start one with: python -m bench run"
    return StoreError(f"no run {directory.name!r} in {directory.parent}; {hint}{closest(directory.name, known)}")


def _require_no_way_out(directory: Path) -> None:
    """Raises StoreError for a file or folder of a run that is a link to elsewhere: what it holds would be shown, and a
    resumed run would write there."""
    for path in directory.iterdir():
        if path.is_symlink() and not path.resolve().is_relative_to(directory.resolve()):
            raise StoreError(
                f"{path} is a link out of the run's folder; it is not read: put the file itself in its place"
            )


def load_arrays(directory: Path, name: str) -> dict[str, np.ndarray] | None:
    """The arrays stored as `name`, or None where the run kept none. Raises StoreError, naming the file, for one that is
    damaged."""
    path = inside(directory, f"{name}.npz")
    return read_arrays(path, name) if path.is_file() else None


def inside(directory: Path, name: str) -> Path:
    """The file of a run that one of its records names. Raises StoreError for one that lies elsewhere, by its name or
    through a link."""
    path = directory / name
    if not path.resolve().is_relative_to(directory.resolve()):
        raise StoreError(
            f"{directory} names the file {name[:200]!r}, which is outside of the run's folder; it is not read"
        )
    return path


def load_lines(path: Path, kind: type) -> Iterator[Any]:
    """The records of an append-only file. Raises StoreError, naming file and line, for one that is damaged or
    foreign."""
    for number, content in read_lines(path):
        yield _validate(f"{path}:{number}", kind, content)


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object from anywhere, within the limits of records. Raises StoreError, naming the file and the field."""
    content = parse_json(_read(path), str(path))
    if not isinstance(content, dict):
        raise StoreError(f"{path} holds no JSON object")
    _require_within_limits(str(path), content)
    return content


def _load_json(path: Path, kind: type) -> Any:
    return _validate(str(path), kind, parse_json(_read(path), str(path)))


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise StoreError(f"{path} is missing: the run was not recorded completely")
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error


def _require_within_limits(place: str, content: Any) -> None:
    wrong = excess(content)
    if wrong:
        raise StoreError(f"{place}: {field(wrong[0])}: {wrong[1]}")


def _validate(place: str, kind: type, content: Any) -> Any:
    _require_within_limits(place, content)
    content = as_of_today(place, content, candidates=_NAME_OF.get(kind) in HAS_CANDIDATES)
    try:
        return _adapter(kind).validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        said = first["msg"].removeprefix("Value error, ")
        raise StoreError(f"{place}: {field(first['loc'])}: {said}") from error


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _dumps(content: object, indent: int | None = None) -> bytes:
    return json.dumps(content, indent=indent, allow_nan=False, ensure_ascii=False).encode()
