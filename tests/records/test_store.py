"""What a run leaves on disk survives crashes, full disks and second attempts."""

import contextlib
import errno
import json
import os
import resource
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from bench.errors import StoreError
from bench.records import (
    COMPLETED,
    AuditRecord,
    DatasetRecord,
    Environment,
    RunRecord,
    SplitRecord,
    TrainingRecord,
    TrialRecord,
)
from bench.records.durable import append_line, read_lines
from bench.records.process import own_mark
from bench.records.store import RunStore, load, load_arrays, load_lines
from tests.examples import STARTED_AT, empty_run, evaluation, single_records, stored_run, trial


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def failing(number: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    stored_run(tmp_path / "quick", trials=3)
    run = load(tmp_path / "quick")
    assert run.trials == (trial(0), trial(1), trial(2))
    assert run.evaluations == (evaluation(0), evaluation(1), evaluation(2))
    assert (run.record, run.environment, run.dataset, run.audit, run.split) == single_records("quick")
    assert run.experiment == {"name": "quick", "protocol": {"epochs": 1}}
    assert [type(record) for record in (run.record, run.environment, run.dataset, run.audit, run.split)] == [
        RunRecord,
        Environment,
        DatasetRecord,
        AuditRecord,
        SplitRecord,
    ]


def test_trainings_of_the_learning_curve_are_none_of_the_finals(tmp_path: Path) -> None:
    store = stored_run(tmp_path / "quick")
    whole = TrainingRecord(
        candidate="finalist 1",
        hyperparameters={"loss": "dice"},
        fold=0,
        seed=1,
        status=COMPLETED,
        started_at=STARTED_AT,
    )
    share = replace(whole, train_share=0.75, train_images=9)
    for record in (share, whole):
        store.append(record)
    run = load(tmp_path / "quick")
    assert (run.trainings, run.curve_trainings) == ((whole,), (share,))


def test_fractions_and_missing_values_keep_full_precision(tmp_path: Path) -> None:
    store = empty_run(tmp_path / "quick")
    store.append(trial(val_metrics={"iou": 1 / 3, "dice": None}))
    (read,) = load_lines(tmp_path / "quick" / "trials.jsonl", TrialRecord)
    assert read.val_metrics == {"iou": 1 / 3, "dice": None}


def test_existing_run_is_refused_and_left_untouched(tmp_path: Path) -> None:
    stored_run(tmp_path / "quick")
    before = contents(tmp_path)
    with pytest.raises(StoreError, match=r"run 'quick' exists in .*--resume or choose another --name"):
        empty_run(tmp_path / "quick")
    assert contents(tmp_path) == before


def test_a_run_that_was_not_made_to_its_end_is_none_and_its_leavings_go(tmp_path: Path) -> None:
    _, *started = own_mark().split("-")
    dead = (
        tmp_path / f".quick.{'-'.join(['4194399', *started])}.abcd.new"
    )  # above the highest process id that Linux gives
    dead.mkdir()
    (dead / "run.json").write_text("{}")

    def interrupted() -> None:
        with RunStore.create(tmp_path / "quick") as store:
            store.write(single_records()[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_of_two_that_make_the_same_run_at_once_the_second_is_refused(tmp_path: Path) -> None:
    with contextlib.ExitStack() as first:
        first.enter_context(RunStore.create(tmp_path / "quick")).write(single_records()[0])
        stored_run(tmp_path / "quick")
        with pytest.raises(StoreError, match="run 'quick' exists in"):
            first.close()
    assert len(load(tmp_path / "quick").trials) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["quick"]


def test_torn_last_line_is_not_read(tmp_path: Path) -> None:
    store = stored_run(tmp_path / "quick", trials=2)
    with (store.directory / "trials.jsonl").open("ab") as file:
        file.write(b'{"schema_version": 1, "study')
    assert len(load(store.directory).trials) == 2


def test_torn_last_line_is_cut_by_the_next_append(tmp_path: Path) -> None:
    store = stored_run(tmp_path / "quick", trials=2)
    with (store.directory / "trials.jsonl").open("ab") as file:
        file.write(b'{"schema_version": 1, "study')
    store.append(trial(2))
    assert load(store.directory).trials == (trial(0), trial(1), trial(2))


def test_file_with_nothing_but_a_torn_line_is_emptied_first(tmp_path: Path) -> None:
    store = empty_run(tmp_path / "quick")
    (store.directory / "trials.jsonl").write_bytes(b'{"torn')
    store.append(trial(0))
    assert tuple(load_lines(store.directory / "trials.jsonl", TrialRecord)) == (trial(0),)


def test_interrupted_write_leaves_the_old_file_and_no_debris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = stored_run(tmp_path / "quick")
    before = contents(tmp_path)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        store.write(single_records("quick", status="interrupted")[0])
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_what_the_disk_says_becomes_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    store = stored_run(tmp_path / "quick")
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(StoreError) as caught:
        store.write(single_records()[0])
    assert str(caught.value) == f"cannot write {tmp_path / 'quick' / 'run.json'}: {reason}"


def test_append_to_a_full_disk_leaves_the_finished_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = stored_run(tmp_path / "quick")
    before = contents(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing(errno.ENOSPC))
        with pytest.raises(StoreError, match=r"trials\.jsonl: the disk is full"):
            store.append(trial(2))
    assert contents(tmp_path) == before
    store.append(trial(2))
    assert len(load(store.directory).trials) == 3


def test_line_that_fits_only_in_part_is_taken_back(tmp_path: Path) -> None:
    store = stored_run(tmp_path / "quick")
    before = contents(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before["quick/trials.jsonl"]) + 20, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"trials\.jsonl: the file size limit is reached"):
            store.append(trial(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(tmp_path) == before


def test_write_arrays_to_a_full_disk_keeps_the_earlier_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = stored_run(tmp_path / "quick")
    store.write_arrays("predictions/best", {"mask": np.eye(3, dtype=np.uint8)})
    before = contents(tmp_path)
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(StoreError, match="the disk is full"):
        store.write_arrays("predictions/best", {"mask": np.zeros((3, 3), dtype=np.uint8)})
    assert contents(tmp_path) == before


def test_run_that_cannot_be_created_on_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(StoreError, match="the disk is full"):
        stored_run(tmp_path / "results" / "quick")
    assert list((tmp_path / "results").iterdir()) == []


def test_run_that_could_not_be_created_can_be_created_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing(errno.ENOSPC))
        with pytest.raises(StoreError):
            stored_run(tmp_path / "quick")
    assert stored_run(tmp_path / "quick").directory == tmp_path / "quick"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_write_permission_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(StoreError, match=r"cannot write .*closed.*: no write permission"):
        empty_run(closed / "quick")


def test_results_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("not a folder")
    with pytest.raises(StoreError, match=r"cannot write .*results.quick: "):
        empty_run(tmp_path / "results" / "quick")


def test_arrays_are_read_back_and_removed(tmp_path: Path) -> None:
    store = empty_run(tmp_path / "quick")
    store.write_arrays("other/best", {"mask": np.eye(3, dtype=np.uint8)})
    read = load_arrays(store.directory, "other/best")
    assert read is not None
    np.testing.assert_array_equal(read["mask"], np.eye(3))
    store.remove_arrays("other/best")
    assert load_arrays(store.directory, "predictions/best") is None


def test_records_are_readable_by_others(tmp_path: Path) -> None:
    store = stored_run(tmp_path / "quick")
    assert (store.directory / "run.json").stat().st_mode & 0o444 == 0o444


def test_unknown_run_is_named_with_the_choices(tmp_path: Path) -> None:
    stored_run(tmp_path / "first")
    stored_run(tmp_path / "second")
    with pytest.raises(StoreError, match=r"no run 'third' in .*; choose from first, second"):
        load(tmp_path / "third")


def test_missing_record_is_named(tmp_path: Path) -> None:
    store = stored_run(tmp_path / "quick")
    (store.directory / "split.json").unlink()
    with pytest.raises(StoreError, match=r"split\.json is missing"):
        load(store.directory)


def test_missing_experiment_is_named(tmp_path: Path) -> None:
    store = stored_run(tmp_path / "quick")
    (store.directory / "experiment.json").unlink()
    with pytest.raises(StoreError, match=r"experiment\.json is missing"):
        load(store.directory)


@pytest.mark.parametrize(
    "spoil", [lambda line: line[:-5], lambda line: line.replace(b"0.25", b"0.26"), lambda line: b"{}"]
)
def test_damaged_line_is_named_by_number(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    store = stored_run(tmp_path / "quick", trials=2)
    path = store.directory / "trials.jsonl"
    first, second = path.read_bytes().splitlines()
    path.write_bytes(first + b"\n" + spoil(second) + b"\n")
    with pytest.raises(StoreError, match=r"trials\.jsonl:2 is damaged"):
        load(store.directory)


def test_a_line_is_json_with_a_checksum_of_the_bytes_behind_it(tmp_path: Path) -> None:
    append_line(tmp_path / "lines.jsonl", b'{"a": 1}')
    line = (tmp_path / "lines.jsonl").read_bytes()
    assert line == b'{"crc32": "%08x", "a": 1}\n' % zlib.crc32(b'"a": 1}')
    assert json.loads(line)["a"] == 1
    assert list(read_lines(tmp_path / "lines.jsonl")) == [(1, {"a": 1})]


def test_record_of_another_schema_version_is_refused(tmp_path: Path) -> None:
    store = stored_run(tmp_path / "quick")
    path = store.directory / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    with pytest.raises(
        StoreError,
        match=r"dataset\.json has schema version 99; this SegBench reads versions 1 to 3; it was written by a newer",
    ):
        load(store.directory)


def test_record_with_a_wrong_type_names_file_line_and_field(tmp_path: Path) -> None:
    store = stored_run(tmp_path / "quick", trials=1)
    path = store.directory / "trials.jsonl"
    (line,) = read_lines(path)
    path.unlink()
    append_line(path, json.dumps(line[1] | {"seed": "many"}).encode())
    with pytest.raises(StoreError, match=r"trials\.jsonl:1: seed: "):
        load(store.directory)


def test_value_that_json_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    store = stored_run(tmp_path / "quick")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        store.append(trial(9, wall_s=float("nan"), hyperparameters={"learning_rate": float("inf")}))
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("started_at", "0001-01-01T00:00:00+23:59"), ("started_at", "9999-12-31T23:59:59-23:59"),
        ("started_at", "1979-12-31T23:59:59"), ("started_at", "soon"), ("wall_s", 1e10), ("wall_s", 9e15),
        ("wall_s", -1.0),
    ],
)  # fmt: skip
def test_a_moment_and_a_duration_add_up_to_a_date(field: str, value: object, tmp_path: Path) -> None:
    store = RunStore(stored_run(tmp_path / "run").directory)
    latest = trial(7, started_at="8999-12-31T23:59:59-23:59", wall_s=9.9e9)
    store.append(latest)
    moment = datetime.fromisoformat(load(store.directory).trials[-1].started_at) + timedelta(seconds=latest.wall_s or 0)
    assert moment.astimezone(UTC).year < 9999
    store.append(replace(trial(8), **{field: value}))
    with pytest.raises(StoreError, match=rf"trials.jsonl:\d+: {field}: "):
        load(store.directory)
