"""Seconds in which this process ran. While it is stopped (Ctrl-Z, SIGSTOP, a frozen container, a laptop that sleeps on
some systems) no budget is used up, and what was silent meanwhile does not hang: what it said is heard after this
process goes on.

The system's monotonic clock goes on while a process is stopped, and nothing tells a process that it was. So a thread of
it takes note of the time; a gap between two of its notes was a stop, of which `LONGEST_GAP_S` count.
"""

import os
import threading
import time

NOTE_S = 1.0
"""Between two notes."""

LONGEST_GAP_S = 10.0
"""Seconds. A busy machine, or a library that keeps Python's lock, may keep the thread waiting; longer than this they do
not."""


class Clock:
    """Never goes back. Its thread begins with the first look at it, and ends with the process."""

    def __init__(self, note_s: float = NOTE_S, longest_gap_s: float = LONGEST_GAP_S) -> None:
        self._note_s, self._longest_gap_s = note_s, longest_gap_s
        self._stopped_s = 0.0
        self.begin()

    def begin(self) -> None:
        """Also in a child process, which has none of its parent's threads."""
        self._lock = threading.Lock()
        self._noted: float | None = None

    def now(self) -> float:
        """Monotonic seconds, less those of stops so far."""
        with self._lock:
            moment = time.monotonic()
            if self._noted is None:
                self._noted = moment
                threading.Thread(target=self._take_notes, name="clock", daemon=True).start()
            return self._shown(moment, self._noted)

    def _shown(self, moment: float, noted: float) -> float:
        return min(moment, noted + self._longest_gap_s) - self._stopped_s

    def note(self) -> None:
        """Tells that the process runs."""
        with self._lock:
            moment = time.monotonic()
            if self._noted is not None:
                self._stopped_s = moment - self._shown(moment, self._noted)
            self._noted = moment

    def _take_notes(self) -> None:
        while True:
            time.sleep(self._note_s)
            self.note()


_CLOCK = Clock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_CLOCK.begin)

now = _CLOCK.now
