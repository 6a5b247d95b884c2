"""The processes of a run beside its own: how they start, where they print, and how they end."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.context import SpawnProcess
from pathlib import Path

LOG_LINES = 3
"""Reported lines of the output of a process that died."""

_SAFE_PATH = "PYTHONSAFEPATH"


@contextlib.contextmanager
def apart_from_the_working_folder() -> Iterator[None]:
    """Processes that begin within it, and theirs, find the modules that a new process begins with where Python is
    installed. Without it Python looks into the working folder first: a `socket.py` beside a stranger's pictures would
    run in every worker. What this process can import they can import too: its path is handed over once they are up."""
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


def start_apart(process: SpawnProcess) -> None:
    """Starts it apart from the working folder, deaf to Ctrl-C, which is the parent's business."""
    in_main_thread = threading.current_thread() is threading.main_thread()  # elsewhere Python sets no signal handler
    heeded = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None  # the child inherits it
    try:
        with apart_from_the_working_folder():
            process.start()
    finally:
        if in_main_thread:
            signal.signal(signal.SIGINT, heeded)


def end_with_parent() -> None:
    """From now on this process ends with the one that started it, however that dies: else it would train its epoch to
    the end, and hold memory that a resumed run needs."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def print_into(log: Path) -> None:
    """What this process and its libraries print is appended to `log`."""
    with log.open("ab", buffering=0) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)


def last_words(log: Path, since: int) -> str:
    """The last lines of a log after its first `since` bytes, as the end of a sentence; "" if there are none."""
    printed = log.read_bytes()[since:] if log.is_file() else b""
    lines = printed.decode(errors="replace").strip().splitlines()[-LOG_LINES:]
    return f"; its last words: {' | '.join(lines)}" if lines else ""


def cause_of_death(exitcode: int | None) -> str:
    """How a process ended, as a predicate."""
    code = exitcode or 0
    if code >= 0:
        return f"was ended with exit code {code}"
    hint = " (out of memory, if nobody else did it)" if code == -signal.SIGKILL else ""
    return f"was killed by {signal.Signals(-code).name}{hint}"


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
