"""Several runs on one page: data sets, pooled finals, ranks, and what does not compare."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from bench.analysis.across_runs import CHOICE, Across, across, rank_table
from bench.analysis.final_evaluation import Finals
from bench.cli import app
from bench.errors import StoreError
from bench.records import ExternalRecord, Run
from bench.records.store import RunStore
from bench.report import write_across
from bench.report.sections.across.average_ranks import about_ranks
from bench.report.sections.across.data_sets import candidate_records
from bench.report.sections.across.verdict import headline, leader, qualifications
from tests.report.made_finals import LEVELS, with_finals
from tests.report.runs import counts, full_run

LEVEL = dict(LEVELS)


def made(name: str, data: str, *, finals: bool = True, levels=LEVEL) -> Run:
    run = full_run(f"results/{name}")
    run = replace(
        run,
        record=replace(run.record, name=name),
        dataset=replace(run.dataset, name=data, fingerprint=data.ljust(64, "0")),
    )
    run = replace(
        run, evaluations=tuple(each for each in run.evaluations if each.trial_id is None or each.split == "test")
    )
    return with_finals(run, levels) if finals else run


def save(run: Run, directory) -> None:
    with RunStore.create(directory) as store:
        store.write_experiment(run.experiment)
        for record in (
            run.record,
            run.environment,
            run.dataset,
            run.audit,
            run.split,
            *([run.finals] if run.finals else []),
        ):
            store.write(record)
        for record in (*run.trials, *run.evaluations, *run.trainings):
            store.append(record)


@pytest.fixture(scope="module")
def six() -> list[Run]:
    """Six data sets on which the first finalist is ahead of all, and the others change places."""
    return [
        made(
            f"run-{n}",
            f"data-{n}",
            levels=LEVEL | {"finalist 2": 0.3 + 0.02 * n, "default configuration": 0.44 - 0.02 * n},
        )
        for n in range(6)
    ]


@pytest.fixture(scope="module")
def two(six) -> Across:
    return across(six[:2])


@pytest.fixture(scope="module")
def compared_six(six) -> Across:
    return across(six)


def test_candidates_of_other_runs_are_matched_by_their_hyperparameters(two):
    table = two.configurations
    assert table.candidates[0] == "U-Net / ResNet-18 · Dice · 96 px"
    assert "plain U-Net · BCE · 96 px (original baseline)" in table.candidates
    assert table.complete == len(table.candidates) == 4
    assert table.datasets == ("data-0", "data-1")
    for place, run in enumerate(two.datasets):
        assert isinstance(run.held, Finals)
        assert table.scores[0][place] == run.held.standings[0].score


def test_two_data_sets_say_that_nothing_can_be_told(two):
    assert headline(two) == (
        "U-Net / ResNet-18 · Dice · 96 px has the best average rank, 1.00 of 4 over 2 data sets, and is first on 2; "
        "with so few data sets no difference is significant."
    )
    assert "2 data sets are too few for a test" in qualifications(two)[0]


def test_six_data_sets_and_six_pairs_are_still_too_few(compared_six):
    ranks = compared_six.configurations.ranks
    assert ranks is not None
    assert ranks.wins == (6.0, 0.0, 0.0, 0.0)
    assert ranks.friedman_p is not None
    assert ranks.friedman_p < 0.01
    assert "would still be 0.188" in qualifications(compared_six)[0]  # 6 pairs x 2 / 2**6


def test_the_search_s_choice_is_the_finalist_that_the_search_had_first(six, two):
    roles = two.roles
    assert roles.candidates[0] == CHOICE
    assert set(roles.candidates) == {CHOICE, "default configuration", "original baseline"}
    flattered = made("x", "x", levels=LEVEL | {"finalist 1": 0.1})  # first in the search, last in the finals
    table = across([flattered, six[0]]).roles
    at = table.candidates.index(CHOICE)
    assert table.scores[at][0] == pytest.approx(0.1, abs=0.05)


def scored_elsewhere(run: Run, name: str, iou: float, *, images: int | None = None) -> Run:
    """With the masks of another tool on the first `images` of each fold, all by default."""
    names = [image for fold in run.split.folds for image in fold[:images]]
    external = ExternalRecord(
        name=name,
        folder="masks",
        scored_at=run.record.started_at,
        evaluation_size=96,
        masks_digest="ef" * 32,
        out_of_fold={image: counts(iou) for image in names},
        test={image: counts(iou) for image in run.split.test},
    )
    return replace(run, external=(*run.external, external))


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
    assert len(data.held.standings) == 5
    assert data.held.trained == 5 * 3 * 3
    assert data.held.standings[0].candidate.name == "finalist 2 of second"
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
        trainings=tuple(replace(each, seed=each.seed + 7, candidate="x", hyperparameters=dict(each.hyperparameters) | {"loss": "bce"})
                        for each in second.trainings),
    )  # fmt: skip
    later = replace(
        later,
        finals=replace(
            later.finals,
            candidates=tuple(replace(each, hyperparameters=dict(each.hyperparameters) | {"loss": "bce"}) for each in second.finals.candidates),
        ),
    )  # fmt: skip
    held = across([fewer, later]).datasets[0].held
    assert isinstance(held, Finals)
    assert held.seeds == (0, 1)
    assert len(held.standings) == 7  # the origin's recipe has that loss in both


def test_the_headline_names_everyone_whom_the_first_cannot_be_told_from():
    scores = {
        f"data {n}": {"a": 0.6 + 0.01 * n, "b": 0.5, "c": 0.4, "erratic": 0.9 if n in (2, 5) else 0.1} for n in range(9)
    }
    table = rank_table(scores)
    assert table.ranks is not None
    assert table.candidates == ("a", "b", "c", "erratic")
    assert leader(table, table.ranks).endswith("it does not differ significantly from erratic (5 %, Holm).")
    assert "3 of 6 pairs differ significantly" in about_ranks(table, table.ranks)


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
    labels = list(across([run, made("other", "panels")]).standings["cars"])
    assert "U-Net / ResNet-18 · Dice · 96 px · batch size 8" in labels
    assert "U-Net / ResNet-18 · Dice · 96 px · batch size 4" in labels


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: replace(run, split=replace(run.split, fingerprint="ef" * 32)), r"the fingerprint of their split \(cdcdcdcdcdcd and efef"),
        (lambda run: replace(run, finals=replace(run.finals, epochs=60)), r"the epochs of their finals \(12 and 60\)"),
        (lambda run: replace(run, experiment=run.experiment | {"protocol": {"threshold": 0.3}}), r"the threshold \(0.5 and 0.3\)"),
    ],
)  # fmt: skip
def test_runs_of_the_same_data_that_were_not_made_alike_are_refused(change, said):
    with pytest.raises(StoreError, match=f"runs 'first' and 'second' are of the same data .cars. and differ in {said}"):
        across([made("first", "cars"), change(made("second", "cars"))])


def test_a_run_named_twice_is_refused():
    with pytest.raises(StoreError, match="run 'results/first' is named twice"):
        across([made("first", "cars"), made("first", "cars")])


def test_without_finals_the_best_of_each_search_stand_beside_each_other(tmp_path):
    runs = [made("first", "cars", finals=False), made("second", "panels", finals=False)]
    page = write_across(runs, tmp_path / "both").read_text(encoding="utf-8")
    assert "No run has a final evaluation: single trainings are compared" in page
    assert page.count("| first ") == 1
    assert "Average rank" not in page


def test_a_run_without_finals_is_named_beside_those_that_held_them(six):
    compared = across([*six[:2], made("third", "panels", finals=False)])
    assert qualifications(compared)[0].startswith("Without a final evaluation, and so without a rank: panels.")
    assert compared.configurations.datasets == ("data-0", "data-1")


def test_the_command_writes_checks_and_refuses(six, tmp_path):
    for run in six[:2]:
        save(run, tmp_path / "results" / run.record.name)
    where = ["--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports")]

    def report(*words: str):
        return CliRunner().invoke(app, ["report", *words, *where])

    assert report("run-0", "run-1").exit_code == 0
    folder = tmp_path / "reports" / "run-0+run-1"
    assert {path.name for path in folder.iterdir()} == {
        "leaderboard.md", "leaderboard.html", "summary.json", "figures", "tables"
    }  # fmt: skip
    assert json.loads((folder / "summary.json").read_text())["runs"] == ["run-0", "run-1"]
    assert "run-0+run-1" in (tmp_path / "reports" / "README.md").read_text()
    assert report("--check", "run-0", "run-1").exit_code == 0
    table = folder / "tables" / "candidates.csv"
    table.write_text(table.read_text().replace("0.", "1.", 1))
    assert report("--check", "run-0", "run-1").exit_code == 2
    assert report("run-0", "run-1", "--name", "both").exit_code == 0
    assert (tmp_path / "reports" / "both" / "leaderboard.md").read_text().startswith("# both\n")
    for wrong in (["run-0", "--name", "both"], ["run-0", "run-1", "--name", "run-0"], ["run-0", "run-0"]):
        assert report(*wrong).exit_code == 2
