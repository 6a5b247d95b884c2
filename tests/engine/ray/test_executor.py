"""A Ray cluster of several nodes on this machine: the same results as without it, and machines that come and go."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from bench.engine.devices import Placement
from bench.engine.executor import Executor, LocalExecutor
from bench.engine.spec import EpochEnded, TrialOutcome, TrialSetup, TrialSpec
from bench.errors import ExperimentError, StoreError, UserError
from bench.progress import PlainProgress
from bench.records import COMPLETED, ProposalRecord, TrialRecord
from bench.records.environment import current_versions
from bench.run.costs import CostModel, Deadline
from bench.run.search import StudyPlan, run_study
from search_spaces.segmentation import SegmentationHyperModel
from search_spaces.space import Space
from tests.engine.tiny import IDS, SIZE, make_setup, spec

pytest.importorskip("ray")

import ray
from ray.cluster_utils import Cluster

from bench.engine.ray import executor as ray_executor
from bench.engine.ray import worker as ray_worker
from bench.engine.ray.actor import WorkerInfo, end_of_log
from bench.engine.ray.executor import RayExecutor
from bench.engine.ray.worker import problem_of
from tests.engine.stand_in_actor import SlowActor

pytestmark = pytest.mark.slow

PLASMA = 100 * 2**20
QUICK_TO_NOTICE = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 1000,
    "health_check_failure_threshold": 3,
}
PATIENCE_S = 180
SPACE = Space(architecture=("plain_unet",), loss=("bce", "dice"), image_size=(SIZE,), learning_rate=(1e-3, 2e-3, 4e-3))
FINAL = replace(spec("final", fold=1), train_share=0.5)
FOLDED = replace(spec("on folds"), search_folds=2)
SHORT, LONG = spec("short", epochs=2), spec("long", epochs=4)


@pytest.fixture(scope="module")
def setup(tmp_path_factory) -> TrialSetup:
    return make_setup(tmp_path_factory.mktemp("squares"))


def test_a_wait_for_the_first_worker_ends_in_one_line_and_no_time_counts_in_which_the_driver_was_stopped(setup):
    """Of 5 s that it may last, each look takes one; the system's clock says 3,600."""
    looks, system_s = [], iter(range(0, 10**9, 3600))

    def now() -> float:
        return len(looks)

    with (
        mock.patch.object(ray_executor, "connect"),
        mock.patch.object(ray_executor.Pixels, "put"),
        mock.patch.object(ray_executor, "ray", mock.Mock(nodes=list)),
        mock.patch.object(ray_executor.time, "sleep", looks.append),
        mock.patch.object(ray_executor.time, "monotonic", system_s.__next__),
        mock.patch.object(ray_executor.clock, "now", now),
        RayExecutor(setup, "auto", patience_s=5.0) as executor,
        pytest.raises(ExperimentError, match=r"no worker came up on the Ray cluster 'auto' within 5 s; .*ray status"),
    ):
        executor.device()
    assert len(looks) == 6


@pytest.fixture(scope="module")
def nodes(tmp_path_factory) -> Iterator[Callable[[], object]]:
    """A cluster with one node; call it for another one, which has a folder for temporary files to itself."""

    def node() -> dict:
        own = {"TMPDIR": str(tmp_path_factory.mktemp("node"))}
        return {"num_cpus": 1, "object_store_memory": PLASMA, "env_vars": own}

    head = node() | {"include_dashboard": False, "_system_config": QUICK_TO_NOTICE}
    cluster = Cluster(initialize_head=True, head_node_args=head)

    def add() -> object:
        return cluster.add_node(**node())

    add.cluster = cluster
    yield add
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def two_nodes(nodes) -> str:
    nodes()
    return nodes.cluster.address


@pytest.fixture(scope="class")
def training(setup, two_nodes) -> Iterator[RayExecutor]:
    with RayExecutor(setup, two_nodes) as executor:
        executor.device()
        await_slots(executor, 2)  # on a busy machine the second one is late
        assert executor.device().startswith("2 Ray workers on CPU")
        yield executor


@pytest.fixture(scope="module")
def executor(setup, two_nodes) -> Iterator[RayExecutor]:
    """Its actors, and the cluster that they are on, are real; what they would train is not."""
    with mock.patch.object(ray_worker, "TrialActor", SlowActor), RayExecutor(setup, two_nodes) as executor:
        executor.device()
        await_slots(executor, 2)
        yield executor


@pytest.fixture(scope="module")
def local(setup, tmp_path_factory) -> dict[str, TrialOutcome]:
    """What the same trials are on this machine without Ray."""
    with LocalExecutor(setup, tmp_path_factory.mktemp("logs"), [Placement(gpu="", threads=1)]) as executor:
        return {trial.trial_id: outcome_of(executor, trial) for trial in (SHORT, LONG, FINAL, FOLDED)}


def outcome_of(executor: Executor, trial: TrialSpec) -> TrialOutcome:
    executor.submit(trial)
    return outcomes(executor)[trial.trial_id]


