"""kill -9 of a driver whose trials run on a Ray cluster: the cluster lives on, and nothing that was finished is lost or repeated."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.store import load

pytest.importorskip("ray")

from ray.cluster_utils import Cluster

pytestmark = pytest.mark.slow

TRIALS, KILLS = 6, 2
EXPERIMENT = """
name: killed
space: {architecture: [plain_unet], loss: [bce, dice], image_size: [32], learning_rate: [0.001, 0.002, 0.004]}
tuners: [tpe_asha]
trials: 6
protocol: {epochs: 9, max_steps_per_epoch: 2}
"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A node with two cores."""
    (tmp_path / "tmp").mkdir()
    own = {"TMPDIR": str(tmp_path / "tmp")}
    node = {"num_cpus": 2, "object_store_memory": 100 * 2**20, "include_dashboard": False, "env_vars": own}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    yield cluster.address
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


def test_a_killed_driver_goes_on_where_it_was(address: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "killed.yaml").write_text(EXPERIMENT)
    command = [
        *(sys.executable, "-m", "bench", "run", str(tmp_path / "killed.yaml"), "--data", str(draw(tmp_path / "data"))),
        *("--name", "killed", "--cluster", address, "--workers", "2"),
        *("--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports")),
    ]
    recorded: list = []
    for kill in range(KILLS + 1):
        resume = ["--resume"] if kill else []
        with subprocess.Popen([*command, *resume], stdout=subprocess.PIPE, text=True) as driver:
            ended = 0
            for line in driver.stdout:
                ended += bool(re.match(r"  trial \d", line))
                if ended == 2 and kill < KILLS:
                    driver.kill()
        assert driver.returncode == (-9 if kill < KILLS else 0)
        trials = list(load(tmp_path / "results" / "killed").trials)
        assert trials[: len(recorded)] == recorded, "a finished trial was lost or run again"
        assert len(trials) >= len(recorded) + (2 if kill < KILLS else 0)
        recorded = trials
    assert len({trial.trial_id for trial in recorded}) == len(recorded) == TRIALS
    assert (tmp_path / "reports" / "killed" / "leaderboard.md").is_file()
    with capsys.disabled():
        print(f"\n{KILLS} kills of a driver with a Ray cluster: 0 trials lost, 0 repeated, 0 stuck")
