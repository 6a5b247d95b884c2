"""What a budget has room for, by the rules."""

import pytest

from bench.run.costs import MARGIN, Price
from bench.run.plan import LONGEST, RULES, plan


def plan_of(units: float, **changed):
    return plan(units * 100.0, **{"price": Price(unit_s=100.0), "folds": 3, "available": 12, **changed})


def test_the_rules_ask_for_less_and_less():
    assert [rule.units for rule in RULES] == sorted((rule.units for rule in RULES), reverse=True)
    assert RULES[-1].units == 0


def test_a_budget_below_one_training_trains_the_default_recipe_for_as_long_as_there_is():
    found = plan_of(0.6)
    assert (found.candidates, found.steps, found.search_share) == (1, 50, 0.0)


def test_a_small_budget_buys_length_before_folds_of_the_default_recipe():
    assert (plan_of(1.8).candidates, plan_of(1.8).steps) == (1, 175)
    assert plan_of(2.9).steps == 275
    assert plan_of(3.2).steps == 150, "two folds: one training would be over before its time is"
    assert plan_of(4.6).steps == 225, "two folds"
    assert plan_of(7.0).steps == 225, "three folds"
    assert [plan_of(units).fitted for units in (1.8, 2.9, 3.2, 4.6, 7.0)] == [1, 1, 2, 2, 3]


def test_what_no_fold_can_use_any_more_makes_trainings_longer_and_then_buys_whole_seeds():
    alone = [plan_of(units, available=1) for units in (10.5, 17, 18, 27)]
    assert [(found.fitted, found.steps) for found in alone] == [(3, 350), (3, 550), (6, 300), (9, 300)]


def test_what_a_search_found_is_compared_with_the_default_on_one_fold_and_the_better_one_trained_on_all():
    found = plan_of(5.1, fits=False)
    assert (found.candidates, found.steps, found.everywhere, found.fitted) == (2, 125, False, None)
    assert plan_of(17, available=1, fits=False).steps == LONGEST
    assert plan_of(30, available=1, fits=False, longer=2.0).steps == 2 * LONGEST


def test_a_search_without_room_for_a_comparison_keeps_one_length_for_what_fits():
    found = plan_of(3.5, fits=False)
    assert (found.candidates, found.fitted) == (1, None)
    assert found.reason.endswith("the default configuration on as many folds as fit, 175 steps each")


def test_a_training_through_its_scoring_is_shorter():
    """A short one takes 100 s of steps and 50 s of scoring: 250 s have room for 200 steps, not for 166."""
    assert plan(250.0, price=Price(unit_s=150.0, fixed_s=50.0), folds=3, available=12).steps == 200


def test_where_not_even_an_epoch_fits_nothing_is_trained_and_the_plan_says_so():
    found = plan_of(0.24 / MARGIN)
    assert (found.candidates, found.fitted) == (0, None)
    assert found.reason == "0.2 short trainings fit: not even one of 25 steps, so that there will be no model"
    assert plan_of(0.26 / MARGIN).candidates == 1


def test_a_length_that_is_given_is_kept_or_nothing_fits():
    found = plan_of(1.8, given=150)
    assert (found.candidates, found.steps, found.fitted) == (1, 150, None)
    assert plan_of(1.8, given=400).candidates == 0


@pytest.mark.parametrize(("given", "candidates"), [(50, 5), (100, 4), (200, 1)])
def test_several_candidates_have_room_by_the_length_that_is_given(given, candidates):
    found = plan_of(16, given=given)
    assert (found.candidates, found.steps) == (candidates, given)


def test_two_workers_train_two_folds_of_the_default_configuration_at_once():
    found = plan_of(1.5, slots=2)
    assert (found.fitted, found.steps) == (2, 150)


def test_compiling_other_recipes_takes_of_the_time_of_all():
    assert plan_of(15).steps == 200
    assert plan_of(15, price=Price(unit_s=100.0, first_s=100.0)).steps == 150, "three of fifteen units compile"


def test_twenty_minutes_compare_four_recipes_and_trains_the_best_on_every_fold():
    found = plan_of(15)
    assert (found.candidates, found.everywhere, found.steps, found.search_share) == (4, False, 200, 0.0)


def test_an_hour_compares_ten_recipes_on_every_fold():
    found = plan_of(61)
    assert (found.candidates, found.everywhere, found.steps) == (10, True, 200)


def test_a_large_budget_searches_and_no_training_is_longer_than_what_pays():
    found = plan_of(500)
    assert (found.candidates, found.search_share, found.steps) == (10, 0.25, LONGEST)


@pytest.mark.parametrize("units", [0.3, 1, 3, 5, 7, 12, 22, 30, 60, 200])
def test_lengths_are_whole_epochs_and_at_least_the_shortest_that_compares(units):
    found = plan_of(units)
    assert found.steps % 25 == 0
    assert found.steps >= (100 if units >= 1 else 25)


def test_a_small_portfolio_bounds_the_candidates():
    assert plan_of(61, available=2).candidates == 2


def test_more_workers_have_room_for_more():
    assert plan_of(8, slots=8).candidates == 10
