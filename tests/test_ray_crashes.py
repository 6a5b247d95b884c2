"""kill -9 of a driver whose trials run on a Ray cluster: the cluster lives on, and nothing that was finished is lost or repeated."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.records import COMPLETED
from bench.store import load

pytest.importorskip("ray")

from ray.cluster_utils import Cluster

pytestmark = pytest.mark.slow

TRIALS = 8
EXPERIMENT = """
name: killed
space: {architecture: [plain_unet], loss: [bce, dice], image_size: [32], learning_rate: [0.001, 0.002, 0.004]}
tuners: [asha]
trials: 8
protocol: {epochs: 9, max_steps_per_epoch: 2, finalists: 1, folds: 2, final_seeds: 1}
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
    cluster = Cluster(initialize_head=True, head_node_args=node)
    yield cluster.address, f"ray://127.0.0.1:{port}"
    cluster.shutdown()


def draw(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(12):
        mask = np.zeros((32, 32), np.uint8)
        mask[number : number + 12, 8:20] = 255
        Image.fromarray(rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)).save(root / "images" / f"{number}.png")
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    return root


def test_a_killed_driver_goes_on_where_it_was_even_from_elsewhere(
    addresses: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture
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
    recorded = load(tmp_path / "results" / "killed").trials
    assert 2 <= len(recorded) < TRIALS
    subprocess.run([*command, "--cluster", addresses[1], "--resume"], check=True, stdout=subprocess.DEVNULL)
    trials = load(tmp_path / "results" / "killed").trials
    assert trials[: len(recorded)] == recorded, "a finished trial was lost or run again"
    assert len({trial.trial_id for trial in trials}) == len(trials) == TRIALS
    assert {trial.status for trial in trials} == {COMPLETED}
    continued = [trial for trial in trials[len(recorded) :] if trial.hyperparameters.get("tuner/trial_id")]
    assert any(trial.epochs_run < trial.epochs_planned for trial in continued), "no state was handed on"
    with capsys.disabled():
        print("\n1 kill of a driver with a Ray cluster: 0 trials lost, 0 repeated, 0 stuck")
