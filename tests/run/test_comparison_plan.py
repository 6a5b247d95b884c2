"""A comparison of levels: what a budget has room for, in which order it is trained, and
that nothing shorter than sufficient takes part."""

from dataclasses import replace

import pytest

from bench.experiments import load_experiment, override
from bench.records import DEFAULT, FAILED, LEVEL
from bench.run.budget import Timekeeper
from bench.run.candidates import compared_levels, level_name
from bench.run.costs import MARGIN, Price
from bench.run.experiment_plan import measured_unit_s, most_candidates, plan_of, planned_epochs, relative_costs
from bench.run.final_plan import budgeted_finals, in_order, whole_finals
from bench.run.plan import LONGEST, comparison_plan
from search_spaces.one_at_a_time import one_at_a_time
from tests.engine.stand_in import StandInExecutor
from tests.run.made_up_machine import SPLIT
from tests.run.test_final_evaluation import FOLDS, hold

EXPERIMENT = override(load_experiment("compare"), data="photos")
DESIGN = one_at_a_time(EXPERIMENT.space)


def compared(units: float, **changed):
    return comparison_plan(units * 100.0, **{"price": Price(unit_s=100.0), "folds": 3, "costs": (1.0,) * 10, **changed})


def planned(units: float, **changed):
    return plan_of(EXPERIMENT, units * 100.0, **{"price": Price(unit_s=100.0), "split": SPLIT, "slots": 1, **changed})


def test_levels_that_do_not_fit_on_two_folds_are_left_out_and_no_training_is_shorter():
    found = compared(14)
    assert (found.candidates, found.folds, found.steps, found.missing_units) == (7, 2, 100, 6.0)
    assert "6 of 9 levels beside it on 2 folds with 1 seed, 100 steps each" in found.reason


def test_all_folds_come_first_then_a_second_seed_then_length():
    assert [(each.candidates, each.folds, each.steps) for each in map(compared, (20, 30, 60, 90))] == [
        (10, 2, 100),
        (10, 3, 100),
        (10, 3, 100),  # a second seed
        (10, 3, 150),
    ]
    said = [each.reason.partition(" folds with ")[2] for each in map(compared, (30, 60, 90, 10_000))]
    assert said == [
        "1 seed, 100 steps each",
        "2 seeds, 100 steps each",
        "2 seeds, 150 steps each",
        "8 seeds, 300 steps each",
    ]
    assert compared(10_000).steps == LONGEST


@pytest.mark.parametrize("units", [0.3, 3.9, 4, 7, 20, 40, 100, 1000])
def test_every_plan_of_several_levels_has_two_folds_at_least_of_sufficient_length(units):
    found = compared(units)
    assert found.candidates >= 1
    assert found.search_share == 0.0
    if found.candidates > 1:
        assert (found.everywhere, found.steps % 25) == (True, 0)
        assert found.folds >= 2
        assert found.steps >= 100
        assert found.candidates * 2 <= units


def test_a_budget_for_no_comparison_trains_the_default_recipe_and_says_so():
    found = compared(3)
    assert (found.candidates, found.steps) == (1, LONGEST)
    assert "too few to compare two levels on 2 folds: the default configuration alone" in found.reason


def test_a_given_length_is_kept_and_counts():
    found = compared(40, steps=200)
    assert (found.candidates, found.folds, found.steps) == (10, 2, 200)
    assert compared(20, steps=200).candidates == 5
    assert "with 3 seeds, 200 steps each" in compared(180, steps=200).reason


def test_larger_images_cost_what_their_pixels_do_and_smaller_ones_no_less_than_the_default():
    costs = dict(zip([level_name(each, DESIGN[0]) for each in DESIGN], relative_costs(EXPERIMENT.space), strict=True))
    assert costs["image size 288"] == pytest.approx(2.25)
    assert {cost for name, cost in costs.items() if name != "image size 288"} == {1.0}
    dear = compared(8, costs=(1.0, 2.0, 1.0))
    assert (dear.candidates, dear.folds) == (3, 2)
    assert compared(7.9, costs=(1.0, 2.0, 1.0)).candidates == 2


def test_the_plan_names_what_it_leaves_out_and_the_budget_that_has_room_for_it():
    found = planned(31)
    assert found.candidates == 14
    said = found.reason.partition("left out are ")[2]
    assert said.startswith("loss tversky, augmentation 0.75, architecture fpn and loss bce, for which --budget ")
    minutes = int(said.rpartition("--budget ")[2].partition("m")[0])
    more_s = minutes * 60 - EXPERIMENT.budget_s
    assert more_s > found.missing_units * 100
    assert planned(31 + more_s / 1.1 / 100).candidates == len(DESIGN)
    assert "left out" not in planned(60).reason


