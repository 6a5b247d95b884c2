"""What a command prints may not cost what it does: a reader that has gone, a full disk behind stdout, a terminal of few
letters."""

import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import typer

from bench.errors import UserError


class Unfailing:
    """A text stream on which writing never raises. Once the system says no, what follows goes nowhere, and `on_failure`
    hears why, once."""

    def __init__(self, stream: TextIO, on_failure: Callable[[OSError], None] = lambda error: None) -> None:
        self._stream, self._on_failure = stream, on_failure
        self._failed = False

    def write(self, text: str) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, act: Callable[[], object]) -> None:
        if self._failed:
            return
        try:
            act()
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            self._failed = True
            self._discard()
            if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                self._on_failure(error)

    def _discard(self) -> None:
        """Python writes what is left in a buffer when it ends: it goes nowhere, too."""
        try:
            descriptor = self._stream.fileno()
        except (OSError, ValueError):
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def make_output_unfailing() -> None:
    """Wraps stdout and stderr of this process. What a terminal has no letter for is written as an escape."""
    _occupy_standard_descriptors()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stderr is not None:
        sys.stderr = Unfailing(sys.stderr)
    if sys.stdout is not None:
        sys.stdout = Unfailing(sys.stdout, _say_on_stderr)


_NUMBERS = {
    **dict.fromkeys(("COLUMNS", "LINES", "TERMINAL_WIDTH"), 1000),
    **dict.fromkeys(("OPENCV_IO_MAX_IMAGE_WIDTH", "OPENCV_IO_MAX_IMAGE_HEIGHT", "OPENCV_IO_MAX_IMAGE_PIXELS"), 2**62),
}
"""Variables that libraries take for whole numbers, with the largest that makes sense: of others Rich and Typer raise or
write gigabytes of blanks, and OpenCV aborts."""


def forget_odd_numbers() -> None:
    """Takes variables out of the environment, of this process and those that it begins, that are no number or none that
    makes sense."""
    for name, most in _NUMBERS.items():
        said = os.environ.get(name, "1")
        if not (said.isascii() and said.isdecimal() and len(said) < 20 and 1 <= int(said) <= most):
            del os.environ[name]


def _occupy_standard_descriptors() -> None:
    """A process that was begun without stdin, stdout or stderr (`>&-`) gives their numbers to the next files that it
    opens, and what a C library prints would stand in a record."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


def _say_on_stderr(error: OSError) -> None:
    if sys.stderr is None:
        return
    sys.stderr.write(f"note: nothing more is printed: {error.strerror}; what was begun goes on\n")


def require_one_of(quiet: bool, verbose: bool) -> None:
    """Raises UserError where a command is to say both less and more."""
    if quiet and verbose:
        raise UserError("--quiet and --verbose are opposites; choose one of them")


def write_json(content: object) -> None:
    """For programs: one document on stdout."""
    typer.echo(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False))


def say_ending(report: Path, runs: Sequence[Path], as_json: bool) -> None:
    """What there is when a report of these runs is written."""
    from bench.cli.ending import Ending

    ending = Ending.of(report, runs)
    if as_json:
        write_json(ending.as_json())
        return
    for line in ending.lines():
        typer.echo(line)
