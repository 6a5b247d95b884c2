"""The run with a final evaluation, as the tests of the report have it."""

from tests.report.conftest import few_resamples, held, run

__all__ = ["few_resamples", "held", "run"]
