"""Several runs on one page: data sets, pooled finals, ranks, and what does not compare."""

from dataclasses import replace

import pytest

from bench.analysis.across_runs import CHOICE, across, rank_table
from bench.analysis.final_evaluation import Finals
from bench.errors import StoreError
from bench.report.sections.across.data_sets import candidate_records
from bench.report.sections.across.verdict import headline
from tests.report.made_across import LEVEL, made, scored_elsewhere


def test_candidates_of_other_runs_are_matched_by_their_hyperparameters(two):
    table = two.configurations
    assert table.candidates[0] == "U-Net / ResNet-18 · Dice · 96 px"
    assert "plain U-Net · BCE · 96 px (original baseline)" in table.candidates
    assert table.complete == len(table.candidates) == 4
    assert table.datasets == ("data-0", "data-1")
    for place, run in enumerate(two.datasets):
        assert isinstance(run.held, Finals)
        assert table.scores[0][place] == run.held.ranking[0].score


def test_the_search_s_choice_is_the_finalist_that_the_search_had_first(six, two):
    roles = two.roles
    assert roles.candidates[0] == CHOICE
    assert set(roles.candidates) == {CHOICE, "default configuration", "original baseline"}
    flattered = made("x", "x", levels=LEVEL | {"finalist 1": 0.1})  # first in the search, last in the finals
    table = across([flattered, six[0]]).roles
    at = table.candidates.index(CHOICE)
    assert table.scores[at][0] == pytest.approx(0.1, abs=0.05)


def test_models_of_other_tools_are_ranked_by_their_name_and_only_where_they_are_whole(six):
    runs = [scored_elsewhere(scored_elsewhere(run, "nnU-Net", 0.9), "partly", 0.9, images=2) for run in six[:2]]
    compared = across(runs)
    for table in (compared.configurations, compared.roles):
        assert table.candidates[0] == "nnU-Net (other tool)"
        assert table.ranks is not None
        assert table.ranks.average[0] == 1
        assert "partly (other tool)" not in table.candidates
    assert headline(compared).startswith("nnU-Net (other tool) has the best average rank, 1.00 of 5 over 2 data sets")
    rows = [row for row in candidate_records(compared) if row["roles"] == "other tool"]
    assert [(row["candidate"], row["rank"]) for row in rows] == [("nnU-Net", 1), ("partly", None)] * 2
    alone = headline(across(runs[:1]))
    assert "nnU-Net, of another tool, scores 0.90 on the same images: +0.3" in alone


def test_who_is_not_in_every_final_has_no_rank():
    table = rank_table({"one": {"a": 0.3, "b": 0.4, "c": 0.9}, "two": {"a": 0.3, "b": 0.2}})
    assert table.candidates == ("a", "b", "c")
    assert table.complete == 2
    assert table.scores[2] == (0.9, None)
    assert table.ranks is not None
    assert table.ranks.average == (1.5, 1.5)
    assert rank_table({"one": {"a": 0.3}, "two": {"b": 0.2}}).ranks is None


def test_finals_of_one_data_set_are_pooled_by_configuration():
    first, second = made("first", "cars"), made("second", "cars", levels=LEVEL | {"finalist 2": 0.7})
    assert second.finals is not None
    own = {"architecture": "fpn", "loss": "dice", "image_size": 96}
    candidates = tuple(
        replace(each, hyperparameters=own) if each.name == "finalist 2" else each for each in second.finals.candidates
    )
    trainings = tuple(
        replace(each, hyperparameters=own) if each.candidate == "finalist 2" else each for each in second.trainings
    )
    second = replace(second, finals=replace(second.finals, candidates=candidates), trainings=trainings)
    compared = across([first, second])
    (data,) = compared.datasets
    assert isinstance(data.held, Finals)
    assert len(data.held.ranking) == 5
    assert data.held.trained == 5 * 3 * 3
    assert data.held.ranking[0].candidate.name == "finalist 2 of second"
    assert headline(compared).startswith("FPN · Dice · 96 px is significantly better than every other candidate")
    assert compared.configurations.ranks is None


def test_finals_with_other_seeds_are_pooled_by_how_many_there_were():
    first, second = made("first", "cars"), made("second", "cars")
    assert first.finals is not None
    assert second.finals is not None
    fewer = replace(first, finals=replace(first.finals, seeds=(0, 1)))
    later = replace(
        second,
        finals=replace(second.finals, seeds=(7, 8, 9)),
        trainings=tuple(
            replace(each, seed=each.seed + 7, candidate="x", hyperparameters={**each.hyperparameters, "loss": "bce"})
            for each in second.trainings
        ),
    )
    later = replace(
        later,
        finals=replace(
            later.finals,
            candidates=tuple(
                replace(each, hyperparameters={**each.hyperparameters, "loss": "bce"})
                for each in second.finals.candidates
            ),
        ),
    )
    held = across([fewer, later]).datasets[0].held
    assert isinstance(held, Finals)
    assert held.seeds == (0, 1)
    assert len(held.ranking) == 7  # the origin's recipe has that loss in both


def test_configurations_called_alike_are_told_apart_by_what_differs():
    run = made("first", "cars")
    assert run.finals is not None
    twin = dict(run.finals.candidates[0].hyperparameters) | {"batch_size": 4}
    candidates = tuple(
        replace(each, hyperparameters=twin) if each.name == "finalist 2" else each for each in run.finals.candidates
    )
    trainings = tuple(
        replace(each, hyperparameters=twin) if each.candidate == "finalist 2" else each for each in run.trainings
    )
    run = replace(run, finals=replace(run.finals, candidates=candidates), trainings=trainings)
    labels = list(across([run, made("other", "panels")]).ranking["cars"])
    assert "U-Net / ResNet-18 · Dice · 96 px · batch size 8" in labels
    assert "U-Net / ResNet-18 · Dice · 96 px · batch size 4" in labels


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda run: replace(run, split=replace(run.split, fingerprint="ef" * 32)),
            r"the fingerprint of their split \(cdcdcdcdcdcd and efef",
        ),
        (
            lambda run: replace(run, finals=replace(run.finals, epochs=60)),
            r"the epochs of their final evaluations \(12 and 60\)",
        ),
        (
            lambda run: replace(run, experiment=run.experiment | {"protocol": {"threshold": 0.3}}),
            r"the threshold \(0.5 and 0.3\)",
        ),
    ],
)
def test_runs_of_the_same_data_that_were_not_made_alike_are_refused(change, said):
    with pytest.raises(StoreError, match=f"runs 'first' and 'second' are of the same data .cars. and differ in {said}"):
        across([made("first", "cars"), change(made("second", "cars"))])


def test_a_run_named_twice_is_refused():
    with pytest.raises(StoreError, match="run 'results/first' is named twice"):
        across([made("first", "cars"), made("first", "cars")])
