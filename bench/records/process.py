"""Which process made something, in letters that stand in a file's name, and whether it still lives.

A process id alone says little: ids come again, after a restart soon, and another machine on the same file system has
its own.
"""

import hashlib
import os
import platform
from pathlib import Path

import psutil

_STAT, _BOOT = "/proc/{}/stat", Path("/proc/sys/kernel/random/boot_id")
_START_FIELD = 19
"""Of a process's status behind its name: when it started, in clock ticks since the machine did."""


def own_mark() -> str:
    """This process: id, start, boot and machine, with hyphens between them."""
    process_id = os.getpid()
    return f"{process_id}-{_start(process_id)}-{_boot()}-{_machine()}"


def is_gone(mark: str) -> bool:
    """Whether the process of a mark has ended for certain. Of another machine's, or of what is no mark, nobody here can
    tell: False."""
    process_id, start, boot, machine = (*mark.split("-"), "", "", "", "")[:4]
    if machine != _machine() or not process_id.isdigit():
        return False
    return boot != _boot() or _start(int(process_id)) != start


def _start(process_id: int) -> str | None:
    """When a process started; None where there is no such process. A clock that was set back does not change it on
    Linux."""
    try:
        status = Path(_STAT.format(process_id)).read_text()
        return status.rpartition(")")[2].split()[_START_FIELD]
    except (FileNotFoundError, ProcessLookupError):
        pass
    try:
        return str(int(psutil.Process(process_id).create_time()))
    except psutil.Error:
        return None


def _boot() -> str:
    return _short(_BOOT.read_text() if _BOOT.is_file() else str(int(psutil.boot_time())))


def _machine() -> str:
    return _short(platform.node())


def _short(text: str) -> str:
    return hashlib.sha256(text.strip().encode()).hexdigest()[:8]
