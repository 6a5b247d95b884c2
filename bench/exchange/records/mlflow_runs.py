"""A run's trials and trainings as MLflow runs, over the REST interface of a tracking server.

It needs no package of MLflow's: https://mlflow.org/docs/latest/rest-api.html, version 2.0, which MLflow 1, 2 and 3
serve.
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from bench.errors import StoreError
from bench.exchange.records.entries import Entry, entries
from bench.formats import plural, shortened
from bench.records import FAILED, Run

_OF_EPOCH = ("train_loss", "val_loss", "val_iou")

_MOST_AT_ONCE = 800
"""Metrics in one request; MLflow takes 1000 of everything together."""

_PATIENCE_S = 60


def write_mlflow(run: Run, address: str) -> str:
    """An MLflow experiment of the run's name, with a run for each entry.

    Hyperparameters are parameters, epochs are metrics by step, start and end are those on record. Raises StoreError if
    `address` is not that of a server (http://HOST:PORT), does not answer, or has an experiment of that name.
    """
    if not address.startswith(("http://", "https://")):
        raise StoreError(
            f"{address} is no tracking server; give its address (start one with: mlflow server --port 5000; then -o http://127.0.0.1:5000)"
        )
    server = _Server(address.rstrip("/"))
    if server.experiment(run.record.name) is not None:
        raise StoreError(
            f"{address} has an experiment {run.record.name!r}; delete it there for good (mlflow gc), "
            "or choose another server"
        )
    experiment = server.post("experiments/create", {"name": run.record.name})["experiment_id"]
    count = 0
    for entry in entries(run):
        _write(server, experiment, entry)
        count += 1
    return f"{plural(count, 'run')} in experiment {run.record.name}; open {address}"


class _Server:
    def __init__(self, address: str) -> None:
        self._address = address

    def post(self, what: str, content: Mapping[str, object]) -> dict[str, Any]:
        """The answer. Raises StoreError with what the server says."""
        request = urllib.request.Request(
            self._url(what), json.dumps(content).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        return self._answer(request)

    def experiment(self, name: str) -> dict[str, Any] | None:
        """The experiment of that name, deleted ones too; None where there is none."""
        asked = urllib.parse.urlencode({"experiment_name": name})
        try:
            return self._answer(urllib.request.Request(f"{self._url('experiments/get-by-name')}?{asked}"))
        except _NotThereError:
            return None

    def _url(self, what: str) -> str:
        return f"{self._address}/api/2.0/mlflow/{what}"

    def _answer(self, request: urllib.request.Request) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 404 and "experiment_name" in request.full_url:
                raise _NotThereError(request.full_url) from error
            said = " ".join(error.read().decode(errors="replace").split())
            raise StoreError(f"MLflow at {self._address} refuses: {shortened(said, 200)}") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise StoreError(f"MLflow at {self._address} does not answer: {shortened(str(reason), 200)}") from error


class _NotThereError(StoreError):
    pass


def _write(server: _Server, experiment: str, entry: Entry) -> None:
    started, ended = (int(1000 * moment.timestamp()) for moment in (entry.started_at, entry.ended_at))
    name = f"{entry.group}: {entry.name}"
    made = server.post(
        "runs/create",
        {
            "experiment_id": experiment,
            "start_time": started,
            "run_name": name,
            "tags": _pairs({"mlflow.runName": name, "group": entry.group, **entry.about}),
        },
    )
    run_id = made["run"]["info"]["run_id"]
    server.post("runs/log-batch", {"run_id": run_id, "params": _pairs(entry.hyperparameters)})
    metrics = [
        {"key": key, "value": value, "timestamp": started + int(1000 * epoch.elapsed_s), "step": epoch.epoch}
        for epoch in entry.curve
        for key in _OF_EPOCH
        if (value := getattr(epoch, key)) is not None
    ]
    final = {f"final_{key}": value for key, value in entry.metrics.items()}
    final |= {} if entry.score is None else {"iou": entry.score}
    metrics += [{"key": _key(key), "value": value, "timestamp": ended, "step": 0} for key, value in final.items()]
    for start in range(0, len(metrics), _MOST_AT_ONCE):
        server.post("runs/log-batch", {"run_id": run_id, "metrics": metrics[start : start + _MOST_AT_ONCE]})
    status = "FAILED" if entry.status == FAILED else "FINISHED"
    server.post("runs/update", {"run_id": run_id, "status": status, "end_time": ended})


def _pairs(values: Mapping[str, object]) -> list[dict[str, str]]:
    return [{"key": name, "value": str(value)} for name, value in values.items()]


def _key(name: str) -> str:
    """A metric's name as MLflow takes it: a class may be called anything."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-. /") else "_" for letter in name)
