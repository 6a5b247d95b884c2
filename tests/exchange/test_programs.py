"""Records in other tools' files, opened with those programs themselves. `tox -e tools` brings those that are missing.

Each server is asked what its own page asks it. The run is the recorded reference."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.exchange.records import export_records
from bench.exchange.records.entries import FINAL, entries
from bench.records.store import load

REFERENCE = Path(__file__).parents[2] / "results/reference"
TRIES = 600
"""Of a second each, until a server is given up; it answers after a few unless the machine is very busy."""

pytestmark = [pytest.mark.slow, pytest.mark.programs]


@pytest.fixture(scope="module")
def run():
    return load(REFERENCE)


@dataclass(frozen=True)
class Server:
    """A program that listens on the loopback interface."""

    process: subprocess.Popen
    address: str
    log: Path

    def answer(self, path: str, content: object = None, *, wanted: str = "") -> str:
        """What it answers to GET, or to POST of `content`, as soon as `wanted` is in it. Fails, with its log, if it
        ends before that."""
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"})
        said = ""
        for _ in range(TRIES):
            try:
                with urllib.request.urlopen(request) as found:
                    said = found.read().decode()
                if wanted in said:
                    return said
            except OSError as error:
                said = str(error)
            if self.process.poll() is not None:
                break
            time.sleep(1)
        pytest.fail(f"{path}: no {wanted!r} in {said!r}\n{self.log.read_text(encoding='utf-8')}")

    def asks(self, path: str, content: object = None, *, wanted: str = ""):
        return json.loads(self.answer(path, content, wanted=wanted))


@pytest.fixture
def serve(tmp_path) -> Iterator[Callable[..., Server]]:
    """Starts a program of this environment at a free port; its process group ends with the test."""
    started = []

    def start(name: str, *arguments: str) -> Server:
        program = shutil.which(name, path=str(Path(sys.executable).parent))
        if program is None:
            pytest.skip(f"{name} is not installed here; tox -e tools brings it")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        log = tmp_path / f"{name}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                [program, *arguments, "--port", str(port)],
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=tmp_path,
                env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
                start_new_session=True,
            )
        started.append(process)
        return Server(process, f"http://127.0.0.1:{port}", log)

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def test_tensorboard_shows_each_trial_with_its_curve_and_its_hyperparameters(run, serve, tmp_path) -> None:
    logs = str(tmp_path / "logs")
    export_records(run, "tensorboard", logs)
    server = serve("tensorboard", "--logdir", logs)
    trial = run.trials[0]
    name = f"{trial.study_id}/trial-{trial.trial_id}"
    server.answer("/data/plugin/scalars/tags", wanted=name)
    asked = urllib.parse.urlencode({"run": name, "tag": "epoch/val_iou"})
    points = server.asks(f"/data/plugin/scalars/scalars?{asked}")
    curve = [(epoch.epoch, epoch.val_iou) for epoch in trial.curve if epoch.val_iou is not None]
    assert [step for _, step, _ in points] == [step for step, _ in curve]
    assert [value for _, _, value in points] == pytest.approx([value for _, value in curve])
    statuses = ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING", "STATUS_UNKNOWN"]
    asked = {"experimentName": "", "allowedStatuses": statuses, "colParams": [], "startIndex": 0, "sliceSize": 1000}
    groups = server.asks("/data/plugin/hparams/session_groups", asked)["sessionGroups"]
    assert len(groups) == len(run.trials) + len(run.trainings)
    (own,) = [group for group in groups if group["sessions"][0]["name"] == name]
    assert own["hparams"]["architecture"] == trial.hyperparameters["architecture"]


def test_optuna_dashboard_shows_each_study_with_the_value_of_each_trial(run, serve, tmp_path) -> None:
    export_records(run, "optuna", str(tmp_path / "runs.db"))
    server = serve("optuna-dashboard", f"sqlite:///{tmp_path / 'runs.db'}")
    studies = server.asks("/api/studies", wanted=FINAL)["study_summaries"]
    found = list(entries(run))
    assert {study["study_name"] for study in studies} == {f"{run.record.name}: {entry.group}" for entry in found}
    (own,) = [study for study in studies if study["study_name"].endswith(run.trials[0].study_id)]
    trials = server.asks(f"/api/studies/{own['study_id']}")["trials"]
    scores = [entry.score for entry in found if entry.group == run.trials[0].study_id]
    assert [trial["values"][0] for trial in trials] == pytest.approx(scores)
    params = {each["name"]: each["param_external_value"] for each in trials[0]["params"]}
    assert params["architecture"] == run.trials[0].hyperparameters["architecture"]


def test_mlflow_keeps_each_training_with_its_curve_as_its_client_reads_it(run, serve, tmp_path) -> None:
    store = ["--backend-store-uri", f"sqlite:///{tmp_path / 'mlflow.db'}", "--default-artifact-root", str(tmp_path)]
    server = serve("mlflow", "server", *store, "--workers", "1")
    from mlflow import MlflowClient

    server.answer("/health", wanted="OK")
    export_records(run, "mlflow", server.address)
    client = MlflowClient(tracking_uri=server.address)
    kept = client.search_runs([client.get_experiment_by_name(run.record.name).experiment_id])
    of_name = {each.info.run_name: each for each in kept}
    assert set(of_name) == {f"{entry.group}: {entry.name}" for entry in entries(run)}
    for entry in entries(run):
        own = of_name[f"{entry.group}: {entry.name}"]
        assert own.data.params == {name: str(value) for name, value in entry.hyperparameters.items()}
        assert own.data.metrics["iou"] == pytest.approx(entry.score)
        assert (own.info.status, own.info.end_time) == ("FINISHED", int(1000 * entry.ended_at.timestamp()))
        if entry.curve:
            history = client.get_metric_history(own.info.run_id, "val_iou")
            assert {each.step: each.value for each in history} == {
                epoch.epoch: epoch.val_iou for epoch in entry.curve if epoch.val_iou is not None
            }
