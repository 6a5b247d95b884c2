"""Whether a run may go on here."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from bench.errors import StoreError
from bench.records import environment
from bench.run.resume import merge_environment
from tests.report.runs import run


def test_a_run_does_not_go_on_in_another_precision_and_names_every_device():
    earlier = run()
    here = replace(earlier.environment, device="GPU: one")
    with pytest.raises(
        StoreError, match=r"trials computed in float32 on .* and would compute in mixed_float16 on GPU: one"
    ):
        merge_environment(earlier, replace(here, precision="mixed_float16"))
    both = merge_environment(earlier, here)
    assert both.device == f"{earlier.environment.device}; then GPU: one"
    assert merge_environment(replace(earlier, environment=both), here).device == both.device
    assert merge_environment(None, here) == here


def test_a_run_that_goes_on_names_the_commits_of_all_its_sessions():
    earlier = run()
    first, second = (replace(earlier.environment, commit=commit) for commit in ("a1", "b2"))
    both = merge_environment(replace(earlier, environment=first), second)
    assert both.commit == "a1; then b2"
    assert merge_environment(replace(earlier, environment=both), second).commit == "a1; then b2"
    assert merge_environment(replace(earlier, environment=first), replace(second, commit=None)).commit is None


@pytest.mark.parametrize(("said", "limit"), [("max", 100), ("60", 60), ("200", 100)])
def test_memory_is_what_the_control_group_leaves_of_it(monkeypatch, tmp_path, said, limit):
    (tmp_path / "memory.max").write_text(f"{said}\n")
    monkeypatch.setattr(environment, "CONTROL_GROUP_LIMITS", (tmp_path / "memory.max", tmp_path / "absent"))
    monkeypatch.setattr(environment.psutil, "virtual_memory", lambda: SimpleNamespace(total=100))
    assert environment.memory_limit() == limit
