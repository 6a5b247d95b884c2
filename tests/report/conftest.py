"""Quicker reports: importance from four resamples instead of sixteen."""

import pytest

from bench.report import importance


@pytest.fixture(scope="session", autouse=True)
def few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importance, "RESAMPLES", 4)
        yield
