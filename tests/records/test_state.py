"""How trials end, which they are, and where they stand with a tuner that promotes: types,
with the same words on disk as ever."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import StoreError
from bench.records import COLLAPSED, COMPLETED, Candidate, Promotion, Status, TrainingRecord, TrialRecord
from bench.records.store import load_lines
from tests.examples import stored_run, trial


def test_a_status_is_written_as_its_word_and_read_as_a_status(tmp_path: Path) -> None:
    stored_run(tmp_path / "quick", trials=1).append(trial(1, status=COLLAPSED))
    path = tmp_path / "quick" / "trials.jsonl"
    assert [json.loads(line)["status"] for line in path.read_text().splitlines()] == ["COMPLETED", "COLLAPSED"]
    statuses = [record.status for record in load_lines(path, TrialRecord)]
    assert statuses == [COMPLETED, COLLAPSED]
    assert all(isinstance(status, Status) for status in statuses)
    assert f"{statuses[1]} {statuses[1].word}" == "COLLAPSED collapsed"


def test_a_status_that_nobody_knows_is_refused_with_the_choices(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Expected `enum`"):
        stored_run(tmp_path / "quick", trials=0).append(replace(trial(), status="INVALID"))
    with pytest.raises(StoreError, match=r"trials\.jsonl.*status: Input should be 'COMPLETED', 'COLLAPSED'"):
        list(load_lines(tmp_path / "quick" / "trials.jsonl", TrialRecord))


@pytest.mark.parametrize(
    ("noted", "promotion"),
    [
        ({}, None),
        (
            {"tuner/epochs": 3, "tuner/bracket": 2, "tuner/round": 0},
            Promotion(epochs=3, bracket=2, rung=0, parent=None),
        ),
        (
            {"tuner/epochs": 9, "tuner/bracket": 2, "tuner/round": 1, "tuner/trial_id": "0004"},
            Promotion(epochs=9, bracket=2, rung=1, parent="0004"),
        ),
        ({"tuner/epochs": 9}, Promotion(epochs=9, bracket=0, rung=None, parent=None)),
    ],
    ids=["another tuner", "first rung", "promoted", "length alone"],
)
def test_a_promotion_is_what_its_tuner_noted(noted: dict[str, int | str], promotion: Promotion | None) -> None:
    record = trial(hyperparameters={"loss": "dice", **noted})
    assert record.promotion == promotion
    assert record.key == ("random-0", "0000")
    assert record.configuration == Candidate(name="x", roles=(), hyperparameters={"loss": "dice"}).configuration


def test_a_training_is_known_by_configuration_seed_and_fold() -> None:
    values = {"loss": "dice", "learning_rate": 1e-3}
    record = TrainingRecord(
        candidate="finalist 1", hyperparameters=values, fold=2, seed=5, status=COMPLETED, started_at=""
    )
    assert record.unit == ('{"learning_rate": 0.001, "loss": "dice"}', 5, 2)
    assert replace(record, candidate="finalist 2").unit == record.unit
