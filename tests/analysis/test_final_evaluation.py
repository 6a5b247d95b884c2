"""Standings from trainings: complete seeds, ranks, words that follow from numbers."""

from dataclasses import replace

import pytest

from bench.analysis.decision import SINGLE
from bench.analysis.final_evaluation import NoFinals, finals
from bench.analysis.run_analysis import Analysis
from bench.records import FAILED
from bench.report.page import compose
from bench.report.sections.banners import banners
from bench.report.sections.certainty import certainty
from bench.report.sections.ranking import ranking
from bench.report.sections.verdict import verdict
from tests.report.made_finals import LEVELS, SEEDS, with_finals
from tests.report.reading import row, said, table
from tests.report.runs import full_run


def test_standings_are_best_first_with_the_leader_alone_in_rank_one(held):
    assert [each.candidate.name for each in held.ranking] == [
        "finalist 1",
        "default configuration",
        "finalist 2",
        "original baseline",
    ]
    assert held.winner is held.ranking[0]
    assert [each.group for each in held.ranking] == [1, 2, 3, 4]
    for each in held.ranking:
        assert each.interval.low < each.score < each.interval.high
        assert each.score == pytest.approx(LEVELS[each.candidate.name], abs=0.04)
        assert each.test == pytest.approx(LEVELS[each.candidate.name], abs=0.08)
    assert sum(each.first_probability for each in held.ranking) == pytest.approx(1)


def test_the_gain_over_the_default_recipe_is_paired(held):
    gains = {each.candidate.name: each.to_default for each in held.ranking}
    assert gains["default configuration"] is None
    assert gains["finalist 1"].value == pytest.approx(0.2, abs=0.03)
    assert gains["finalist 1"].interval.low > 0 > gains["finalist 2"].interval.high
    wide = held.ranking[0].interval
    own = gains["finalist 1"].interval
    assert own.high - own.low < wide.high - wide.low  # difficulty is shared


def test_equals_tie():
    level = dict.fromkeys(LEVELS, 0.4)
    tied = finals(with_finals(full_run(), level, luck=0.03))
    assert tied.winner is None
    assert {each.group for each in tied.ranking} == {1}


def test_only_seeds_that_are_whole_count(run):
    cut = replace(run, trainings=run.trainings[:-1])
    held = finals(cut)
    assert held.seeds == (0, 1)
    assert (held.trained, held.planned) == (35, 36)


def test_a_candidate_whose_training_failed_is_out_and_named(run):
    failed = [
        replace(each, status=FAILED, error="out of memory", out_of_fold={}, test={})
        if (each.candidate, each.seed, each.fold) == ("finalist 2", 1, 0)
        else each
        for each in run.trainings
    ]
    held = finals(replace(run, trainings=tuple(failed)))
    assert held.out == {"finalist 2": "out of memory"}
    assert len(held.ranking) == 3


def test_with_one_seed_nobody_wins(run):
    one = replace(run, finals=replace(run.finals, seeds=(0,)))
    held = finals(one)
    assert held.winner is None
    text = said([verdict(Analysis(one))])
    assert "The leader scores higher than every other candidate" in text
    assert "seed variance is unknown" in text


def test_no_finals_say_why(run):
    asked = replace(run, finals=None, experiment={"protocol": {"finalists": 2}})
    assert "has not come to them" in finals(asked).reason
    none = replace(run, finals=None, experiment={"protocol": {"finalists": 0}})
    assert finals(none) == NoFinals("none was asked for")
    assert (
        finals(replace(run, trainings=())).reason
        == "0 trainings on record, which make no candidate complete for one seed"
    )


def test_a_locked_set_of_one_image_or_without_foreground_leaves_the_rest_standing(run):
    one = replace(run.split, test=run.split.test[:1])
    trainings = [replace(each, test={one.test[0]: each.test[one.test[0]]}) for each in run.trainings]
    held = finals(replace(run, split=one, trainings=tuple(trainings)))
    assert held.winner.candidate.name == "finalist 1"
    assert held.ranking[0].test_interval is None
    assert held.ranking[0].test > 0.4
    assert held.variance is None


