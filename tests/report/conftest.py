"""Quicker reports: importance from four resamples instead of sixteen. A run whose finals were held."""

import pytest

from bench.analysis import importance
from bench.analysis.final_evaluation import Finals, finals
from bench.records import Run
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
