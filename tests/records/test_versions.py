"""Runs of older versions of the schema open, in the words of today; one of a newer version is refused in one line."""

import json
from pathlib import Path

import pytest

from bench.analysis.final_evaluation import Finals, finals
from bench.analysis.leaderboard import leaderboard
from bench.errors import StoreError
from bench.records import DEFAULT, FINALIST, ORIGINAL, SCHEMA_VERSION
from bench.records.store import RunStore, load
from bench.records.versions import as_of_today
from bench.report import write_report
from tests.records import older_schemas


def test_the_first_runs_of_version_1_which_had_trials_alone_open(tmp_path: Path) -> None:
    run = load(older_schemas.write_run(tmp_path / "reference", with_finals=False))
    assert (run.finals, run.trainings, run.delivery) == (None, (), None)
    assert [row.trial.val_metrics["iou"] for row in leaderboard(run)] == [0.2]


def test_candidates_of_version_1_have_the_names_and_roles_of_today(tmp_path: Path) -> None:
    run = load(older_schemas.write_run(tmp_path / "reference", with_finals=True))
    assert run.finals is not None
    assert [each.name for each in run.finals.candidates] == ["finalist 1", "original baseline"]
    assert [each.roles for each in run.finals.candidates] == [(FINALIST, DEFAULT), (ORIGINAL,)]
    assert {training.candidate for training in run.trainings} == {"finalist 1", "original baseline"}
    assert {training.schema_version for training in run.trainings} == {SCHEMA_VERSION}


def test_a_run_of_version_1_has_its_ranking_and_its_page(tmp_path: Path) -> None:
    run = load(older_schemas.write_run(tmp_path / "reference", with_finals=True))
    found = finals(run)
    assert isinstance(found, Finals)
    assert [(each.candidate.name, each.score) for each in found.ranking] == [
        ("finalist 1", pytest.approx(0.6)),
        ("original baseline", pytest.approx(0.3)),
    ]
    assert write_report(run, tmp_path / "page").is_file()


def test_a_contestant_of_version_2_is_a_candidate(tmp_path: Path) -> None:
    run = load(older_schemas.write_run(tmp_path / "reference", with_finals=True, schema_version=2))
    assert run.finals is not None
    assert [each.name for each in run.finals.candidates] == ["finalist 1", "original baseline"]
    assert [each.roles for each in run.finals.candidates] == [(FINALIST, DEFAULT), (ORIGINAL,)]
    assert {training.candidate for training in run.trainings} == {"finalist 1", "original baseline"}


def test_a_member_of_version_2_names_its_candidate() -> None:
    member = {"contestant": "finalist 1", "fold": 0, "seed": 0, "weights": "weights/a.npz"}
    content = as_of_today("delivery.json", {"schema_version": 2, "members": [member, 3]}, candidates=True)
    assert content == {
        "schema_version": SCHEMA_VERSION,
        "members": [{"candidate": "finalist 1", "fold": 0, "seed": 0, "weights": "weights/a.npz"}, 3],
    }


def test_what_is_added_to_a_run_of_version_1_is_of_todays_and_both_are_read(tmp_path: Path) -> None:
    directory = older_schemas.write_run(tmp_path / "reference", with_finals=True)
    RunStore(directory).append(load(directory).trainings[0])
    lines = (directory / "trainings.jsonl").read_text().splitlines()
    assert [json.loads(line)["schema_version"] for line in lines] == [1, 1, 1, 1, SCHEMA_VERSION]
    assert len(load(directory).trainings) == 5


def test_names_that_are_no_candidates_stay(tmp_path: Path) -> None:
    directory = older_schemas.write_run(tmp_path / "default recipe", with_finals=True)
    content = json.loads((directory / "run.json").read_text())
    (directory / "run.json").write_text(json.dumps(content | {"name": "default recipe"}))
    assert load(directory).record.name == "default recipe"


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 99])
def test_a_newer_version_is_refused_with_what_to_do(version: int) -> None:
    with pytest.raises(StoreError) as caught:
        as_of_today("run.json", {"schema_version": version}, candidates=False)
    assert str(caught.value) == (
        f"run.json has schema version {version}; this SegBench reads versions 1 to {SCHEMA_VERSION}; "
        "it was written by a newer SegBench: update this one"
    )


@pytest.mark.parametrize("content", [{}, [], None, *({"schema_version": v} for v in (0, -1, True, "1", 1.0, None))])
def test_what_is_no_version_is_refused(content: object) -> None:
    with pytest.raises(StoreError, match=rf"this SegBench reads versions 1 to {SCHEMA_VERSION}$"):
        as_of_today("run.json", content, candidates=False)
