"""A mark names a process: not the next one with its id, nor one of another boot or machine."""

import subprocess
import sys

import pytest

from bench.records.process import is_gone, own_mark

ID, START, BOOT, MACHINE = own_mark().split("-")


@pytest.mark.parametrize(
    ("mark", "gone"),
    [
        (f"{ID}-{START}-{BOOT}-{MACHINE}", False),
        (f"{ID}-1-{BOOT}-{MACHINE}", True),  # its id has come again
        (f"{ID}-{START}-00000000-{MACHINE}", True),  # the machine was started anew
        (f"4194399-{START}-{BOOT}-{MACHINE}", True),  # above the highest process id that Linux gives
        (f"4194399-{START}-{BOOT}-00000000", False),  # another machine on the same file system
        ("4194399", False),
        ("", False),
    ],
    ids=[
        "own",
        "id again",
        "other boot",
        "no such id",
        "other machine",
        "no start",
        "nothing",
    ],  # the same in every process of the tests
)
def test_a_process_is_gone_where_that_is_certain(mark: str, gone: bool) -> None:
    assert is_gone(mark) == gone


def test_a_process_that_ended_is_gone() -> None:
    code = "from bench.records.process import own_mark; print(own_mark())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert is_gone(said.strip())
