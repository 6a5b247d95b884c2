"""kill -9 of a driver whose trials run on a Ray cluster: the cluster lives on, and nothing
that was finished is lost or repeated."""

import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.delivery import NETWORK
from bench.records import COMPLETED
from bench.records.store import load
from bench.run.setup import PreparedData
from bench.tuners import ORACLES
from tests.killed import (
    FINISHED,
    KILLED,
    OF_A_DELIVERY,
    PHASES,
    Killer,
    Told,
    draw,
    drawn_material,
    killed_at,
    kills_until_through,
    require_whole,
)

pytest.importorskip("ray")

from ray.cluster_utils import Cluster

from tests.killed_on_ray import cluster, lived

pytestmark = pytest.mark.slow


TRIALS = 8
EXPERIMENT = """
name: killed
space: {architecture: [plain_unet], loss: [bce, dice], image_size: [32], learning_rate: [0.001, 0.002, 0.004]}
tuners: [asha]
trials: 8
protocol: {steps: 18, steps_per_epoch: 2, shortest_steps: 2, finalists: 1, folds: 2, final_seeds: 1}
"""


@pytest.fixture
def addresses(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Of a node with two cores: for a driver on it, and for one elsewhere, which is Ray's client."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "tmp").mkdir()
    own = {"TMPDIR": str(tmp_path / "tmp")}
    node = {"num_cpus": 2, "object_store_memory": 100 * 2**20, "include_dashboard": False, "env_vars": own}
    node["ray_client_server_port"] = port
    node_itself = Cluster(initialize_head=True, head_node_args=node)
    yield node_itself.address, f"ray://127.0.0.1:{port}"
    node_itself.shutdown()


def test_a_killed_driver_goes_on_where_it_was_even_from_elsewhere(
    addresses: tuple[str, str], tmp_path: Path, say_at_the_end: Callable[[str], None]
) -> None:
    (tmp_path / "killed.yaml").write_text(EXPERIMENT)
    command = [
        *(sys.executable, "-m", "bench", "run", str(tmp_path / "killed.yaml"), "--data", str(draw(tmp_path / "data"))),
        *("--name", "killed", "--workers", "2"),
        *("--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports")),
    ]
    with subprocess.Popen([*command, "--cluster", addresses[0]], stdout=subprocess.PIPE, text=True) as driver:
        ended = 0
        for line in driver.stdout:
            ended += line.startswith("  trial ")
            if ended == 2:
                driver.kill()
    assert driver.returncode == -9
    directory = tmp_path / "results" / "killed"
    recorded = load(directory).trials
    assert 2 <= len(recorded) < TRIALS
    assert killed_at([*command, "--cluster", addresses[1], "--resume"], "writing the model")
    assert not (directory / "model").exists()
    trained = load(directory).trainings
    subprocess.run([*command, "--cluster", addresses[0], "--resume"], check=True, stdout=subprocess.DEVNULL)
    trials = load(directory).trials
    assert trials[: len(recorded)] == recorded, "a finished trial was lost or run again"
    assert len({trial.trial_id for trial in trials}) == len(trials) == TRIALS
    assert {trial.status for trial in trials} == {COMPLETED}
    promoted = [trial for trial in trials if trial.hyperparameters.get("tuner/trial_id")]
    assert promoted
    assert all(trial.epochs_run == trial.epochs_planned for trial in promoted), "each trains from the start"
    run = load(directory)
    assert run.trainings == trained, "a finished training was lost or run again"
    assert (directory / "model" / NETWORK).stat().st_size == run.delivery.num_bytes
    assert not list(directory.glob(".model*"))
    say_at_the_end("2 kills of a driver with a Ray cluster: 0 trials lost, 0 repeated, 0 stuck")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with cluster() as address:
        yield address


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> PreparedData:
    return drawn_material(tmp_path_factory.mktemp("data"))


def attempt(address: str, root: Path, tuner: str, material: PreparedData, told: Told, killer: Killer) -> bool:
    """Begins or resumes the run in a driver of its own; whether it came to its end."""
    ended = lived(address, root, tuner, material, told, killer)
    assert ended in (FINISHED, KILLED), f"the run {ended}, by itself"
    return ended == FINISHED


def test_a_driver_killed_at_each_write_of_its_delivery_goes_on_and_delivers(
    address, material, tmp_path, say_at_the_end
):
    told = Told()
    for of in OF_A_DELIVERY:
        for phase in PHASES:
            assert not attempt(address, tmp_path, "random", material, told, Killer(0, phase, of)), (of, phase)
    assert attempt(address, tmp_path, "random", material, told, Killer())
    require_whole(tmp_path, told)
    say_at_the_end(f"{3 * len(OF_A_DELIVERY)} kills in a delivery on Ray: 0 trials lost, 0 repeated, 0 stuck")


@pytest.mark.parametrize("tuner", ORACLES)
def test_drivers_killed_again_and_again_every_tuner_gets_to_its_end(
    address, material, tmp_path, say_at_the_end, tuner
) -> None:
    told = Told()
    kills = kills_until_through(
        lambda killer: attempt(address, tmp_path, tuner, material, told, killer), random.Random(tuner), writes=(20, 60)
    )
    require_whole(tmp_path, told)
    say_at_the_end(f"{tuner} on Ray: {kills} kills of the driver, 0 trials lost, 0 repeated, 0 stuck")
    assert kills >= 1
