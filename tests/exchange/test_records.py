"""Records in other tools' files, opened with those tools' own libraries. The run is the recorded reference."""

import csv
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.errors import StoreError, UserError
from bench.exchange.records import TARGETS, export_records
from bench.exchange.records.entries import FINAL, entries
from bench.records.store import load

REFERENCE = Path(__file__).parents[2] / "results/reference"


@pytest.fixture(scope="module")
def run():
    return load(REFERENCE)


def test_tensorboard_reads_every_epoch_and_the_hyperparameters(run, tmp_path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    said = export_records(run, "tensorboard", str(tmp_path / "logs"))
    assert (
        said == f"{len(run.trials) + len(run.trainings)} trainings; open with: tensorboard --logdir {tmp_path / 'logs'}"
    )
    trial = run.trials[0]
    events = EventAccumulator(str(tmp_path / "logs" / trial.study_id / f"trial-{trial.trial_id}")).Reload()
    read = events.Scalars("epoch/val_iou")
    assert [each.step for each in read] == [epoch.epoch for epoch in trial.curve if epoch.val_iou is not None]
    assert read[-1].value == pytest.approx(trial.curve[-1].val_iou)
    assert events.Scalars("final/iou")[0].value == pytest.approx(trial.val_metrics["iou"])
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert start.hparams["architecture"].string_value == trial.hyperparameters["architecture"]
    assert start.hparams["learning_rate"].number_value == trial.hyperparameters["learning_rate"]


def test_optuna_loads_a_study_for_each_of_the_run_and_one_of_the_final_evaluation(run, tmp_path) -> None:
    import optuna

    file = tmp_path / "runs.db"
    export_records(run, "optuna", str(file))
    storage = f"sqlite:///{file}"
    groups = dict.fromkeys(entry.group for entry in entries(run))
    assert set(optuna.get_all_study_names(storage)) == {f"{run.record.name}: {group}" for group in groups}
    study = optuna.load_study(study_name=f"{run.record.name}: {run.trials[0].study_id}", storage=storage)
    best = max(run.trials, key=lambda trial: trial.val_metrics.get("iou") or 0)
    assert study.best_value == pytest.approx(best.val_metrics["iou"])
    assert study.best_params["architecture"] == best.hyperparameters["architecture"]
    assert study.best_trial.duration.total_seconds() == pytest.approx(best.wall_s, abs=0.01)
    assert list(study.best_trial.intermediate_values) == [e.epoch for e in best.curve if e.val_iou is not None]
    final = optuna.load_study(study_name=f"{run.record.name}: {FINAL}", storage=storage)
    assert len(final.trials) == len(run.trainings)


def test_csv_tables_add_up_to_the_score_on_record(run, tmp_path) -> None:
    import pandas as pd

    export_records(run, "csv", str(tmp_path))
    counts = pd.read_csv(tmp_path / "counts.csv")
    trainings = pd.read_csv(tmp_path / "trainings.csv")
    first = run.trainings[0]
    own = counts[
        (counts.candidate == first.candidate) & (counts.seed == first.seed) & (counts.fold == first.fold + 1)
        & (counts.part == "fold") & (counts["class"] == run.dataset.classes[0])
    ]  # fmt: skip
    pooled = own.tp.sum() / (own.tp.sum() + own.fp.sum() + own.fn.sum())
    (row,) = trainings[trainings.name == f"{first.candidate}, seed {first.seed}, fold {first.fold + 1}"].iou
    assert row == pytest.approx(pooled)
    assert len(pd.read_csv(tmp_path / "epochs.csv")) == sum(len(trial.curve) for trial in run.trials)


def test_parquet_keeps_types(run, tmp_path) -> None:
    pytest.importorskip("pyarrow", reason="the extra tables is not installed")
    import pandas as pd

    export_records(run, "parquet", str(tmp_path))
    trainings = pd.read_parquet(tmp_path / "trainings.parquet")
    assert len(trainings) == len(run.trials) + len(run.trainings)
    assert str(trainings.started_at.dtype).startswith("datetime64")
    assert trainings.hp_batch_size.dtype.kind in "if"


class TrackingServer(BaseHTTPRequestHandler):
    """Answers as MLflow's documentation says, and remembers what it was told."""

    told: ClassVar[list[tuple[str, dict]]] = []
    known = False

    def do_GET(self) -> None:
        self.answer(200 if self.known else 404, {"experiment": {}})

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.told.append((self.path.removeprefix("/api/2.0/mlflow/"), content))
        self.answer(200, {"experiment_id": "7", "run": {"info": {"run_id": f"run{len(self.told)}"}}})

    def answer(self, status: int, content: dict) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *said: object) -> None:
        pass