def outcomes(executor: Executor) -> dict[str, TrialOutcome]:
    """Whatever is under way, to its end."""
    ended: dict[str, TrialOutcome] = {}
    while executor.free_slots < executor.slots:
        ended |= {event.record.trial_id: event for event in executor.events() if not isinstance(event, EpochEnded)}
    return ended


def await_slots(executor: RayExecutor, count: int) -> None:
    began = time.monotonic()
    while executor.slots != count:
        assert time.monotonic() - began < PATIENCE_S
        assert not [event for event in executor.events() if not isinstance(event, EpochEnded)]


def require_equal(one: TrialOutcome, other: TrialOutcome) -> None:
    assert one.record.status == other.record.status == COMPLETED
    assert one.record.val_metrics == other.record.val_metrics
    curves = [[replace(epoch, elapsed_s=0.0) for epoch in outcome.record.curve] for outcome in (one, other)]
    assert curves[0] == curves[1]
    assert one.scored.counts == other.scored.counts
    np.testing.assert_array_equal(one.scored.predictions, other.scored.predictions)


class Kept:
    """A study's recorder."""

    def __init__(self) -> None:
        self.proposals: list[ProposalRecord] = []
        self.records: list[TrialRecord] = []

    def proposed(self, proposal: ProposalRecord) -> None:
        self.proposals.append(proposal)

    def ended(self, spec: TrialSpec, outcome: TrialOutcome) -> None:
        self.records.append(outcome.record)


class Disturbed(PlainProgress):
    """Does something once, when the first epoch of a trial has ended."""

    def __init__(self, disturb: Callable[[], None]) -> None:
        self.lines: list[str] = []
        super().__init__(write=self.lines.append)
        self._disturb: Callable[[], None] | None = disturb

    def epoch_ended(self, trial_id, epoch) -> None:
        super().epoch_ended(trial_id, epoch)
        if self._disturb is not None:
            disturb, self._disturb = self._disturb, None
            disturb()


def study(executor: Executor, disturb: Callable[[], None], trials: int = 4) -> tuple[str, Kept, list[str]]:
    kept, progress = Kept(), Disturbed(disturb)
    ended = run_study(
        StudyPlan(tuner="random", seed=0, trials=trials, epochs=30),
        hypermodel=SegmentationHyperModel(SPACE, 2),
        executor=executor,
        proposals=(),
        finished=(),
        costs=CostModel(),
        deadline=Deadline.after(None),
        recorder=kept,
        progress=progress,
    )
    return ended, kept, progress.lines


def require_whole(ended: str, kept: Kept, trials: int = 4) -> None:
    """0 lost, 0 repeated."""
    names = [record.trial_id for record in kept.records]
    assert ended == "trials"
    assert len(names) == len(set(names)) == trials
    assert set(names) == {proposal.trial_id for proposal in kept.proposals}
    assert {record.status for record in kept.records} == {COMPLETED}


class TestTraining:
    """With TensorFlow, on two nodes."""

    def test_a_trial_equals_one_without_ray_and_so_does_a_longer_one_on_another_worker(self, training, local):
        epochs = []
        training.submit(SHORT)
        for _ in range(PATIENCE_S):
            events = list(training.events())
            epochs += [event.epoch for event in events if isinstance(event, EpochEnded)]
            if training.free_slots == training.slots:
                break
        short = events[-1]
        assert tuple(epochs) == short.record.curve
        require_equal(short, local["short"])
        model = training.model(SHORT)
        trained = next(worker for worker in training._workers if worker.last == SHORT.key)
        training.submit(spec("filler", epochs=1))
        assert not trained.is_free  # its graph is compiled there
        training.submit(LONG)
        require_equal(outcomes(training)["long"], local["long"])
        assert training.score(SHORT, model, training._setup.val_ids).counts == short.scored.counts
        with pytest.raises(StoreError, match="cannot score the model of trial study/short: "):
            training.score(SHORT, b"no weights", training._setup.val_ids)

    def test_trainings_on_folds_and_on_shares_of_the_images_equal_those_without_ray(self, training, local):
        final, folded = outcome_of(training, FINAL), outcome_of(training, FOLDED)
        require_equal(final, local["final"])
        assert (folded.record.folds_run, folded.record.out_of_fold) == (2, local["on folds"].record.out_of_fold)
        assert (final.train_images, final.test.counts) == (2, local["final"].test.counts)
        expected = local["final"].scored.evidence.arrays()
        for name, array in final.scored.evidence.arrays().items():
            np.testing.assert_array_equal(array, expected[name])
        assert set(folded.record.out_of_fold) == set(IDS[:8])


