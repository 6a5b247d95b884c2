"""Which model a run ends with: the ensemble of its folds' networks, or one network of all images."""

from dataclasses import replace

import pytest

from bench.engine.spec import TrialSpec
from bench.engine.training.length import LONGER
from bench.experiments import Experiment, Protocol, load_experiment, override
from bench.records import COMPLETED, DeliveryRecord, Member, TrainingRecord
from bench.run.costs import MARGIN, CostModel, Price, Probe
from bench.run.delivery import weights_path
from bench.run.plan import BEFORE_LAST, MOST_LONGER, plan, times_longer
from bench.run.refit import MOST, kept_s, kept_units, least_epochs, least_s, refit_spec, refits
from tests.examples import STARTED_AT


def experiment(**changed: object) -> Experiment:
    return override(load_experiment("transfer"), **{"budget": "15m", **changed})


def test_a_budget_ends_with_one_network_of_all_images() -> None:
    assert refits(experiment(), 52)
    assert refits(experiment(), 10**5)
    assert not refits(experiment(), 0)


def test_what_the_experiment_says_holds_for_any_number_of_images() -> None:
    assert refits(experiment(single=True), 10**5)
    assert not refits(experiment().model_copy(update={"single": False}), 52)


def test_without_a_budget_or_where_levels_are_compared_it_is_the_ensemble() -> None:
    assert not refits(experiment().model_copy(update={"budget": None}), 52)
    assert not refits(override(load_experiment("compare"), budget="15m"), 52)


@pytest.mark.parametrize(("units", "kept"), [(2.9, 0.0), (3.0, 1.5), (5.6, 2.8), (11.0, 4.5)])
def test_one_candidate_alone_keeps_half_of_its_time_up_to_a_long_training(units: float, kept: float) -> None:
    assert kept_units(units) == pytest.approx(kept)


@pytest.mark.parametrize(("units", "kept"), [(12.0, 4.0), (12.6, 4.2), (13.5, 4.5), (60.0, 4.5)])
def test_several_candidates_leave_a_third_of_it(units: float, kept: float) -> None:
    assert kept_units(units) == pytest.approx(kept)
    assert units - kept_units(units) >= BEFORE_LAST


@pytest.mark.parametrize(
    ("units", "kept", "candidates"), [(5.0, 3.0, 1), (13.5, 8.1, 1), (20.0, 9.0, 1), (21.5, 5.5, 4), (88.0, 9.0, 5)]
)
def test_with_many_images_the_last_training_comes_before_a_comparison(
    units: float, kept: float, candidates: int
) -> None:
    """180 of them: trainings should be twice as long."""
    assert times_longer(180, 8, 100) == 2.0
    assert (times_longer(52, 8, 100), times_longer(800, 8, 100)) == (1.0, MOST_LONGER)
    price, single = Price(unit_s=100.0), experiment(single=True)
    assert kept_s(single, 100 * units, price, longer=2.0) == pytest.approx(100 * kept)
    before = plan(100 * (units - kept), price=price, folds=3, available=12, is_before_last=True, longer=2.0)
    assert before.candidates == candidates


def test_before_a_last_training_fewer_short_ones_compare_recipes() -> None:
    alone = plan(900.0, price=Price(unit_s=100.0), folds=3, available=12)
    before = plan(900.0, price=Price(unit_s=100.0), folds=3, available=12, is_before_last=True)
    assert (alone.candidates, before.candidates) == (1, 4)
    assert before.steps >= 100
    assert plan(790.0, price=Price(unit_s=100.0), folds=3, available=12, is_before_last=True).candidates == 1


MEMBER = Member(candidate="recipe 2", hyperparameters={"image_size": 32}, fold=1, seed=4, weights="")


def trained_on_a_fold(epochs_run: int) -> tuple[DeliveryRecord, tuple[TrainingRecord, ...]]:
    training = TrainingRecord(
        candidate="recipe 2",
        hyperparameters=MEMBER.hyperparameters,
        fold=1,
        seed=4,
        status=COMPLETED,
        epochs_run=epochs_run,
        started_at=STARTED_AT,
    )
    member = replace(MEMBER, weights=weights_path(training))
    selected = DeliveryRecord(
        members=(member,), image_size=32, flips=True, threshold=0.5, smallest_object=0.0, rule="the best"
    )
    return selected, (training,)


