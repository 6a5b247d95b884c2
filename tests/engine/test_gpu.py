"""On a machine with a GPU (`tox -e gpu`): workers train there, in half precision where it is fast,
and share one if asked to."""

from dataclasses import replace

import pytest

from bench.engine.devices import Placement, placements, visible_gpus
from bench.engine.executor import LocalExecutor
from bench.engine.spec import TrialOutcome, TrialSetup
from bench.records import COMPLETED
from tests.engine.tiny import make_setup, spec

pytestmark = [pytest.mark.gpu, pytest.mark.slow]


@pytest.fixture(scope="module")
def setup(tmp_path_factory) -> TrialSetup:
    assert visible_gpus(), "nvidia-smi lists no GPU that this process may use"
    return make_setup(tmp_path_factory.mktemp("squares"))


def train(executor: LocalExecutor, count: int) -> dict[str, TrialOutcome]:
    """So many equal trials, all at once."""
    for number in range(count):
        executor.submit(spec(str(number), epochs=4))
    ended = {}
    while executor.free_slots < executor.slots:
        for event in executor.events():
            if isinstance(event, TrialOutcome):
                ended[event.record.trial_id] = event
    return ended


def test_every_gpu_has_a_worker_that_trains_on_it(setup, tmp_path):
    with LocalExecutor(setup, tmp_path, placements()) as executor:
        assert executor.slots == len(visible_gpus())
        assert "GPU" in executor.device()
        ended = train(executor, executor.slots)
    assert {outcome.record.status for outcome in ended.values()} == {COMPLETED}


def test_equal_trials_end_equal_on_a_gpu(setup, tmp_path):
    with LocalExecutor(setup, tmp_path, placements(1)) as executor:
        curves = [[epoch.train_loss for epoch in train(executor, 1)["0"].record.curve] for _ in range(2)]
    assert curves[0] == curves[1]


def test_two_workers_share_a_gpu_within_their_memory(setup, tmp_path):
    (name, memory_bytes), *_ = visible_gpus()
    share = Placement(gpu=name, memory_bytes=int(0.45 * memory_bytes))
    with LocalExecutor(setup, tmp_path, [share, share]) as executor:
        assert executor.device().startswith("2 workers on GPU")
        ended = train(executor, 2)
    assert {outcome.record.status for outcome in ended.values()} == {COMPLETED}


def test_xla_trains_on_a_gpu_and_ends_equal_twice(setup, tmp_path):
    with LocalExecutor(replace(setup, xla="on"), tmp_path, placements(1)) as executor:
        curves = [[epoch.train_loss for epoch in train(executor, 1)["0"].record.curve] for _ in range(2)]
    assert curves[0] == curves[1]
    assert curves[0][-1] < curves[0][0]


def test_half_precision_learns_on_a_gpu(setup, tmp_path):
    with LocalExecutor(replace(setup, precision="mixed_float16"), tmp_path, placements(1)) as executor:
        assert executor.device().endswith("mixed_float16")
        curve = train(executor, 1)["0"].record.curve
    assert curve[-1].train_loss < curve[0].train_loss
