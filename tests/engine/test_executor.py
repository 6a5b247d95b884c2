"""Several worker processes at once: what they train, whom they ask for, and what a death costs."""

import os
import signal

import numpy as np
import pytest

from bench.engine.devices import Placement
from bench.engine.executor import LocalExecutor
from bench.engine.spec import EpochEnded, TrialOutcome, TrialSetup
from bench.engine.worker import TrialWorker
from bench.errors import ExperimentError, StoreError
from bench.records import COMPLETED
from tests.engine.tiny import make_setup, spec

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def setup(tmp_path_factory) -> TrialSetup:
    return make_setup(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def executor(setup, tmp_path_factory):
    with LocalExecutor(setup, tmp_path_factory.mktemp("logs"), [Placement(threads=1)] * 2) as executor:
        yield executor


def outcomes(executor: LocalExecutor) -> dict[str, TrialOutcome]:
    """Whatever is under way, to its end."""
    ended = {}
    while executor.free_slots < executor.slots:
        for event in executor.events():
            if not isinstance(event, EpochEnded):
                ended[event.record.trial_id] = event
    return ended


def test_two_trials_train_at_once_and_equal_trials_end_equal(executor):
    assert (executor.slots, executor.free_slots) == (2, 2)
    executor.submit(spec("a"))
    executor.submit(spec("b"))
    assert executor.free_slots == 0
    ended = outcomes(executor)
    assert {name: outcome.record.status for name, outcome in ended.items()} == {"a": COMPLETED, "b": COMPLETED}
    first, second = (ended[name] for name in "ab")
    assert first.record.val_metrics == second.record.val_metrics
    np.testing.assert_array_equal(first.scored.predictions, second.scored.predictions)


def test_a_trial_goes_where_its_graph_is_compiled(executor, setup):
    executor.submit(spec("c", optimizer="sgd"))
    outcomes(executor)
    again = spec("d", optimizer="sgd")
    assert executor.is_warm(again)
    assert not executor.is_warm(spec("e", weight_decay=0.1))
    executor.submit(again)
    assert outcomes(executor)["d"].record.graph_reused


def test_a_kept_model_is_scored_by_any_worker(executor, setup):
    trial = spec("f")
    executor.submit(trial)
    outcome = outcomes(executor)["f"]
    model = executor.model(trial)
    assert executor.score(trial, model, setup.val_ids).counts == outcome.scored.counts
    with pytest.raises(StoreError, match="cannot score the model of trial study/f: "):
        executor.score(trial, b"no weights", setup.val_ids)


def test_a_worker_that_dies_while_it_scores_costs_nothing(executor, setup, monkeypatch):
    trial = spec("s")
    executor.submit(trial)
    outcome = outcomes(executor)["s"]
    model = executor.model(trial)
    asked = TrialWorker.score

    def dying(worker, *arguments):
        monkeypatch.setattr(TrialWorker, "score", asked)
        os.kill(worker.process_id, signal.SIGKILL)
        return asked(worker, *arguments)

    monkeypatch.setattr(TrialWorker, "score", dying)
    assert executor.score(trial, model, setup.val_ids).counts == outcome.scored.counts


def test_workers_that_compute_in_different_precisions_are_refused(executor, monkeypatch):
    found = iter(["float32", "mixed_float16"])
    monkeypatch.setattr(TrialWorker, "precision", lambda worker: next(found))
    with pytest.raises(
        ExperimentError, match="would compute in float32 and mixed_float16: set the protocol's precision"
    ):
        executor.precision()


def test_the_death_of_one_worker_costs_its_trial_only(executor):
    executor.submit(spec("g", epochs=5000))
    executor.submit(spec("h"))
    doomed = next(worker for worker in executor._workers if worker.last == ("study", "g"))
    os.kill(doomed.process_id, signal.SIGKILL)
    ended = outcomes(executor)
    assert ended["g"].crashed
    assert "killed by SIGKILL" in ended["g"].record.error
    assert ended["h"].record.status == COMPLETED
    executor.submit(spec("i"))
    assert outcomes(executor)["i"].record.status == COMPLETED
