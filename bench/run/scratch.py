"""The folder for a run's pixels and logs. It is removed when the run ends, or by the next run."""

import contextlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from bench.errors import StoreError
from bench.records.durable import store_errors

_PREFIX, _LOCK = "segbench-", ".lock"
_BEING_MADE = ".segbench-"
"""A folder gets its final name when its lock is held: a process that finds that name can ask whether the owner
lives."""

_LONGEST_MAKING_S = 3600
"""Making a folder takes milliseconds: an older unfinished one is of a process that died."""


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder in the system's folder for temporary files (`TMPDIR`). Folders of processes that died are removed
    first. Raises StoreError, naming the folder, if nothing can be written."""
    try:
        place = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise StoreError(
            f"no folder for temporary files can be written: {error.strerror}; set TMPDIR to one"
        ) from error
    remove_abandoned(place)
    with store_errors(place):
        made = Path(tempfile.mkdtemp(prefix=_BEING_MADE, dir=place))
        folder = made.with_name(_PREFIX + made.name.removeprefix(_BEING_MADE))
    try:
        with FileLock(made / _LOCK, timeout=0):
            made.rename(folder)
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def remove_abandoned(place: Path) -> list[Path]:
    """Removes folders of this user whose process is gone, and returns them. The system frees the lock of a process that
    died, however it died."""
    removed = []
    for folder in sorted(place.glob(f"{_BEING_MADE}*")):
        with contextlib.suppress(OSError):
            about = folder.lstat()
            is_old = about.st_mtime < time.time() - _LONGEST_MAKING_S
            if is_old and stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
    for folder in sorted(place.glob(f"{_PREFIX}*")):
        lock = folder / _LOCK
        try:
            if folder.is_symlink() or not lock.is_file() or folder.stat().st_uid != os.getuid():
                continue
            with FileLock(lock, timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
        except (Timeout, OSError):  # its owner lives, or it has just gone
            continue
    return removed
