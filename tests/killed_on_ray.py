"""Drivers that are killed while their trials run on a Ray cluster, which lives on: what `killed.py` is without Ray."""

import contextlib
import multiprocessing
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import search_spaces.segmentation  # noqa: F401  imported once by whoever forks the drivers
from bench.engine.ray import executor as ray_executor
from bench.engine.ray import worker as ray_worker
from bench.run.setup import PreparedData
from tests.engine.stand_in_actor import StandInActor
from tests.killed import FINISHED, KILLED, Killer, Told, experiment, run_with, saying


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """The address of a cluster that outlives its drivers, in a process of its own. Its folder has a short name: the
    path of a socket has 107 bytes."""
    node = {"num_cpus": 2, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    code = (
        "import sys; from ray.cluster_utils import Cluster; "
        f"cluster = Cluster(initialize_head=True, head_node_args={node}); "
        "print('at', cluster.address, flush=True); sys.stdin.read(); cluster.shutdown()"
    )
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as root:
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # drivers inherit it
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ.setdefault("RAY_worker_niceness", "0")
        own = os.environ | {"TMPDIR": root}
        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own) as head:
            assert head.stdout is not None
            assert head.stdin is not None
            yield next(line.split()[1] for line in head.stdout if line.startswith("at "))
            head.stdin.close()


def drive(address: str, root: Path, tuner: str, material: PreparedData, killer: Killer, pipe) -> None:
    """Begins or resumes the run in this process, which the killer may end."""
    own = experiment(tuner).model_copy(update={"cluster": address, "workers": 2})

    def executor(*_):
        kind = saying(ray_executor.RayExecutor, pipe.fileno())
        return kind(material.trial_setup(own.protocol), address, workers=2)

    with mock.patch.object(ray_worker, "TrialActor", StandInActor):
        run_with(executor, root, own, material, killer, pipe.fileno())


def lived(address: str, root: Path, tuner: str, material: PreparedData, told: Told, killer: Killer) -> str:
    """How the run ended in a driver of its own, as `tests.killed.lived` says it."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.killed_on_ray"])
    reader, writer = processes.Pipe(duplex=False)
    driver = processes.Process(target=drive, args=(address, root, tuner, material, killer, writer))
    driver.start()
    writer.close()
    told.listen(os.dup(reader.fileno()))
    driver.join()
    return {0: FINISHED, -signal.SIGKILL: KILLED}.get(driver.exitcode, f"ended with exit code {driver.exitcode}")
