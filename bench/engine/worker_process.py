"""The child's half of a worker: the process that computes, and what it does with what it is told over its pipe."""

import contextlib
import importlib
import os
import tempfile
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.engine.devices import Placement
from bench.engine.processes import end_with_parent, print_into
from bench.errors import DataError


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The only answer of a process that does not compute on what its forerunner did: a GPU that its driver has lost,
    most often. A trial on the CPU would take another's time and, with "auto", another precision."""

    device: str


def run_worker(connection: Connection, placement: Placement, memory_bytes: int, log: Path) -> None:
    """The child's loop."""
    end_with_parent()
    keep_beside(log)
    from bench.engine.devices import prepare
    from bench.engine.training.trainer import Trainer

    prepare(placement)
    importlib.import_module("bench.engine.training.trial")  # TensorFlow and Keras, while the parent reads the data
    with contextlib.suppress(EOFError, ConnectionError):
        setup, device = connection.recv()
        serve(connection, Trainer(setup, tell=connection.send, memory_bytes=memory_bytes), device)


def keep_beside(log: Path) -> None:
    """What libraries print goes to the worker's log, and temporary files stand beside it: they go with the run's folder
    where the worker is killed."""
    print_into(log)
    os.environ["TMPDIR"] = tempfile.tempdir = str(log.absolute().parent)


def serve(connection: Connection, trainer: Any, device: str | None) -> None:
    """Does what it is told, with a `trainer` that computes on `device` (None: nobody has asked yet), until the
    connection ends with EOFError or ConnectionError."""
    elsewhere = None if device is None or trainer.device() == device else Elsewhere(trainer.device())
    while True:
        method, arguments = connection.recv()
        try:
            answer = elsewhere or getattr(trainer, method)(*arguments)
        except DataError as error:
            answer = error
        connection.send(answer)
