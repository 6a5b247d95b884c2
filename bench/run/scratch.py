"""The folder for a run's pixels and logs: gone when the run ends, or else when the next one begins."""

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
from bench.records.durable import said_plainly

_PREFIX, _LOCK = "segbench-", ".lock"
_BEING_MADE = ".segbench-"
"""A folder has its lasting name only once its lock is held: whoever finds that name may ask whether its owner lives."""

_LONGEST_MAKING_S = 3600
"""Which takes milliseconds: an older one is of a process that died meanwhile."""


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder in the system's place for temporary files (`TMPDIR`). What processes left there that died is removed first. Raises
    StoreError, naming the place, where nothing can be written."""
    try:
        place = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise StoreError(
            f"no folder for temporary files can be written: {error.strerror}; set TMPDIR to one"
        ) from error
    remove_abandoned(place)
    with said_plainly(place):
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
    """Removes folders of this user whose process is gone: the system frees the lock of one that died, however it died. Says which."""
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
