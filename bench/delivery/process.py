"""One computation in a process of its own: the parent of a run imports no TensorFlow, and a crash costs it nothing."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.engine.devices import Placement
from bench.engine.processes import apart_from_the_working_folder
from bench.errors import UserError

_LAST_LINES = 3
_MANY_CHARACTERS = 300


class ProcessFailedError(UserError):
    """The process died or its work failed; the message says how, in one line."""


def in_own_process(
    work: Callable[..., Any],
    *arguments: object,
    log: Path,
    placement: Placement,
    tell: Callable[[str], None] = lambda text: None,
) -> Any:
    """What `work(*arguments, tell)` returns, computed in a new process on `placement`, which gets `tell` too.

    The process prints into `log`.

    It ends with this process. Raises the UserError that `work` raises, and ProcessFailedError for every other failure.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, work, arguments, placement, log), daemon=True)
    heeded = signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    if in_main:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the child inherits it: Ctrl-C is the parent's business
    try:
        with apart_from_the_working_folder():
            process.start()
    finally:
        if in_main:
            signal.signal(signal.SIGINT, heeded)
    theirs.close()
    printed_before = log.stat().st_size if log.is_file() else 0
    try:
        while True:
            kind, content = ours.recv()
            if kind == "told":
                tell(content)
            elif kind == "done":
                return content
            else:
                raise content
    except (EOFError, OSError) as error:
        process.join()
        raise ProcessFailedError(f"the process {_ending(process.exitcode)}{_log_tail(log, printed_before)}") from error
    finally:
        process.kill()
        process.join()
        ours.close()


def _serve(
    connection: Connection,
    work: Callable[..., Any],
    arguments: tuple[object, ...],
    placement: Placement,
    log: Path,
) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with log.open("ab", buffering=0) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    from bench.engine.devices import prepare

    try:
        prepare(placement)
        answer = ("done", work(*arguments, lambda text: connection.send(("told", text))))
    except UserError as error:
        answer = ("failed", error)
    except Exception as error:
        import traceback

        traceback.print_exc()
        reason = " ".join(str(error).split())[:_MANY_CHARACTERS]
        answer = ("failed", ProcessFailedError(f"{type(error).__name__}: {reason}"))
    with contextlib.suppress(ConnectionError):
        connection.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _ending(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"was killed by {signal.Signals(-exitcode).name}"
    return f"ended with exit code {exitcode}"


def _log_tail(log: Path, since: int) -> str:
    """The last lines of what was printed after the first `since` bytes."""
    printed = log.read_bytes()[since:].decode(errors="replace").strip().splitlines() if log.is_file() else []
    return f"; its last words: {' | '.join(printed[-_LAST_LINES:])}" if printed else ""