def test_candidates_that_differ_in_little_are_told_apart_and_their_differences_are_their_own(run):
    first = run.finals.candidates[0]
    twin = replace(run.finals.candidates[1], hyperparameters=dict(first.hyperparameters) | {"augmentation": 1.0})
    entered = (first, twin, *run.finals.candidates[2:])
    trainings = [
        replace(each, hyperparameters=twin.hyperparameters) if each.candidate == "finalist 2" else each
        for each in run.trainings
    ]
    held = finals(replace(run, finals=replace(run.finals, candidates=entered), trainings=tuple(trainings)))
    labels = [each.label for each in held.ranking]
    assert len(set(labels)) == 4
    assert {"U-Net / ResNet-18 · Dice · 96 px · 0011", "U-Net / ResNet-18 · Dice · 96 px · 0007"} <= set(labels)
    leader, origin = held.ranking[0], held.of_role("original baseline")
    gaps = [
        d.value if a is leader else -d.value for a, b, d, _ in held.pairs if {id(a), id(b)} == {id(leader), id(origin)}
    ]
    assert gaps == [pytest.approx(leader.score - origin.score)]


def test_who_failed_is_named_even_where_nobody_is_left(run):
    failed = [replace(each, status=FAILED, error="out of memory", out_of_fold={}) for each in run.trainings]
    none = finals(replace(run, trainings=tuple(failed)))
    assert isinstance(none, NoFinals)
    assert set(none.out) == {"finalist 1", "finalist 2", "default configuration", "original baseline"}


def test_the_only_candidate_of_a_short_budget_is_scored_and_has_not_won(run):
    """One training, on one fold."""
    first = next(
        each
        for each in run.trainings
        if each.candidate == "default configuration" and each.fold == 0 and each.seed == 0
    )
    alone = replace(run, trainings=(first,), trials=())
    held = finals(alone)
    assert [each.candidate.name for each in held.ranking] == ["default configuration"]
    assert held.winner is None
    assert held.scored == len(run.split.folds[0])
    found = Analysis(alone)
    assert found.decision.kind == SINGLE
    text = said(compose(found).blocks)
    assert "The budget allowed one candidate" in text
    assert "Pairwise" not in text
    assert "significant" not in text
    assert "IoU (overlap, 0 to 1) with 95 % interval, on 1 of 3 folds" in text
    assert "ross-validated" not in text
    candidate = row(table(compose(found).blocks, "Ranking of the candidates and baselines"), held.ranking[0].label)
    assert candidate["best"] is None


def test_with_one_seed_the_page_speaks_of_these_trainings_only(run):
    one = replace(run, finals=replace(run.finals, seeds=(0,)))
    text = said([*ranking(Analysis(one)), *certainty(Analysis(one)), verdict(Analysis(one))])
    assert "repeated training" not in text
    assert "with one seed each" in text.lower()
    assert "fold and seed" in text
    assert "no clear winner" in text


def test_finals_cut_to_one_fold_score_its_images_with_the_baselines_on_the_same(run):
    few = tuple(each for each in run.trainings if each.fold == 0 and each.seed == SEEDS[0])
    cut = replace(run, finals=replace(run.finals, folds=1, seeds=SEEDS[:1]), trainings=few)
    found = finals(cut)
    assert found.scored == len(run.split.folds[0]) < sum(map(len, run.split.folds))
    assert found.winner is None
    assert [reference.label for reference in found.references] == [
        "predict nothing",
        "mean training mask",
        "Otsu threshold",
    ]
    text = said([*ranking(Analysis(cut)), *certainty(Analysis(cut)), verdict(Analysis(cut)), *banners(Analysis(cut))])
    assert "on 1 fold with 1 seed" in text
    assert "Sources of variance" not in text  # one training says nothing about seeds
    assert "minimum detectable difference" not in text.lower()
    assert "IoU (overlap, 0 to 1) with 95 % interval, on 1 of 3 folds" in text
    assert f"Candidates are compared on {found.scored} of the {sum(map(len, run.split.folds))}" in text


def test_the_best_of_a_search_that_went_on_after_the_finals_is_named(run, held):
    assert held.newer is None
    better = replace(run.trials[0], trial_id="0099", val_metrics={**run.trials[0].val_metrics, "iou": 0.97})
    found = finals(replace(run, trials=(*run.trials, better)))
    assert found.newer == better
    text = said(banners(Analysis(replace(run, trials=(*run.trials, better)))))
    assert (
        "The best trial of the search, hyperband-s1/0099 (0.97 on validation), was found after the final evaluation"
        in text
    )
