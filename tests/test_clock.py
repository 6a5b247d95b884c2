"""A clock that stands still while its process does."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from bench import clock
from bench.clock import Clock


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the system's clock says."""
    said = [1000.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: said[0])
    return said


def by_hand() -> Clock:
    """Notes are taken by the test alone."""
    return Clock(note_s=1e6, longest_gap_s=10)


def test_time_that_is_noted_counts_in_full(moment: list[float]) -> None:
    own = by_hand()
    began = own.now()
    for _ in range(50):
        moment[0] += 9
        own.note()
    moment[0] += 3
    assert own.now() - began == 453


def test_of_a_stop_no_more_than_the_longest_gap_counts(moment: list[float]) -> None:
    own = by_hand()
    began = own.now()
    moment[0] += 3600
    assert own.now() - began == 10, "before the process has noted that it goes on"
    own.note()
    assert own.now() - began == 10
    moment[0] += 4
    assert own.now() - began == 14


def test_it_never_goes_back(moment: list[float]) -> None:
    own, seen = by_hand(), [0.0]
    for step in (1, 8, 30, 0, 2, 500, 0.5, 9.9, 10.1):
        moment[0] += step
        seen.append(own.now())
        own.note()
        seen.append(own.now())
    assert seen == sorted(seen)


def test_a_child_process_takes_notes_of_its_own() -> None:
    clock.now()
    reader, writer = os.pipe()
    if not os.fork():
        clock.now()
        os.write(writer, b"%d" % sum(thread.name == "clock" for thread in threading.enumerate()))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        assert told.read() == "1"
    os.wait()


STOPPED = """
import sys, time
from bench.clock import Clock
own = Clock(note_s=0.05, longest_gap_s=0.5)
began = own.now(), time.monotonic()
print("begun", flush=True)
sys.stdin.readline()
print(own.now() - began[0], time.monotonic() - began[1])
"""


def test_a_process_that_is_stopped_and_goes_on_has_not_used_that_time() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGSTOP)
        time.sleep(2)
        child.send_signal(signal.SIGCONT)
        print("", file=child.stdin, flush=True)
        own_s, system_s = map(float, child.stdout.readline().split())
    assert system_s >= 2
    assert own_s <= system_s - 1
