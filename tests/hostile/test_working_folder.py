"""The working folder is a stranger's: modules that lie in it run in no process of a run."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.delivery.process import in_own_process
from bench.engine.devices import Placement
from bench.engine.processes import apart_from_the_working_folder

ROOT = Path(__file__).parents[2]

ASKS_A_WORKER = """
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

if __name__ == "__main__":
    from bench.engine import worker
    from tests.engine import stand_in_worker

    setup = SimpleNamespace(val_ids=(), folds=(), test_ids=(), evaluation_size=8)
    with mock.patch.object(worker, "run_worker", stand_in_worker.serve_stand_in):
        with worker.TrialWorker(setup, Path(sys.argv[1]) / "log") as asked:
            print(asked.device())
"""


@pytest.mark.slow
def test_modules_beside_the_pictures_run_in_no_worker(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name in ("socket", "selectors", "tempfile", "random", "struct", "signal", "numpy", "tensorflow", "keras"):
        (theirs / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write(__name__)\n")
    (tmp_path / "asks.py").write_text(ASKS_A_WORKER)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(tmp_path / "asks.py"), str(tmp_path)]
    done = subprocess.run(command, cwd=theirs, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "nothing\n", "what the worker says that trains nothing"
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_modules_beside_the_pictures_run_in_no_command(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name in ("typer", "numpy", "json", "pathlib", "dataclasses", "yaml", "pydantic", "search_spaces"):
        (theirs / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write(__name__)\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bench", "list"]
    done = subprocess.run(command, cwd=theirs, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert "unet" in done.stdout
    assert not (tmp_path / "ran").exists()


def test_a_delivery_begins_apart_from_the_working_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def start(_: object) -> None:
        seen.append(os.environ.get("PYTHONSAFEPATH"))
        raise ChildProcessError

    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setattr(multiprocessing.get_context("spawn").Process, "start", start)
    with pytest.raises(ChildProcessError):
        in_own_process(print, log=tmp_path / "log", placement=Placement())
    assert seen == ["1"]
    assert "PYTHONSAFEPATH" not in os.environ


def test_what_was_asked_for_before_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "yes")
    with apart_from_the_working_folder():
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert os.environ["PYTHONSAFEPATH"] == "yes"
