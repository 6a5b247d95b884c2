"""A run for a notebook."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench import load_run
from bench.analysis.final_evaluation import Finals, finals
from bench.analysis.leaderboard import leaderboard
from bench.delivery.finished_run import FinishedRun
from bench.errors import StoreError
from bench.records.store import RunStore, load
from tests.delivery import made
from tests.report.made_finals import with_finals
from tests.report.runs import full_run


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = made.made_run(tmp_path)
    for trial in full_run(directory).trials:
        RunStore(directory).append(trial)
    return directory


def test_the_leaderboard_is_the_ranking_of_the_final_evaluation() -> None:
    found = with_finals(full_run())
    table, held = FinishedRun(found).leaderboard(), finals(found)
    assert isinstance(held, Finals)
    assert table["candidate"].tolist() == [each.candidate.name for each in held.ranking]
    assert table["iou"].tolist() == [each.score for each in held.ranking]
    assert ((table["low"] < table["iou"]) & (table["iou"] < table["high"])).all()


def test_the_trials_are_those_of_the_report(directory: Path) -> None:
    table = load_run(str(directory)).trials()
    rows = leaderboard(load(directory))
    assert table["trial"].tolist() == [row.trial.trial_id for row in rows]
    assert table["iou"].dropna().tolist() == [row.iou for row in rows if row.iou is not None]
    best = table.iloc[0]
    assert (best["rank"], best["study"], best["trial"]) == (1, "random-s1", "0011")
    assert best["test_low"] < best["test_iou"] < best["test_high"]
    assert best["loss"] == rows[0].trial.hyperparameters["loss"]
    assert table["rank"].isna().sum() == sum(row.rank is None for row in rows)


def test_a_run_without_trials_finals_and_model_has_empty_tables(tmp_path: Path) -> None:
    run = load_run(made.made_run(tmp_path))
    assert [len(table) for table in (run.leaderboard(), run.trials(), run.delivered())] == [0, 0, 0]


def test_the_delivered_model_is_measured_from_its_counts(directory: Path) -> None:
    evaluation = next(e for e in load(directory).evaluations if e.split == "test" and e.reference is None)
    record = replace(made.record_of([], 32), test=evaluation.counts)
    RunStore(directory).write(record)
    run = load_run(directory)
    table = run.delivered()
    assert table["part"].tolist() == ["test"]
    assert table["images"].tolist() == [len(evaluation.counts)]
    assert table["iou"][0] == pytest.approx(run.trials()["test_iou"][0])


def test_what_is_no_run_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no run"):
        load_run(tmp_path)
