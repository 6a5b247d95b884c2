"""Resuming a run: whether it may be resumed, and the lock that lets one process work on it."""

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from bench.errors import StoreError
from bench.experiments import Experiment, to_json
from bench.formats import shortened
from bench.options import OPTIONS
from bench.records import Environment, Run
from bench.records.durable import write_file
from bench.records.environment import current_versions
from bench.records.store import load, require_new
from bench.run.setup import PreparedData


def load_previous(directory: Path, resume: bool, stack: ExitStack) -> Run | None:
    """The records of the run so far, locked before they are read; None for a new run. Raises StoreError for a name that
    is taken, or if there is nothing to resume."""
    if resume:
        if directory.is_dir():
            stack.enter_context(locked(directory))
        return load(directory)
    require_new(directory)
    return None


def require_same(earlier: Run, experiment: Experiment, prepared: PreparedData) -> None:
    """Raises StoreError if more changed than how far, where and with how many workers a run trains."""
    now, then = to_json(experiment), _as_read_today(earlier.experiment)
    for free in (name for name, option in OPTIONS.items() if option.may_change):
        now.pop(free)
        then.pop(free, None)
    space = earlier.experiment.get("space")
    if not isinstance(space, Mapping) or "view" not in space:
        raise StoreError(
            f"run {earlier.record.name!r} cannot be resumed: an older SegBench began it, whose configurations had no "
            "view; end it with that one, or choose another --name"
        )
    differences = {
        **{f"the experiment's {name}": (then.get(name), now[name]) for name in now},
        "the data": (earlier.dataset.fingerprint, prepared.dataset.fingerprint),
        "the split": (earlier.split.fingerprint, prepared.split.fingerprint),
        "the folds": (earlier.split.folds, prepared.split.folds),
        "the versions": (dict(earlier.environment.versions), current_versions()),
        "Python": (earlier.environment.python, platform.python_version()),
    }
    for what, (before, after) in differences.items():
        if before != after:
            raise StoreError(
                f"run {earlier.record.name!r} cannot be resumed: {what} changed from {shortened(str(before), 200)} to "
                f"{shortened(str(after), 200)}; choose another --name"
            )


def _as_read_today(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored experiment, with defaults for options that are newer than its run."""
    try:
        return to_json(Experiment.model_validate(stored))
    except ValidationError:
        return dict(stored)


def merge_environment(earlier: Run | None, here: Environment) -> Environment:
    """The environment of a run that is resumed here: it names all devices on which costs were measured, and all
    commits. Raises StoreError if trials would compute in another precision than before."""
    if earlier is None:
        return here
    before = earlier.environment
    if before.precision != here.precision:
        raise StoreError(
            f"run {earlier.record.name!r} cannot be resumed: trials computed in {before.precision} on {before.device}, "
            f"and would compute in {here.precision} on {here.device}; set the protocol's precision, or choose another "
            "--name"
        )
    commits = [commit for commit in (before.commit, here.commit) if commit is not None]
    return replace(
        here, device=_then(before.device, here.device), commit=_then(*commits) if len(commits) == 2 else here.commit
    )


def _then(before: str, here: str) -> str:
    return before if before.endswith(here) else f"{before}; then {here}"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Holds the lock of a run, on which one process at a time works. The system frees the lock of a process that died.
    Raises StoreError, naming the owner."""
    owner, began = directory / ".owner", datetime.now(UTC).isoformat(timespec="seconds")
    try:
        with FileLock(directory / ".lock", timeout=0):
            write_file(owner, f"process {os.getpid()} on {platform.node()} since {began}".encode())
            try:
                yield
            finally:
                owner.unlink(missing_ok=True)
    except Timeout:
        known = f" ({owner.read_text(errors='replace')[:200]})" if owner.is_file() else ""
        raise StoreError(
            f"run {directory.name!r} in {directory.parent} is being worked on by another process{known}"
        ) from None
