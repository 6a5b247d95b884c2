"""One computation in a process of its own: the parent of a run imports no TensorFlow, and a crash costs it nothing."""

import contextlib
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.engine.devices import Placement
from bench.engine.processes import cause_of_death, end_with_parent, last_words, print_into, start_apart
from bench.errors import UserError

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
    start_apart(process)
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
        raise ProcessFailedError(
            f"the process {cause_of_death(process.exitcode)}{last_words(log, printed_before)}"
        ) from error
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
    end_with_parent()
    print_into(log)
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
