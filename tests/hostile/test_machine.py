"""A machine at its limits: terminals, pipes and disks that say no, signals, what the dead left, trials
that take everything down."""

import errno
import io
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import bench.cli.running
from bench.cli.output import Unfailing, forget_odd_numbers
from bench.datasets import DataOptions, cache, open_dataset
from bench.datasets.cache import open_cache, write_cache
from bench.engine.spec import TrialSpec
from bench.errors import DataError, StoreError
from bench.records import BEGAN, COMPLETED, ENDED, FAILED, AttemptRecord
from bench.records.store import RunStore, load
from bench.run.attempts import OnRecord
from bench.run.scratch import remove_abandoned, scratch_folder
from tests.datasets.drawings import coco_content, picture, save, write_json
from tests.engine.stand_in import StandInExecutor
from tests.examples import STARTED_AT, stored_run


def test_a_reader_that_has_gone_costs_nothing() -> None:
    reader, writer = os.pipe()
    heard: list[OSError] = []
    stream = Unfailing(os.fdopen(writer, "w"), heard.append)
    stream.write("one\n")
    stream.flush()
    os.close(reader)
    for _ in range(3):
        stream.write("two\n")
        stream.flush()
    stream.close()
    assert not heard, "a closed pipe is no news"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
def test_a_full_disk_behind_stdout_is_said_once_and_what_was_begun_goes_on() -> None:
    heard: list[OSError] = []
    with Path("/dev/full").open("w") as file:
        stream = Unfailing(file, heard.append)
        for _ in range(3):
            stream.write("a line\n")
            stream.flush()
    assert [error.errno for error in heard] == [errno.ENOSPC]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("surroundings", "stdout"),
    [
        ({"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, "pipe"),
        ({"COLUMNS": "40", "TERM": "dumb"}, "pipe"),
        ({"COLUMNS": "\u00b2", "TERMINAL_WIDTH": "x", "OPENCV_IO_MAX_IMAGE_PIXELS": "x"}, "pipe"),
        ({"HOME": "/nowhere/at/all", "TMPDIR": "/nowhere/at/all", "XDG_CACHE_HOME": "/dev/null"}, "pipe"),
        ({}, "/dev/full"),
        ({}, "closed pipe"),
    ],
)
def test_a_command_ends_well_in_narrow_surroundings(surroundings: dict[str, str], stdout: str, tmp_path: Path) -> None:
    save(tmp_path / "schäden" / "größe.png", picture())
    shape = {"category_id": 7, "segmentation": [[3, 2, 7, 2, 7, 6]]}
    write_json(tmp_path / "schäden" / "a.json", coco_content(shape) | {"images": [{"id": 1, "file_name": "größe.png"}]})
    environment = {**os.environ, **surroundings}
    command = [sys.executable, "-m", "bench", "data", "audit", str(tmp_path / "schäden")]
    if stdout == "/dev/full":
        with Path(stdout).open("w") as out:
            done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, env=environment, check=False)
    elif stdout == "closed pipe":
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment, check=False)
        os.close(writer)
    else:
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
        assert b"1 images" in done.stdout
    assert done.returncode == 0, done.stderr.decode()[-500:]
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") <= 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COLUMNS", "\u00b2"), ("COLUMNS", "0"), ("COLUMNS", "-3"), ("COLUMNS", "100000000"), ("COLUMNS", "9" * 5000),
        ("LINES", "x"), ("TERMINAL_WIDTH", "x"), ("TERMINAL_WIDTH", ""), ("OPENCV_IO_MAX_IMAGE_PIXELS", "x"),
        ("OPENCV_IO_MAX_IMAGE_WIDTH", "-1"), ("OPENCV_IO_MAX_IMAGE_HEIGHT", "9" * 19),
    ],
)  # fmt: skip
def test_a_number_of_the_surroundings_that_is_none_is_forgotten(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv(name, value)
    forget_odd_numbers()
    assert name not in os.environ
    assert name == "COLUMNS" or os.environ["COLUMNS"] == "40"


@pytest.mark.slow
def test_a_process_without_standard_streams_gives_their_numbers_to_no_file(tmp_path: Path) -> None:
    """`>&- 2>&- <&-`: what C libraries print to descriptor 2 would stand in the first file that the process opens."""
    code = (
        "import os, sys\n"
        "from bench.cli.output import make_output_unfailing\n"
        "make_output_unfailing()\n"
        f"file = open({str(tmp_path / 'record')!r}, 'wb')\n"
        "for number in (1, 2):\n"
        "    os.write(number, b'a remark')\n"
        "print('to nobody'); sys.stderr and sys.stderr.write('to nobody')\n"
        "file.write(b'%d' % file.fileno())\n"
    )
    done = subprocess.run(
        ["/bin/sh", "-c", f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} >&- 2>&- <&-"], check=False
    )
    assert done.returncode == 0
    assert int((tmp_path / "record").read_bytes()) > 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_closed_terminal_and_a_scheduler_are_like_ctrl_c(number: signal.Signals) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        bench.cli.running._heed_signals()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_what_nohup_ignores_stays_ignored() -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        bench.cli.running._heed_signals()
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def small_set(root: Path) -> Path:
    save(root / "a.png", picture())
    shape = {"category_id": 7, "segmentation": [[3, 2, 7, 2, 7, 6]]}
    write_json(root / "a.json", coco_content(shape))
    return root


def test_the_pixel_cache_has_its_room_before_anything_is_written_to_it(tmp_path: Path) -> None:
    dataset = open_dataset(small_set(tmp_path / "set"), DataOptions())
    ids = [sample.id for sample in dataset.samples]
    write_cache(dataset, ids, [512], tmp_path / "cache", fingerprint="f")
    for path in (tmp_path / "cache" / "512").glob("*.npy"):
        assert path.stat().st_blocks * 512 >= path.stat().st_size, f"{path} is sparse"
    assert open_cache(tmp_path / "cache", 512).images.shape == (len(ids), 512, 512, 3)


def test_a_disk_that_fills_up_while_room_is_reserved_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(small_set(tmp_path / "set"), DataOptions())
    ids = [sample.id for sample in dataset.samples]
    reserve = os.posix_fallocate

    def full(descriptor: int, offset: int, size: int) -> None:
        if size > 100_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        reserve(descriptor, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match=r"cannot write the pixel cache .*: No space left on device"):
        write_cache(dataset, ids, [32, 512], tmp_path / "cache", fingerprint="f")
    assert not list((tmp_path / "cache").iterdir()), "nothing half-written stays"


def test_the_room_of_all_sizes_together_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset(small_set(tmp_path / "set"), DataOptions())
    ids = [sample.id for sample in dataset.samples]
    free = type("Usage", (), {"free": 5 * len(ids) * 512**2 + 10})
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: free)
    with pytest.raises(DataError, match=r"needs \d+ bytes and the disk has \d+ free; set TMPDIR"):
        write_cache(dataset, ids, [256, 512], tmp_path / "cache", fingerprint="f")


