"""Quicker reports: importance from four resamples instead of sixteen. A run whose finals were held, and several."""

import pytest

from bench.analysis import importance
from bench.analysis.across_runs import Across, across
from bench.analysis.final_evaluation import Finals, finals
from bench.records import Run
from tests.report.made_across import LEVEL, made
from tests.report.made_finals import with_finals
from tests.report.runs import full_run


@pytest.fixture(scope="session", autouse=True)
def few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importance, "RESAMPLES", 4)
        yield


@pytest.fixture(scope="session")
def run() -> Run:
    return with_finals(full_run())


@pytest.fixture(scope="session")
def held(run) -> Finals:
    return finals(run)


@pytest.fixture(scope="session")
def six() -> list[Run]:
    """Six data sets on which the first finalist is ahead of all, and the others change places."""
    return [
        made(
            f"run-{n}",
            f"data-{n}",
            levels=LEVEL | {"finalist 2": 0.3 + 0.02 * n, "default configuration": 0.44 - 0.02 * n},
        )
        for n in range(6)
    ]


@pytest.fixture(scope="session")
def two(six) -> Across:
    return across(six[:2])


@pytest.fixture(scope="session")
def compared_six(six) -> Across:
    return across(six)