def test_a_killed_worker_costs_a_study_nothing(executor):
    await_slots(executor, 2)
    busy = {}

    def kill() -> None:
        worker = next(worker for worker in executor._workers if worker.spec is not None)
        busy["trial"] = worker.spec.trial_id
        # As a library does that finds its memory spoilt: Python prints where every thread was, which ends the log.
        os.kill(worker.info.process_id, signal.SIGABRT)

    ended, kept, lines = study(executor, kill)
    require_whole(ended, kept)
    attempts = {record.trial_id: record.attempts for record in kept.records}
    assert attempts.pop(busy["trial"]) == 2
    assert set(attempts.values()) == {1}
    (told,) = (line for line in lines if "tried again" in line)
    assert "died: its worker process has died" in told
    assert "its last words: " in told
    assert 'File "' in told.partition("its last words: ")[2]


def test_a_machine_that_would_compute_otherwise_is_of_no_use():
    info = WorkerInfo(process_id=1, device="GPU", precision="float32", versions=current_versions(), memory_bytes=1)
    assert problem_of(info, None) is None
    assert problem_of(replace(info, problem="no weights"), None) == "no weights"
    said = problem_of(replace(info, precision="mixed_float16"), "float32")
    assert said == "computes in mixed_float16 there, in float32 elsewhere: set the protocol's precision"
    older = {name: "0.1" if name == "keras" else version for name, version in current_versions().items()}
    assert "keras 0.1 there" in problem_of(replace(info, versions=older), "float32")


def test_the_last_lines_are_those_of_the_trial_that_died(tmp_path):
    log = tmp_path / "worker.err"
    log.write_text("of an earlier trial\n")
    start = log.stat().st_size
    log.open("a").write("one\n\n two \nthree\nfour\n")
    assert end_of_log(str(log), start, 3) == "two | three | four"
    assert end_of_log(str(log), start, 9) == "one | two | three | four"
    assert end_of_log(str(tmp_path / "gone"), 0, 3) == ""


def test_an_idle_workers_death_is_noticed(executor):
    await_slots(executor, 2)
    os.kill(executor.process_ids[0], signal.SIGKILL)
    await_slots(executor, 1)
    assert outcome_of(executor, spec("after", epochs=1)).record.status == COMPLETED


def test_a_worker_that_hangs_is_replaced(executor, monkeypatch):
    await_slots(executor, 2)
    executor.submit(spec("hung", epochs=5000))
    worker = next(worker for worker in executor._workers if worker.spec is not None)
    while not isinstance(next(executor.events(), None), EpochEnded):
        pass
    os.kill(worker.info.process_id, signal.SIGSTOP)
    monkeypatch.setattr(executor, "_silence_s", 2.0)
    hung = outcomes(executor)["hung"]
    assert hung.crashed
    assert "gave no sign of life for 2 s" in hung.record.error
    assert hung.record.peak_memory_bytes > 10**7
    await_slots(executor, 2)


def test_a_worker_that_has_done_enough_is_renewed(executor, monkeypatch):
    before = set(executor.process_ids)
    monkeypatch.setattr("bench.engine.ray.worker.TRIALS_A_PROCESS", 0)
    assert outcome_of(executor, spec("x", epochs=1)).record.status == COMPLETED
    assert len(before & set(executor.process_ids)) == 1


def test_a_killed_node_costs_a_study_nothing_and_a_late_one_is_used(executor, nodes):
    await_slots(executor, 2)
    head = nodes.cluster.head_node.node_id
    doomed = next(node for node in nodes.cluster.list_all_nodes() if node.node_id != head)
    next(worker for worker in executor._workers if worker.node.node_id == doomed.node_id).submit(SHORT)
    assert outcomes(executor)["short"].record.status == COMPLETED
    late = []

    def lose_one_and_gain_one() -> None:
        nodes.cluster.remove_node(doomed, allow_graceful=False)
        late.append(nodes().node_id)

    ended, kept, lines = study(executor, lose_one_and_gain_one, trials=5)
    require_whole(ended, kept, trials=5)
    told = [line for line in lines if "died: " in line and "tried again" in line]
    assert told, lines  # in which words depends on what Ray notices first
    await_slots(executor, 2)
    assert {worker.node.node_id for worker in executor._workers} == {head, *late}
    executor.submit(spec("b", epochs=1))
    executor.submit(spec("c", epochs=1))
    assert {outcome.record.status for outcome in outcomes(executor).values()} == {COMPLETED}


def test_a_model_of_a_worker_that_is_gone_is_the_users_error(executor):
    with pytest.raises(UserError, match="its worker is gone"):
        executor.model(spec("never run"))


def test_pixels_are_written_by_every_node_for_itself(executor, setup, tmp_path_factory):
    written = sorted(Path(tmp_path_factory.getbasetemp()).glob(f"node[0-9]*/segbench-pixels-*/*/{SIZE}/images.npy"))
    assert len(written) == 3  # the head, the node that was killed, and the late one
    for path in written:
        assert path.read_bytes() == (setup.cache_directory / str(SIZE) / "images.npy").read_bytes()
        assert path.parents[2].stat().st_mode & 0o777 == 0o700
