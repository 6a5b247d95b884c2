"""Whether a run may go on here."""

from dataclasses import replace

import pytest

from bench.errors import StoreError
from bench.resume import went_on
from tests.report.runs import run


def test_a_run_does_not_go_on_in_another_precision_and_names_every_device():
    earlier = run()
    here = replace(earlier.environment, device="GPU: one")
    with pytest.raises(
        StoreError, match=r"trials computed in float32 on .* and would compute in mixed_float16 on GPU: one"
    ):
        went_on(earlier, replace(here, precision="mixed_float16"))
    both = went_on(earlier, here)
    assert both.device == f"{earlier.environment.device}; then GPU: one"
    assert went_on(replace(earlier, environment=both), here).device == both.device
    assert went_on(None, here) == here
