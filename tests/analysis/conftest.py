"""The same run as for the report."""

from tests.report.conftest import few_resamples, held, run

__all__ = ["few_resamples", "held", "run"]
