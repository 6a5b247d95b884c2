"""Estimates: no trial starts that cannot end in time."""

from dataclasses import replace

import pytest

from bench import clock
from bench.experiments import Protocol
from bench.records import COMPLETED, FAILED, EpochRecord, TrainingRecord, TrialRecord
from bench.run.costs import MARGIN, CostModel, Deadline, Price, growth, scaled_to
from bench.run.earlier_costs import scoring_s
from bench.run.journal import known_costs
from search_spaces.space import cost_identity
from tests.report.runs import run

VALUES = {"architecture": "unet", "backbone": "resnet18", "image_size": 96, "batch_size": 8}


def trial(*elapsed_s: float, reused: bool = False, wall_s: float, **changed: object) -> TrialRecord:
    curve = tuple(
        EpochRecord(epoch=number, train_loss=0.5, val_loss=0.5, val_iou=0.1, elapsed_s=seconds)
        for number, seconds in enumerate(elapsed_s, start=1)
    )
    return TrialRecord(
        study_id="s", trial_id="0", status=COMPLETED if curve else FAILED, hyperparameters=VALUES | changed, seed=0,
        curve=curve, epochs_run=len(curve), graph_reused=reused, wall_s=wall_s, started_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def test_nothing_is_known_before_the_first_trial():
    assert CostModel().estimate_s(VALUES, 10, warm=False) is None


def test_a_failed_trial_teaches_nothing():
    clock = CostModel()
    clock.add(trial(wall_s=3.0))
    assert clock.estimate_s(VALUES, 10, warm=False) is None


def test_costs_of_another_device_are_measured_anew():
    earlier = replace(run(), trials=(trial(14.0, 16.0, 18.0, wall_s=19.0),))
    device = earlier.environment.device
    assert known_costs(earlier, device).estimate_s(VALUES, 10, warm=True) == pytest.approx(MARGIN * 20)
    assert known_costs(earlier, f"{device} and a GPU").estimate_s(VALUES, 10, warm=True) is None
    assert known_costs(None, device).estimate_s(VALUES, 10, warm=True) is None


def test_a_known_network_costs_its_epochs():
    clock = CostModel()
    clock.add(trial(14.0, 16.0, 18.0, wall_s=19.0))  # 12 s to begin, 2 s an epoch, 1 s to end
    assert clock.estimate_s(VALUES, 10, warm=True) == pytest.approx(MARGIN * 20)


def test_a_new_network_costs_its_first_time_too_and_more_the_larger_its_images():
    clock = CostModel()
    clock.add(trial(14.0, 16.0, 18.0, wall_s=19.0))
    new = VALUES | {"backbone": "mobilenet", "image_size": 192}
    assert clock.estimate_s(new, 10, warm=False) == pytest.approx(MARGIN * (13 + 4 * 20))


def test_a_new_worker_compiles_again():
    clock = CostModel()
    clock.add(trial(14.0, 16.0, 18.0, wall_s=19.0))
    clock.add(trial(2.0, 4.0, 6.0, wall_s=6.0, reused=True))
    assert clock.estimate_s(VALUES, 10, warm=True) == pytest.approx(MARGIN * 20)
    assert clock.estimate_s(VALUES, 10, warm=False) == pytest.approx(MARGIN * (13 + 20))


def test_another_optimiser_is_another_graph():
    clock = CostModel()
    clock.add(trial(14.0, 16.0, 18.0, wall_s=19.0))
    assert clock.estimate_s(VALUES | {"optimizer": "sgd"}, 10, warm=False) == pytest.approx(MARGIN * (13 + 20))


def test_a_deadline_allows_what_ends_before_it():
    deadline = Deadline.after(100)
    assert deadline.allows(None)
    assert deadline.allows(99)
    assert not deadline.allows(101)
    assert not Deadline(clock.now() - 1).allows(None)
    assert Deadline.after(None).allows(1e9)


def test_compiling_within_an_only_epoch_is_not_taken_for_the_cost_of_epochs():
    clock = CostModel()
    clock.add(replace(trial(12.0, wall_s=13.0), train_s=1.5, evaluate_s=6.0))
    assert clock.estimate_s(VALUES, 10, warm=True) == pytest.approx(MARGIN * 30)
    clock.add(replace(trial(3.0, reused=True, wall_s=3.0), train_s=1.5, evaluate_s=0.5))
    assert clock.estimate_s(VALUES, 10, warm=True) == pytest.approx(MARGIN * 20)


def measured(*costs: tuple[str, int, float]) -> dict:
    """Seconds of an epoch by backbone and batch size."""
    return {cost_identity(VALUES | {"backbone": name, "batch_size": batch}): seconds for name, batch, seconds in costs}


def test_a_larger_batch_costs_what_larger_batches_have_been_seen_to_cost():
    costs = measured(("resnet18", 4, 2.0), ("resnet18", 8, 3.0))  # twice the pixels, 1.5 times the seconds
    (larger,) = set(scaled_to(cost_identity(VALUES | {"batch_size": 16}), costs))
    assert larger == pytest.approx(3.0 * 1.5)


def test_a_batch_that_costs_no_more_is_expected_to_cost_no_more():
    costs = measured(("resnet18", 4, 2.0), ("resnet18", 8, 1.9))
    assert growth(costs) == 0
    assert max(scaled_to(cost_identity(VALUES | {"batch_size": 64}), costs)) == 2.0


def test_while_one_size_was_measured_costs_are_in_proportion():
    costs = measured(("resnet18", 4, 2.0), ("mobilenet", 8, 10.0))
    assert growth(costs) == 1
    assert scaled_to(cost_identity(VALUES | {"batch_size": 8}), costs) == [4.0], (
        "its own network says more than another"
    )
    assert scaled_to(cost_identity(VALUES | {"backbone": "vgg16"}), costs) == [4.0, 10.0]


def test_scoring_through_windows_is_what_an_earlier_training_took_beside_its_steps():
    def training(view: str, **took: float) -> TrainingRecord:
        return TrainingRecord(
            candidate="c", hyperparameters=VALUES | {"view": view}, fold=0, seed=0, status=COMPLETED,
            started_at="2026-01-01T00:00:00+00:00", **took,
        )  # fmt: skip

    first, second = training("patches", train_s=60.0, wall_s=110.0), training("patches", train_s=58.0, wall_s=90.0)
    assert scoring_s([], [first, second]) == 32.0  # the first one compiled, too
    searched = replace(trial(9.0, wall_s=12.0, view="patches"), evaluate_s=4.0)
    assert scoring_s([searched], []) == 4.0
    assert scoring_s([searched], [second]) == 32.0
    assert scoring_s([], [training("whole", train_s=58.0, wall_s=90.0)]) == 0.0


def test_a_short_training_is_scored_too():
    cost = {"step_s": 0.5, "first_s": 10.0}
    protocol = Protocol(shortest_steps=100)
    assert Price.of(protocol, **cost).unit_s == pytest.approx(MARGIN * 50)
    assert Price.of(protocol, **cost, scoring_s=40.0).unit_s == pytest.approx(MARGIN * 90)
