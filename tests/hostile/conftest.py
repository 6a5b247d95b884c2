"""Says at the end of a session how many inputs were tried, and how they ended."""

from typing import Any

from tests.hostile.mutations import FULL, TALLY


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not TALLY:
        return
    terminalreporter.section(f"hostile input ({'full counts' if FULL else 'a sample; HOSTILE=full tries all'})")
    for kind, ends in TALLY.items():
        said = ", ".join(f"{count} {how}" for how, count in sorted(ends.items()))
        terminalreporter.write_line(f"{kind}: {ends.total()} tried, {said}")