def spec_of(*, epochs_run: int, left_s: float | None, steps: int | None = None) -> TrialSpec:
    return refit_spec(*trained_on_a_fold(epochs_run), protocol=Protocol(steps=steps), left_s=left_s)


def test_without_a_budget_it_trains_as_long_as_its_recipe_did_on_a_fold() -> None:
    spec = spec_of(epochs_run=6, left_s=None)
    assert (spec.refit, spec.epochs, spec.fit_s, spec.seed) == (True, 6, None, 4)


def test_with_one_it_fills_the_time_that_is_left() -> None:
    spec = spec_of(epochs_run=6, left_s=120.0)
    assert (25 * LONGER * spec.epochs, spec.fit_s) == (MOST, 120.0)
    assert spec_of(epochs_run=20, left_s=120.0).epochs == 20


def test_with_many_images_it_may_be_longer() -> None:
    spec = refit_spec(*trained_on_a_fold(6), protocol=Protocol(steps=None), left_s=120.0, longer=2.5)
    assert 25 * LONGER * spec.epochs == 2.5 * MOST


def test_a_length_that_the_protocol_gives_is_its_own_too() -> None:
    spec = spec_of(epochs_run=2, left_s=120.0, steps=50)
    assert (spec.epochs, spec.fit_s) == (2, None)


def test_with_several_places_several_candidates_fit_beside_it_sooner() -> None:
    assert kept_units(6.0) == 3.0
    assert kept_units(6.0, slots=4) == 2.0
    assert kept_s(experiment(single=True), 600.0, Price(unit_s=100.0), 4) == pytest.approx(200.0)
    assert kept_s(experiment().model_copy(update={"single": False}), 600.0, Price(unit_s=100.0)) == 0.0


def test_what_was_kept_in_an_earlier_sitting_is_not_spent_on_folds_in_the_next() -> None:
    single, price = experiment(single=True), Price(unit_s=100.0)
    assert kept_s(single, 900.0, price) == pytest.approx(450.0)
    assert kept_s(single, 450.0, price, trained_s=450.0) == pytest.approx(450.0)
    assert kept_s(single, 200.0, price, trained_s=450.0) == pytest.approx(200.0)
    assert kept_s(single, 200.0, price) == 0.0


def test_of_a_given_length_its_time_is_kept_where_one_on_a_fold_fits_besides() -> None:
    price = Price(unit_s=100.0, fixed_s=20.0)
    for steps, whole_s in ((50, 60.0), (600, 500.0)):
        single = experiment(single=True)
        single = single.model_copy(update={"protocol": single.protocol.model_copy(update={"steps": steps})})
        assert kept_s(single, 2.3 * whole_s, price) == pytest.approx(whole_s)
        assert kept_s(single, 2.1 * whole_s, price) == 0.0
        assert kept_s(single, 8.0 * whole_s, price) == pytest.approx(1.5 * whole_s)  # another recipe may be the best


@pytest.mark.parametrize(("on_fold", "least"), [(2, 2), (4, 4), (6, 4), (12, 6), (13, 7)])
def test_one_shorter_than_half_of_those_on_folds_is_not_worth_it(on_fold: int, least: int) -> None:
    assert least_epochs(*trained_on_a_fold(on_fold), protocol=Protocol()) == least


def test_it_begins_where_the_shortest_has_time_or_all_of_a_given_length_without_a_margin() -> None:
    probe = Probe(hyperparameters={"image_size": 32, "batch_size": 8}, step_s=1.0, steps_per_epoch=25, first_s=0.0)
    fitted = replace(spec_of(epochs_run=8, left_s=500.0), hyperparameters=probe.hyperparameters)
    costs = CostModel(probe=probe)
    assert least_s(fitted, costs, 4) == pytest.approx(MARGIN * 100.0)
    assert least_s(replace(fitted, epochs=8, fit_s=None), costs, 4) == pytest.approx(200.0)
