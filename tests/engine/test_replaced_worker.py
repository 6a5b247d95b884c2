"""A worker process that takes another's place, and does not see what that one computed on.
The processes are real, their devices are made up."""

import os
import signal
from pathlib import Path

import pytest

from bench.engine import worker
from bench.engine.devices import Placement
from bench.engine.executor import LocalExecutor
from bench.engine.spec import EpochEnded, TrialOutcome
from bench.errors import ExperimentError
from bench.records import COMPLETED
from tests.engine.stand_in_worker import DEVICE, serve_stand_in
from tests.engine.tiny import make_setup, spec

GPU, CPU = "GPU: NVIDIA H200, mixed_float16", "CPU: 2 cores"


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "run_worker", serve_stand_in)


def outcomes(executor: LocalExecutor) -> dict[str, TrialOutcome]:
    ended: dict[str, TrialOutcome] = {}
    while any(each.spec for each in executor._workers):
        ended |= {event.record.trial_id: event for event in executor.events() if not isinstance(event, EpochEnded)}
    return ended


def lose_gpu(root: Path, number: int, executor: LocalExecutor) -> None:
    """Its driver's fault ends the process, and the next one sees none."""
    (root / DEVICE).write_text(CPU)
    process_id = executor.process_ids[number]
    assert process_id is not None
    os.kill(process_id, signal.SIGKILL)
    executor.submit(spec("lost", epochs=1))
    assert outcomes(executor)["lost"].crashed


def test_the_last_place_that_lost_its_gpu_ends_the_run_in_one_line(tmp_path: Path) -> None:
    (tmp_path / DEVICE).write_text(GPU)
    with LocalExecutor(make_setup(tmp_path), tmp_path, [Placement(gpu="0")]) as executor:
        assert executor.device() == GPU
        lose_gpu(tmp_path, 0, executor)
        executor.submit(spec("next", epochs=1))
        with pytest.raises(
            ExperimentError, match=rf"computes on {CPU}: the GPU that the old one had is gone .*--resume"
        ):
            outcomes(executor)


def test_the_trial_of_a_place_that_lost_its_gpu_goes_on_at_another(tmp_path: Path) -> None:
    (tmp_path / DEVICE).write_text(GPU)
    said: list[str] = []
    with LocalExecutor(make_setup(tmp_path), tmp_path, [Placement(gpu="0")] * 2, note=said.append) as executor:
        executor.device()
        lose_gpu(tmp_path, 0, executor)
        for name in ("one", "other"):
            executor.submit(spec(name, epochs=1))
        assert {name: each.record.status for name, each in outcomes(executor).items()} == {
            "one": COMPLETED,
            "other": COMPLETED,
        }
        assert (executor.slots, executor.free_slots) == (1, 1)
    (line,) = said
    assert line.endswith("; 1 worker left")


def test_a_new_process_on_the_same_device_goes_on(tmp_path: Path) -> None:
    (tmp_path / DEVICE).write_text(GPU)
    with LocalExecutor(make_setup(tmp_path), tmp_path, [Placement(gpu="0")]) as executor:
        executor.device()
        lose_gpu(tmp_path, 0, executor)
        (tmp_path / DEVICE).write_text(GPU)
        executor._workers[0].restart()
        executor.submit(spec("next", epochs=1))
        assert outcomes(executor)["next"].record.status == COMPLETED
