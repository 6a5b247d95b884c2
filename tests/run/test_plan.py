"""What a budget has room for, by the rules."""

import pytest

from bench.run.plan import LONGEST, RULES, plan


def plan_of(units: float, **changed):
    return plan(units * 100.0, **{"unit_s": 100.0, "folds": 3, "available": 12, **changed})


def test_the_rules_ask_for_less_and_less():
    asked = [rule.times * rule.trainings(folds=3) for rule in RULES]
    assert asked == sorted(asked, reverse=True)
    assert asked[-1] == 0


def test_a_budget_below_one_training_trains_the_default_recipe_for_as_long_as_there_is():
    found = plan_of(0.6)
    assert (found.candidates, found.steps, found.search_share) == (1, 50, 0.0)


def test_a_small_budget_buys_length_before_folds_of_the_default_recipe():
    assert (plan_of(1.8).candidates, plan_of(1.8).steps) == (1, 175)
    assert plan_of(2.9).steps == 275
    assert plan_of(3.2).steps == 150, "two folds: one training would be over before its time is"
    assert plan_of(4.6).steps == 225, "two folds"
    assert plan_of(7.0).steps == 225, "three folds"


def test_twenty_minutes_compare_four_recipes_and_trains_the_best_on_every_fold():
    found = plan_of(15)
    assert (found.candidates, found.everywhere, found.steps, found.search_share) == (4, False, 200, 0.0)


def test_a_small_set_whose_images_are_soon_seen_often_gets_folds_and_recipes_before_length():
    """34 images of a fold in batches of 8."""
    of_34 = {"pass_steps": 34 / 8}
    assert (plan_of(2.9, **of_34).candidates, plan_of(2.9, **of_34).steps) == (1, 125), "two folds"
    assert (plan_of(5.9, **of_34).candidates, plan_of(5.9, **of_34).steps) == (1, 150), (
        "three folds, and no longer than pays"
    )
    assert (plan_of(7, **of_34).candidates, plan_of(7, **of_34).everywhere) == (4, False)
    assert (plan_of(15, **of_34).candidates, plan_of(15, **of_34).everywhere) == (5, True)
    assert plan_of(30, **of_34).candidates == 10


def test_between_many_and_few_images_a_training_is_as_long_as_ten_passes():
    """120 images of a fold in batches of 8: 15 steps a pass."""
    assert plan_of(10.4, pass_steps=15).candidates == 1
    found = plan_of(10.5, pass_steps=15)
    assert (found.candidates, found.steps) == (4, 150)


def test_an_hour_compares_ten_recipes_on_every_fold():
    found = plan_of(61)
    assert (found.candidates, found.everywhere, found.steps) == (10, True, 200)


def test_a_large_budget_searches_and_no_training_is_longer_than_what_pays():
    found = plan_of(500)
    assert (found.candidates, found.search_share, found.steps) == (10, 0.25, LONGEST)


@pytest.mark.parametrize("units", [0.2, 1, 3, 5, 7, 12, 22, 30, 60, 200])
def test_lengths_are_whole_epochs_and_at_least_the_shortest_that_compares(units):
    found = plan_of(units)
    assert found.steps % 25 == 0
    assert found.steps >= (100 if units >= 1 else 25)


def test_a_small_portfolio_bounds_the_candidates():
    assert plan_of(61, available=2).candidates == 2


def test_more_workers_have_room_for_more():
    assert plan_of(8, places=8).candidates == 10