def test_no_budget_is_named_where_nobody_knows_what_a_training_takes():
    reason = planned(0.4).reason
    assert "left out are architecture unet, " in reason
    assert "--budget" not in reason


def test_a_plan_of_candidates_becomes_a_balanced_final_evaluation_without_the_original_baseline():
    record = budgeted_finals(EXPERIMENT, planned(31), 3, (), None)
    assert [each.hyperparameters for each in record.candidates] == list(DESIGN[:14])
    assert [each.roles for each in record.candidates] == [(DEFAULT,), *[(LEVEL,)] * 13]
    assert record.candidates[1].name == "architecture unet"
    assert (record.balanced, record.everywhere, record.epochs) == (True, True, 4)


def test_a_larger_budget_adds_levels_and_keeps_length_and_candidates():
    before = budgeted_finals(EXPERIMENT, planned(31), 3, (), None)
    after = budgeted_finals(EXPERIMENT, planned(400, steps=100), 3, (), before)
    assert after.candidates[:14] == before.candidates
    assert len(after.candidates) == len(DESIGN)
    assert after.epochs == before.epochs


def test_what_trainings_took_replaces_the_probe_by_their_pixels_and_length():
    record = budgeted_finals(EXPERIMENT, planned(60, steps=200), 2, (), None)
    assert record.epochs == 8
    _, kept = hold(replace(record, seeds=(1,)), StandInExecutor(folds=FOLDS, test_ids=("t",)), leaders_first=True)
    assert measured_unit_s(EXPERIMENT, [], 8) is None
    plain = [replace(each, wall_s=60.0) for each in kept if each.candidate == "loss dice"]
    large = [replace(each, wall_s=135.0) for each in kept if each.candidate == "image size 288"]
    assert measured_unit_s(EXPERIMENT, [*plain, *large], 8) == pytest.approx(MARGIN * 30)  # twice the shortest length
    assert measured_unit_s(EXPERIMENT, [replace(each, status=FAILED) for each in plain], 8) is None


def test_without_a_budget_every_level_is_trained_on_every_fold_with_every_seed():
    whole = EXPERIMENT.model_copy(update={"budget": None})
    record = whole_finals(whole, FOLDS, [])
    assert (len(record.candidates), record.folds, record.seeds) == (len(DESIGN), 2, (1, 2, 3))
    assert record.balanced
    ended, kept = hold(record, StandInExecutor(folds=FOLDS, test_ids=("t",), slots=3), leaders_first=True)
    assert ended == "trials"
    assert len({each.unit for each in kept}) == len(kept) == len(DESIGN) * 2 * 3
    assert most_candidates(whole) == len(DESIGN)
    assert planned_epochs(whole, 2) == len(DESIGN) * 2 * 3 * whole.protocol.epochs


def test_it_goes_fold_by_fold_and_seed_by_seed_and_prefers_no_leader():
    record = replace(budgeted_finals(EXPERIMENT, planned(31), 2, (), None), seeds=(1, 2))
    units = list(dict.fromkeys((seed, fold) for _, seed, fold in in_order(record, [])))
    assert units == [(1, 0), (1, 1), (2, 0), (2, 1)]
    for number, (candidate, _, _) in enumerate(in_order(record, [])):
        assert candidate == record.candidates[number % 14]


def test_a_level_that_failed_gets_no_other_training_and_the_others_all_of_theirs():
    record = replace(budgeted_finals(EXPERIMENT, planned(31), 2, (), None), seeds=(1,))
    _, kept = hold(record, StandInExecutor(folds=FOLDS, test_ids=("t",)), leaders_first=True)
    failed = replace(kept[2], status=FAILED)
    left = [each.name for each, _, fold in in_order(record, [failed]) if fold == 1]
    assert failed.candidate not in left
    assert len(left) == 13


def test_names_of_levels_are_distinct_even_where_two_files_of_weights_are_called_the_same():
    space = EXPERIMENT.space.model_copy(update={"encoder_weights": ("imagenet", "a/w.h5", "b/w.h5")})
    names = [each.name for each in compared_levels(space)]
    assert len(set(names)) == len(names)
    assert sum(name.startswith("encoder weights w.h5") for name in names) == 2


def test_a_comparison_has_no_studies():
    assert Timekeeper(EXPERIMENT, None, 0.0).studies == ()