def test_what_a_killed_run_left_is_removed_by_the_next_and_what_lives_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "import os, signal, sys, tempfile\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        "from bench.run.scratch import scratch_folder\n"
        "with scratch_folder() as folder:\n"
        "    (folder / 'pixels').write_bytes(b'x' * 1000)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.glob("segbench-*")
    (tmp_path / "segbench-of-somebody-else").mkdir()
    with scratch_folder() as living:
        assert not left.exists()
        assert remove_abandoned(tmp_path) == []
        assert living.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["segbench-of-somebody-else"]


def test_what_a_killed_worker_left_goes_with_its_runs_folder(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal, tempfile\n"
        "from bench.engine.worker_process import keep_beside\n"
        "tempfile.gettempdir()\n"
        "keep_beside(pathlib.Path('worker.log'))\n"
        "pathlib.Path(tempfile.mkdtemp(), 'weights').touch()\n"
        "print('its last words', os.environ['TMPDIR'], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with scratch_folder() as folder:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run([sys.executable, "-c", code], check=False, cwd=folder, env=environment)
        assert done.returncode == -signal.SIGKILL
        assert len([*folder.glob("*/weights")]) == 1
        assert (folder / "worker.log").read_text() == f"its last words {folder}\n"
    assert not folder.exists()


def test_a_folder_whose_maker_died_before_it_had_its_name_is_removed_when_it_is_old(tmp_path: Path) -> None:
    for name in (".segbench-old", ".segbench-new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".lock").touch()
    os.utime(tmp_path / ".segbench-old", (1e9, 1e9))
    (tmp_path / ".segbench-link").symlink_to(tmp_path / ".segbench-new")
    assert remove_abandoned(tmp_path) == [tmp_path / ".segbench-old"]
    assert {path.name for path in tmp_path.iterdir()} == {".segbench-new", ".segbench-link"}


def test_a_link_in_the_place_for_temporary_files_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".lock").touch()
    (tmp_path / "segbench-x").symlink_to(tmp_path / "mine")
    assert remove_abandoned(tmp_path) == []
    assert (tmp_path / "mine" / ".lock").is_file()


def test_no_place_for_temporary_files_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with pytest.raises(StoreError, match="set TMPDIR"), scratch_folder():
        pass


def test_a_run_whose_folder_was_removed_is_not_made_again(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "gone")
    with pytest.raises(StoreError, match="No such file or directory"):
        store.write_arrays("predictions/best", {"mask": np.eye(3, dtype=np.uint8)})
    assert not (tmp_path / "gone").exists()


SPEC = TrialSpec(study_id="s", trial_id="0000", hyperparameters={"architecture": "unet"}, seed=0, epochs=1)


def attempt(event: str) -> AttemptRecord:
    return AttemptRecord(study_id="s", unit="0000", event=event, at=STARTED_AT, process=1, host="h")


@pytest.mark.parametrize(
    ("earlier", "status"),
    [
        ([], COMPLETED),
        ([BEGAN], COMPLETED),
        ([BEGAN, ENDED] * 5, COMPLETED),
        ([BEGAN, BEGAN], FAILED),
        ([BEGAN, ENDED, BEGAN, BEGAN], FAILED),
    ],
)
def test_a_trial_that_was_lost_with_the_run_as_often_as_it_may_be_tried_has_failed(
    earlier: list[str], status: str, tmp_path: Path
) -> None:
    store = stored_run(tmp_path / "run")
    executor = StandInExecutor(val_ids=("a",))
    watched = OnRecord(executor, store, [attempt(event) for event in earlier], retries=1)
    watched.submit(SPEC)
    (record,) = (event.record for event in watched.events() if hasattr(event, "record"))
    assert record.status == status
    written = [each.event for each in load(tmp_path / "run").attempts]
    assert written == ([BEGAN, ENDED] if status == COMPLETED else [])
    if status == FAILED:
        assert not executor.specs
        assert "attempts ended with the whole run" in (record.error or "")


def test_an_orderly_end_is_no_loss(tmp_path: Path) -> None:
    store = stored_run(tmp_path / "run")
    watched = OnRecord(StandInExecutor(val_ids=("a",)), store, (), retries=0)
    watched.submit(SPEC)
    watched.let_go()
    assert [each.event for each in load(tmp_path / "run").attempts] == [BEGAN, ENDED]


def test_a_stream_without_a_descriptor_is_wrapped_too() -> None:
    stream = Unfailing(io.StringIO())
    stream.write("a")
    stream.flush()
    assert stream.getvalue() == "a"
