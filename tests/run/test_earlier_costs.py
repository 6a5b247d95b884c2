"""Costs of the default configuration, read from what earlier runs have on record."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bench.engine.devices import describe_cpu
from bench.experiments import load_experiment
from bench.records import Run
from bench.run import earlier_costs
from bench.run.earlier_costs import MOST_RUNS, measured_before
from search_spaces.portfolio import portfolio
from tests.report.made_across import save
from tests.report.runs import full_run, trial

EXPERIMENT = load_experiment("default")
DEFAULT = portfolio(EXPERIMENT.space)[0]


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier_costs, "visible_gpus", list)


def stored(results: Path, name: str, *, device: str | None = None, step_s: float = 0.25,
           values: Mapping[str, object] = DEFAULT, age: int = 0) -> None:  # fmt: skip
    """A run whose second trial had `values`: 12 epochs of 20 steps, 3 s to build and 4 s for the first step."""
    run = full_run(results / name)
    own = trial(0, 0.5, hyperparameters=values, train_s=12 * 20 * step_s, build_s=3.0, first_step_s=4.0,
                graph_reused=False, peak_memory_bytes=2**31)  # fmt: skip
    environment = replace(run.environment, device=device or f"{describe_cpu()}, 2 cores")
    record = replace(run.record, name=name)
    _write(replace(run, record=record, environment=environment, trials=(own, *run.trials[1:])), results / name, age)


def _write(run: Run, folder: Path, age: int) -> None:
    save(run, folder)
    os.utime(folder / "run.json", (2_000_000_000 - age, 2_000_000_000 - age))


def test_the_newest_run_on_such_a_machine_tells_the_costs(tmp_path: Path) -> None:
    stored(tmp_path, "older", step_s=0.5, age=20)
    stored(tmp_path, "newer", step_s=0.25, age=10)
    found = measured_before(tmp_path, EXPERIMENT)
    assert found is not None
    assert (found.run, found.step_s, found.first_s, found.scoring_s) == ("newer", pytest.approx(0.25), 7.0, 0.0)
    assert found.peak_memory_bytes is not None
    assert found.peak_memory_bytes >= 2**31
    assert found.device.startswith(describe_cpu())


def test_runs_on_other_machines_and_of_other_networks_and_damaged_ones_tell_nothing(tmp_path: Path) -> None:
    stored(tmp_path, "elsewhere", device="GPU: another card")
    stored(tmp_path, "other", values={**DEFAULT, "image_size": 96})
    stored(tmp_path, "damaged")
    (tmp_path / "damaged" / "audit.json").write_text("{")
    assert measured_before(tmp_path, EXPERIMENT) is None
    stored(tmp_path, "good", age=100)
    found = measured_before(tmp_path, EXPERIMENT)
    assert found is not None
    assert found.run == "good"


def test_only_so_many_of_the_newest_runs_are_looked_at(tmp_path: Path) -> None:
    stored(tmp_path, "oldest", age=1000)
    for number in range(MOST_RUNS):
        stored(tmp_path, f"other-{number}", device="GPU: another card", age=number)
    assert measured_before(tmp_path, EXPERIMENT) is None
