"""The same runs as for the report."""

from tests.report.conftest import few_resamples, held, run, six, two

__all__ = ["few_resamples", "held", "run", "six", "two"]
