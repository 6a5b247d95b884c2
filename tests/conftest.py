"""What tests count (kills, made-up files) is printed at the end, with xdist too."""

import os
import secrets
from collections.abc import Callable, Iterator

import pytest

# Ray reads these when it is imported: clusters of tests are no open doors either, and work on a busy machine, where
# their workers (niceness 15 by default) would hardly get a core beside other tests.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
os.environ.setdefault("RAY_worker_niceness", "0")

_SAID = "said"

ENDS_WITHIN_S = 20.0
"""A worker that is asked to end has this long to write down which lines it ran."""


@pytest.fixture(scope="session", autouse=True)
def workers_write_down_what_they_ran() -> Iterator[None]:
    """Under `--cov` a worker is asked to end before it is killed, since a killed process leaves no measurement."""
    if "COVERAGE_PROCESS_CONFIG" not in os.environ:
        yield
        return
    from bench.engine.worker import TrialWorker

    killed = TrialWorker.stop

    def asked_first(worker: TrialWorker) -> None:
        worker._process.terminate()
        worker._process.join(ENDS_WITHIN_S)
        killed(worker)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrialWorker, "stop", asked_first)
        yield


@pytest.fixture
def say_at_the_end(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Takes a line for the summary of the whole test run."""
    return lambda line: record_property(_SAID, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = sorted(_said(terminalreporter))
    if lines:
        terminalreporter.section("what the tests counted")
        for line in lines:
            terminalreporter.write_line(line)


def _said(terminalreporter: pytest.TerminalReporter) -> Iterator[str]:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            yield from (str(value) for name, value in report.user_properties if name == _SAID)
