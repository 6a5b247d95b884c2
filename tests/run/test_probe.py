"""What a run does when it measures: it never takes the budget for that, and says what it knows."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.engine.spec import TrialOutcome
from bench.engine.training.batches import PROBE_STEPS
from bench.experiments import load_experiment, override
from bench.progress import PlainProgress
from bench.records import FAILED, STOPPED
from bench.records.store import RunStore
from bench.run.open_run import OpenRun
from bench.run.probe import NoProbe, probe
from bench.run.stages.delivery import deliver_model
from bench.run.stages.final_evaluation import evaluate_finally
from bench.run.stages.planning import plan_budget
from bench.run.stages.search import run_search
from tests.engine.stand_in import StandInExecutor
from tests.run import made_up_machine
from tests.run.made_up_machine import FOLDS, LOCKED, SPLIT, Clock, Costs, MadeUpMachine

EXPERIMENT = override(load_experiment("transfer"), budget="3m", name="x")


def test_a_probe_is_given_what_is_left_and_says_what_a_step_and_the_scoring_cost():
    machine = MadeUpMachine(Costs(step_s=2.0, compile_s=30.0, image_s=0.5), Clock())
    found = probe(EXPERIMENT, machine, SPLIT, 120.0)
    (spec,) = machine.specs
    assert (spec.probe, spec.epochs, spec.time_limit_s) == (True, PROBE_STEPS, 120.0)
    assert (found.step_s, found.first_s, found.image_s) == (2.0, 30.0, 0.5)
    assert found.scoring_s == pytest.approx(1.0 + 0.5 * (17 + 12 + 2 * 17))


class Ended(StandInExecutor):
    """Whose probe ended otherwise than by its last step."""

    def __init__(self, **changed: object) -> None:
        super().__init__(folds=FOLDS, test_ids=LOCKED, size=2)
        self._changed = changed

    def _outcome(self, spec) -> TrialOutcome:
        outcome = super()._outcome(spec)
        return replace(outcome, record=replace(outcome.record, **self._changed))


def test_a_probe_that_was_ended_early_counts_with_what_it_has_measured():
    curve = made_up_machine.curve([65.0, 68.0])
    early = Ended(status=STOPPED, curve=curve, first_step_s=60.0, build_s=5.0, latency_s=0.1)
    found = probe(EXPERIMENT, early, SPLIT, 120.0)
    assert (found.step_s, found.first_s) == (3.0, 65.0)


def test_other_work_of_a_moment_does_not_make_a_training_expensive():
    curve = made_up_machine.curve([65.0, 68.0, 71.0, 90.0, 93.0, 99.0])
    found = probe(EXPERIMENT, Ended(curve=curve, latency_s=0.1), SPLIT, 120.0)
    assert found.step_s == 3.0


def test_a_run_that_has_no_room_for_a_training_says_what_has_and_trains_nothing(tmp_path: Path):
    clock, lines = Clock(), list[str]()
    machine = MadeUpMachine(Costs(step_s=4.0, compile_s=60.0, image_s=0.0), clock)
    with clock.everywhere(), RunStore.create(tmp_path / "x") as store:
        material = SimpleNamespace(split=SPLIT)
        progress = PlainProgress(lines.append)
        run = OpenRun(EXPERIMENT, material, store, machine, progress, None, "python -m bench run", clock())
        plan_budget(run)
        run_search(run)
        evaluate_finally(run)
        deliver_model(run)
    assert [spec.probe for spec in machine.specs] == [True]
    assert lines[0] == "measuring what a training costs here"
    (warning,) = [line for line in lines if line.startswith("warning: ")]
    assert warning == (
        "warning: no training comes to its end in the 29 s that a budget of 3m leaves for it here; one of 100 steps "
        "takes about 441 s: --budget 11m has room for it"
    )
    assert not (tmp_path / "x" / "finals.json").exists()


def test_a_run_that_took_its_budget_to_begin_says_that_nothing_is_known(tmp_path: Path):
    clock, lines = Clock(), list[str]()
    machine = MadeUpMachine(Costs(step_s=0.1, compile_s=1.0), clock)
    with clock.everywhere(), RunStore.create(tmp_path / "x") as store:
        material = SimpleNamespace(split=SPLIT)
        run = OpenRun(EXPERIMENT, material, store, machine, PlainProgress(lines.append), None, "run", clock())
        clock.now += 200
        plan_budget(run)
        evaluate_finally(run)
    assert machine.specs == []
    assert lines[-1].endswith("here, and what one takes is not known: --budget 7m may have room for it")


def test_a_network_that_does_not_compile_in_time_is_not_measured_and_why_is_known():
    silent = Ended(status=FAILED, epochs_run=0, curve=(), error="the worker process no sign of life for 120 s")
    assert probe(EXPERIMENT, silent, SPLIT, 120.0) == NoProbe("the worker process no sign of life for 120 s")
