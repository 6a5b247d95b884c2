"""A budget is used, and not exceeded, on machines that are made up (`tests.run.made_up_machine`)."""

from dataclasses import replace

import pytest

from tests.run.made_up_machine import Costs, run

MACHINES = [(0.2, 6.0), (0.4, 10.0), (0.6, 15.0)]


@pytest.mark.parametrize("minutes", [5, 15, 60])
@pytest.mark.parametrize(("step_s", "compile_s"), MACHINES)
@pytest.mark.parametrize("pace", [0.85, 1.0, 1.15])
def test_most_of_a_budget_is_used_and_no_more_than_a_twentieth_beyond_it(minutes, step_s, compile_s, pace):
    used = run(60 * minutes, Costs(step_s=step_s, compile_s=compile_s, pace=pace))
    assert used.trainings
    assert 0.85 <= used.share <= 1.05


@pytest.mark.parametrize("pace", [0.85, 1.0, 1.15, 1.5, 2.0])
@pytest.mark.parametrize(("single", "on_folds"), [(None, 1), (False, 2)])
def test_the_default_configuration_alone_has_nine_tenths_whatever_the_pace(pace, single, on_folds):
    used = run(300, Costs(step_s=0.4, compile_s=10.0, pace=pace), single=single)
    assert used.plan.fitted == len(used.trainings) == on_folds
    assert (used.last is None) == (single is False)
    assert 0.9 <= used.share <= 1.0


def test_a_machine_that_becomes_twice_as_slow_trains_less_and_still_has_a_model():
    usual, slow = (run(300, Costs(step_s=1.0, compile_s=20.0, pace=pace), single=False) for pace in (1.0, 2.0))
    assert (usual.steps, slow.steps) == ([200], [100])
    assert slow.share <= 1.0


def test_what_has_no_room_for_a_training_is_known_before_one_begins():
    used = run(180, Costs(step_s=4.0, compile_s=60.0))
    assert used.plan.candidates == 0
    assert used.trainings == []
    assert used.share < 0.55


def test_a_quarter_of_an_hour_compares_four_candidates_on_a_usual_machine():
    assert run(900, Costs(step_s=0.5, compile_s=12.0)).plan.candidates == 4


def test_an_over_long_scoring_is_part_of_the_plan():
    """1 s an image: 64 s of scoring for each training."""
    used = run(900, Costs(step_s=0.4, compile_s=10.0, image_s=0.5))
    assert used.trainings
    assert used.share <= 1.05


@pytest.mark.parametrize("minutes", [5, 15])
@pytest.mark.parametrize("after", [0.1, 0.9])
def test_a_run_that_was_interrupted_in_its_last_training_comes_to_its_end_in_the_next_sitting(minutes, after):
    costs = Costs(step_s=0.2, compile_s=6.0)
    whole, resumed = (run(60 * minutes, replace(costs, interrupted_after=share)) for share in (None, after))
    assert resumed.steps == whole.steps
    assert resumed.share <= 1.05
    assert (resumed.last is not None) == (after < 0.5)  # what is left of a tenth has no time for a short training


@pytest.mark.parametrize("steps", [50, 450])
@pytest.mark.parametrize("pace", [1.0, 1.15])
def test_a_last_training_of_a_given_length_has_its_time_and_no_more(steps, pace):
    used = run(900, Costs(step_s=0.2, compile_s=6.0, pace=pace), steps=steps)
    assert used.last == steps
    assert 0.85 <= used.share <= 1.05


def test_where_nothing_ended_on_a_fold_what_was_kept_for_the_last_training_goes_to_one():
    used = run(480, Costs(step_s=0.4, compile_s=10.0, pace=2.0), search="always")
    assert used.trainings
    assert used.share <= 1.05
