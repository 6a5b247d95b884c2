"""Which models of a run stay on disk, and what a crash may leave beside them."""

from dataclasses import replace

import numpy as np
import pytest

from bench.engine.spec import Scored, TrialOutcome
from bench.records import FAILED, TrialRecord
from bench.records.store import RunStore
from bench.run.best_models import BestModels
from tests import examples


def record(number: int, iou: float, **changed: object) -> TrialRecord:
    values = {"loss": "dice", "number": number} | dict(changed)
    return replace(examples.trial(number), hyperparameters=values, val_metrics={"iou": iou})


def outcome(record: TrialRecord) -> TrialOutcome:
    return TrialOutcome(record=record, scored=Scored(loss=0.0, counts={}, predictions=np.zeros((1, 2, 2), np.uint8)))


@pytest.fixture
def store(tmp_path) -> RunStore:
    return examples.empty_run(tmp_path / "run")


def kept(store: RunStore, folder: str) -> list[str]:
    return sorted(path.name for path in (store.directory / folder).glob("*"))


def names(*records: TrialRecord) -> list[str]:
    return sorted(f"{record.study_id}-{record.trial_id}.weights.h5" for record in records)


def test_the_best_distinct_configurations_stay(store):
    best = BestModels(store, 2, ["a"])
    low, high, promoted, middle = record(0, 0.1), record(1, 0.5), record(1, 0.6), record(3, 0.3)
    promoted = replace(promoted, trial_id="0009", hyperparameters=promoted.hyperparameters | {"tuner/epochs": 9})
    for each in (low, high, promoted, middle):
        best.save(outcome(each), lambda: b"weights")
        best.evict()
    assert best.records == [promoted, middle]
    assert kept(store, "models") == names(promoted, middle)
    assert len(kept(store, "predictions")) == 2


@pytest.mark.parametrize("moment", ["before its record", "before the eviction"])
def test_what_a_kill_left_is_tidied_when_the_run_goes_on(store, moment):
    best = BestModels(store, 2, ["a"])
    records = [record(0, 0.1), record(1, 0.5), record(2, 0.3)]
    for each in records[:2]:
        best.save(outcome(each), lambda: b"weights")
    best.save(outcome(records[2]), lambda: b"weights")  # and the process dies
    assert len(kept(store, "models")) == 3
    on_record = records if moment == "before the eviction" else records[:2]
    best = BestModels(store, 2, ["a"], on_record)
    assert best.records == ([records[1], records[2]] if moment == "before the eviction" else [records[1], records[0]])
    assert kept(store, "models") == names(*best.records)
    assert len(kept(store, "predictions")) == 2


def test_a_failed_trial_has_no_model(store):
    failed = replace(record(0, 0.1), status=FAILED)
    (store.directory / "models").mkdir()
    (store.directory / "models" / names(failed)[0]).write_bytes(b"of an attempt")
    assert BestModels(store, 2, ["a"], [failed]).records == []
    assert kept(store, "models") == []


def test_unfinished_files_of_a_killed_process_are_removed(store):
    (store.directory / "models").mkdir()
    left = [store.directory / ".run.json.abc.unfinished", store.directory / "models" / ".m.weights.h5.x.unfinished"]
    for path in left:
        path.write_bytes(b"half")
    (store.directory / ".lock").touch()
    store.remove_unfinished()
    assert not any(path.exists() for path in left)
    assert (store.directory / ".lock").exists()
