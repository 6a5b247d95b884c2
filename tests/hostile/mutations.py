"""Values that nobody expects, put into the places of a JSON value; and how many of them a test tries."""

import contextlib
import copy
import io
import os
import re
import resource
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from bench.cli import main

FULL = os.environ.get("HOSTILE") == "full"
"""Whether the whole counts are tried. Continuous integration tries a sample, always the same one."""

TALLY: dict[str, Counter[str]] = {}
"""How inputs ended, by kind of input; printed at the end of a session."""

SECRET = "secret-picture.png"
"""A file beside the folder that a test works in: nothing may read it."""

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

MOST_BYTES = 2 * 2**30
"""By so much the memory of the process may grow for one input."""


def examples(full: int, sample: int) -> int:
    return full if FULL else sample


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything inside a JSON value."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(draw: Callable[[Any], Any], content: Any, odd: list[Any], most: int = 4) -> Any:
    """A copy in which one to `most` values are replaced by `odd` ones, removed, repeated or wrapped in a list."""
    content = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, most))):
        found = list(places(content))
        if not found:
            break
        *way, last = draw(st.sampled_from(found))
        inner = content
        for key in way:
            inner = inner[key]
        what = draw(st.integers(-15, len(odd) - 1))
        if what >= 0:
            inner[last] = copy.deepcopy(odd[what])
        elif what < -10:
            del inner[last]
        elif what < -5 and isinstance(inner, list):
            inner.extend([copy.deepcopy(inner[last])] * 3)
        else:
            inner[last] = [copy.deepcopy(inner[last])]
    return content


@contextlib.contextmanager
def failures_in(failures: list[str], what: str) -> Iterator[None]:
    """Collects what is wrong with an input, so that one session shows all of it."""
    try:
        yield
    except AssertionError as error:
        cause = error.__cause__
        where = traceback.extract_tb(cause.__traceback__)[-1] if cause else None
        failures.append(f"{what}: {error}"[:400] + (f" at {where.filename}:{where.lineno}" if where else ""))


class TooLongError(AssertionError):
    """An input that takes longer than it may."""


BLOCKED = 30
"""An input that computes nothing hangs after so many times what it may compute: a busy machine is no fault
of an input."""


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raises TooLongError where the block computes for longer or waits without end, and AssertionError
    where memory grows beyond bounds."""

    def late(*_: object) -> None:
        raise TooLongError(f"it takes more than {seconds} s of processor time")

    timers = ((signal.ITIMER_PROF, signal.SIGPROF, seconds), (signal.ITIMER_REAL, signal.SIGALRM, BLOCKED * seconds))
    before = [signal.signal(number, late) for _, number, _ in timers]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for timer, _, limit_s in timers:
        signal.setitimer(timer, limit_s)
    try:
        yield
    finally:
        for (timer, number, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024
    assert grown < MOST_BYTES, f"memory grew by {grown / 2**20:.0f} MiB"


def command_ends(kind: str, *words: object, limit_s: float = 60) -> str:
    """Runs a command in this process, and counts how it ended: "result" (exit code 0) or "one line" (2).
    Whatever else is an AssertionError."""
    out, err = io.StringIO(), io.StringIO()
    caught: BaseException | None = None
    argv = ["bench", *map(str, words)]
    with bounded(limit_s), mock.patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
        try:
            main()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            caught = error
        finally:
            for number, handler in handlers.items():  # a run has handlers of its own
                signal.signal(number, handler)
    if not isinstance(caught, SystemExit):
        raise AssertionError(f"a traceback: {caught!r}") from caught
    said = err.getvalue().rstrip("\n")
    if not caught.code:
        return ended(kind, "result")
    assert caught.code == 2, f"exit code {caught.code}: {said[-300:]}"
    assert said.startswith("error: ") or not said, said[:300]
    assert "\n" not in said, said[:300]
    assert len(said) < 2000, f"a line of {len(said)} characters"
    assert not CONTROL.search(said), ascii(said)[:300]
    return ended(kind, "one line")


def ended(kind: str, how: str) -> str:
    TALLY.setdefault(kind, Counter())[how] += 1
    return how


_outside: list[str] = []
_inside: list[Path] = []
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.link", "os.truncate", "shutil.rmtree"}


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not _inside or (event != "open" and event not in _CHANGES):
        return
    if not isinstance(arguments[0], str | bytes | os.PathLike):
        return
    if event.startswith("os.") and isinstance(arguments[-1], int) and arguments[-1] >= 0 and event != "os.truncate":
        return  # relative to an open folder: part of a removal that was seen as a whole
    name = os.fsdecode(arguments[0])
    writes = event != "open" or (isinstance(arguments[2], int) and arguments[2] & _WRITING)
    if SECRET in name or name == "/etc/passwd":
        _outside.append(f"{event} {name}")
    elif writes and not name.startswith(("/dev/", "/proc/")) and "/.hypothesis/" not in f"{name}/":
        path = os.path.normpath(os.path.join(os.getcwd(), name))  # noqa: PTH109, PTH118  Path would be watched, too
        if not any(path.startswith(str(root)) for root in _inside):
            _outside.append(f"{event} {name}")


sys.addaudithook(_watch)


def as_drawn(examples: int) -> settings:
    """So many inputs, the same in every run; a failure is reported as it was drawn,
    without a search for a smaller one."""
    return settings(
        max_examples=examples,
        phases=[Phase.generate],
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@contextlib.contextmanager
def watched(*roots: Path) -> Iterator[None]:
    """Raises AssertionError where the block reads a secret, or writes, makes or removes anything outside of `roots`."""
    _outside.clear()
    _inside[:] = [root.absolute() for root in roots]
    try:
        yield
    finally:
        _inside.clear()
    assert not _outside, _outside[:5]
