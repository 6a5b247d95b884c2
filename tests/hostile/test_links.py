"""Links that a stranger's run or data set brings along: nothing outside is read, shown or written for their sake."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from bench.datasets import DataOptions, open_dataset
from bench.datasets.images import decode
from bench.errors import DataError, StoreError
from bench.records import BEGAN, AttemptRecord
from bench.records.store import RunStore, load, load_arrays
from bench.records.weights import check_weights_file
from tests.datasets.drawings import coco_content, folders, picture, save, square_mask, write_json
from tests.examples import STARTED_AT, stored_run
from tests.hostile.mutations import command_ends

NAMES = (
    "run.json",
    "environment.json",
    "dataset.json",
    "audit.json",
    "split.json",
    "experiment.json",
    "trials.jsonl",
    "attempts.jsonl",
    "trainings.jsonl",
    "external.jsonl",
    "finals.json",
    "delivery.json",
    "predictions",
    "models",
    ".lock",
    ".owner",
)


@contextmanager
def untouched(outside: Path) -> Iterator[None]:
    """What lies in a folder beside the run is the same afterwards."""
    before = {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    yield
    assert {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["a file", "nothing"])
def test_a_file_of_a_run_that_is_a_link_to_elsewhere_is_neither_read_nor_written(
    name: str, what: str, tmp_path: Path
) -> None:
    results, outside = tmp_path / "results", tmp_path / "outside"
    run, target = stored_run(results / "cars").directory, outside / name
    outside.mkdir()
    if what == "a file" and (run / name).is_file():
        shutil.copy(run / name, target)
    elif what == "a file":
        target.write_bytes(b"a line without an end, which an append would cut")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(target)
    with untouched(outside):
        for words in (("report", "cars"), ("run", "--resume", "--name", "cars")):
            kind = "links out of a run"
            assert command_ends(kind, *words, "--results", results, "--reports", tmp_path / "reports") == "one line"
        with pytest.raises(StoreError):
            load(run)


def test_a_link_within_a_run_is_as_good_as_a_file(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run").directory
    (run / "trials.jsonl").rename(run / "kept")
    (run / "trials.jsonl").symlink_to("kept")
    assert load(run).trials


def test_a_folder_of_a_run_that_leads_out_is_not_written_to(tmp_path: Path) -> None:
    store, outside = stored_run(tmp_path / "run"), tmp_path / "outside"
    outside.mkdir()
    (store.directory / "maps").symlink_to(outside)
    with pytest.raises(StoreError, match="outside of the run's folder"):
        store.write_arrays("maps/one", {"a": np.zeros(3)})
    with pytest.raises(StoreError, match="outside of the run's folder"):
        load_arrays(store.directory, "maps/one")
    assert not list(outside.iterdir())


def test_an_attempt_is_not_written_through_a_link(tmp_path: Path) -> None:
    store, outside = RunStore(tmp_path / "run"), tmp_path / "kept.txt"
    store.directory.mkdir()
    outside.write_bytes(b"no line of records, and no end")
    (store.directory / "attempts.jsonl").symlink_to(outside)
    attempt = AttemptRecord(study_id="s", unit="0", event=BEGAN, at=STARTED_AT, process=1, host="h")
    with pytest.raises(StoreError, match="link"):
        store.append(attempt)
    assert outside.read_bytes() == b"no line of records, and no end"


def test_weights_hold_their_arrays_themselves(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["w"] = np.ones(4, np.float32)
    for name, fill in (
        ("link", lambda file: file.__setitem__("w", h5py.ExternalLink("secret.h5", "/w"))),
        ("external", lambda file: file.create_dataset("w", (4,), "u1", external=[("/etc/passwd", 0, 4)])),
        ("bomb", lambda file: file.create_dataset("w", (2**34,), "f4", chunks=(2**20,))),
    ):
        with h5py.File(tmp_path / name, "w") as file:
            fill(file)
        with pytest.raises(DataError, match=f"{tmp_path / name}"):
            check_weights_file(tmp_path / name)
    (tmp_path / "text").write_text("no weights")
    with pytest.raises(DataError, match=f"{tmp_path / 'text'} cannot be loaded"):
        check_weights_file(tmp_path / "text")
    check_weights_file(tmp_path / "secret.h5")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    save(tmp_path / "elsewhere" / "private.png", picture(seed=9))
    save(tmp_path / "elsewhere" / "mask.png", square_mask())
    write_json(
        tmp_path / "elsewhere" / "a.json",
        coco_content({"category_id": 7, "segmentation": [[3, 2, 7, 2, 7, 6]]}),
    )
    return tmp_path / "elsewhere"


def linked_set(root: Path, kind: str, elsewhere: Path) -> Path:
    if kind == "annotations":
        save(root / "a.png", picture())
        (root / "a.json").symlink_to(elsewhere / "a.json")
        return root / "a.json"
    folders(root)
    place = {"image": root / "images" / "a1.png", "mask": root / "masks" / "a1.png", "folder": root / "images"}[kind]
    if kind == "folder":
        os.rename(place, elsewhere / "images")  # noqa: PTH104
    else:
        place.unlink()
    place.symlink_to(elsewhere / {"image": "private.png", "mask": "mask.png", "folder": "images"}[kind])
    return place


@pytest.mark.parametrize("kind", ["image", "mask", "folder", "annotations"])
def test_a_link_out_of_a_data_set_is_followed_only_where_that_is_allowed(
    kind: str, elsewhere: Path, tmp_path: Path
) -> None:
    place = linked_set(tmp_path / "set", kind, elsewhere)
    with pytest.raises(DataError, match=r"by a link, .*/elsewhere/.*allow_outside: true") as caught:
        open_dataset(tmp_path / "set", DataOptions())
    assert str(caught.value).startswith(str(place))
    dataset = open_dataset(tmp_path / "set", DataOptions(allow_outside=True))
    for sample in dataset.samples:
        decode(sample)


def test_a_link_within_a_data_set_and_a_link_to_it_are_followed(tmp_path: Path) -> None:
    root = folders(tmp_path / "set")
    (root / "images" / "a1.png").rename(root / "one.png")
    (root / "images" / "a1.png").symlink_to("../one.png")
    (tmp_path / "link").symlink_to("set")
    for path in (root, tmp_path / "link"):
        assert len(open_dataset(path, DataOptions()).samples) == 3