@pytest.fixture
def tracking_server(monkeypatch):
    monkeypatch.setattr(TrackingServer, "told", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), TrackingServer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_mlflow_is_told_of_every_training_with_its_curve(run, tracking_server) -> None:
    said = export_records(run, "mlflow", tracking_server)
    count = len(run.trials) + len(run.trainings)
    assert said == f"{count} runs in experiment {run.record.name}; open {tracking_server}"
    told = TrackingServer.told
    assert [what for what, _ in told].count("runs/create") == [what for what, _ in told].count("runs/update") == count
    trial, (_, created) = run.trials[0], told[1]
    assert (created["experiment_id"], created["run_name"]) == ("7", f"{trial.study_id}: trial {trial.trial_id}")
    params = {each["key"]: each["value"] for each in told[2][1]["params"]}
    assert params["architecture"] == trial.hyperparameters["architecture"]
    metrics = told[3][1]["metrics"]
    assert [m["step"] for m in metrics if m["key"] == "val_iou"] == [
        e.epoch for e in trial.curve if e.val_iou is not None
    ]
    assert next(m["value"] for m in metrics if m["key"] == "iou") == trial.val_metrics["iou"]


def test_mlflow_keeps_an_experiment_that_it_has(run, tracking_server, monkeypatch) -> None:
    monkeypatch.setattr(TrackingServer, "known", True)
    with pytest.raises(StoreError, match="has an experiment"):
        export_records(run, "mlflow", tracking_server)
    assert TrackingServer.told == []


def test_a_server_that_is_none_or_does_not_answer_is_one_line(run) -> None:
    with pytest.raises(StoreError, match="is no tracking server; give its address"):
        export_records(run, "mlflow", "mlruns")
    with pytest.raises(StoreError, match="does not answer"):
        export_records(run, "mlflow", "http://127.0.0.1:9")


@pytest.mark.parametrize("target", ["tensorboard", "optuna", "csv"])
def test_nothing_that_is_there_is_replaced(run, target: str, tmp_path) -> None:
    there = tmp_path / "there.db"
    there.write_text("mine")
    with pytest.raises(StoreError, match="exists"):
        export_records(run, target, str(there))
    assert there.read_text() == "mine"


def test_an_unknown_tool_and_a_missing_package_are_one_line(run, tmp_path, monkeypatch) -> None:
    with pytest.raises(UserError, match="unknown tool 'excel' in --to; choose from tensorboard, optuna"):
        export_records(run, "excel", str(tmp_path))
    monkeypatch.setattr("bench.exchange.records.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"--to parquet needs pyarrow: pip install 'segbench\[tables\]'"):
        export_records(run, "parquet", str(tmp_path))


def test_the_command_says_how_to_open_what_it_wrote(tmp_path) -> None:
    done = CliRunner().invoke(app, ["export-records", str(REFERENCE), "--to", "csv", "-o", str(tmp_path / "tables")])
    assert done.exit_code == 0
    assert done.stdout.strip().endswith("open with: pandas.read_csv")


def test_every_target_has_a_line_for_people() -> None:
    assert all(target.description for target in TARGETS.values())


def test_no_name_of_a_record_is_a_formula_in_a_table(run, tmp_path) -> None:
    named = replace(run.trainings[0], candidate="=HYPERLINK(1)")
    export_records(replace(run, trainings=(named, *run.trainings[1:])), "csv", str(tmp_path))
    for path in tmp_path.glob("*.csv"):
        for line in csv.reader(path.open(encoding="utf-8", newline="")):
            assert not any(cell.startswith(("=", "+", "@")) for cell in line), line
    assert "'=HYPERLINK(1)" in (tmp_path / "counts.csv").read_text(encoding="utf-8")
