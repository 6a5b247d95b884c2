"""No net catches our own mistakes here, and a session says at its end how many inputs were tried and how they ended."""

from typing import Any, NoReturn

import pytest

import bench.report
from tests.hostile.mutations import FULL, TALLY


@pytest.fixture(autouse=True)
def _no_last_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report's last net turns an error that nobody foresaw into one line.
    Here such an error is what is looked for: it passes through."""

    def through(error: Exception, *_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(bench.report, "_cannot_be_told", through)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not TALLY:
        return
    terminalreporter.section(f"hostile input ({'full counts' if FULL else 'a sample; HOSTILE=full tries all'})")
    for kind, ends in TALLY.items():
        said = ", ".join(f"{count} {how}" for how, count in sorted(ends.items()))
        terminalreporter.write_line(f"{kind}: {ends.total()} tried, {said}")
