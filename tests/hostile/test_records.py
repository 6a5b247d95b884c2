"""Records of a run that a stranger wrote: what reads them ends in a result or in one line that names the file."""

import io
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench.cli.running
import search_spaces.segmentation  # noqa: F401
from bench import run as runner
from bench.records import ExternalRecord, Run
from bench.records.durable import read_lines
from bench.records.store import RunStore, load
from bench.run.setup import PreparedData
from bench.run.stages import delivery as delivery_stage
from tests.datasets.drawings import save
from tests.delivery.stand_in import stand_in_deliver
from tests.engine.stand_in import StandInExecutor
from tests.examples import STARTED_AT
from tests.hostile.mutations import SECRET, TALLY, as_drawn, changed, command_ends, examples, failures_in, watched
from tests.killed import Killer, drawn_material, experiment, run_with
from tests.killed import draw as draw_set
from tests.records.older_schemas import write_run

pytestmark = pytest.mark.slow

MUTATIONS = examples(1000, 40)
OLDER = examples(200, 3)
"""Of each older version of the schema."""
ELSEWHERE = examples(400, 8)
DAMAGES = examples(300, 8)

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 7, 10**6, 2**53, 10**15, 10**400, -(10**9), 0.5, -0.5, 1e308, -1e308, 1e-300,
    float("nan"), float("inf"), float("-inf"), "", "a", "1", "COMPLETED", "FAILED", "x" * 100_000, "\ud800", "\0", "\n",
    "\x1b[2J", "\u202e", "<script>alert(1)</script>", f"../../{SECRET}", f"/tmp/../{SECRET}",
    "../../../../../../etc/passwd", "/etc/passwd", f"![x](../{SECRET})", [], {}, [[]], [None], [1, 2], {"x": {}},
    {"a": None}, "2026-13-45", "9999-12-31T23:59:59", "0001-01-01T00:00:00+00:00", "images/0.png", "0.png",
]  # fmt: skip
_deep: Any = 1
for _ in range(200):
    _deep = [_deep]
ODD.append(_deep)

SINGLE = (
    "run.json",
    "environment.json",
    "dataset.json",
    "audit.json",
    "split.json",
    "finals.json",
    "delivery.json",
    "experiment.json",
)
LINES = (
    "trials.jsonl",
    "proposals.jsonl",
    "evaluations.jsonl",
    "trainings.jsonl",
    "attempts.jsonl",
    "external.jsonl",
)
VERSIONS: list[Any] = [0, 1, 2, 3, 4, -1, 1.0, 2.5, "1", True, None, [1], {"1": 2}, 10**30]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return drawn_material(tmp_path_factory.mktemp("data"))


def executor(material: PreparedData) -> Callable[..., StandInExecutor]:
    split = material.split
    return lambda *_: StandInExecutor(val_ids=split.val, folds=split.folds, test_ids=split.test, size=32)


@pytest.fixture(scope="module")
def base(material: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `results/killed`, a whole run; a secret lies beside it."""
    outer = tmp_path_factory.mktemp("stranger")
    (outer / SECRET).write_bytes(b"secret")
    root = outer / "root"
    run_with(executor(material), root, experiment("random"), material, Killer(), os.open(os.devnull, os.O_WRONLY))
    RunStore(root / "results" / "killed").append(scored_elsewhere(load(root / "results" / "killed")))
    shutil.copytree(root / "results" / "killed", root / "kept")
    (root / "tmp").mkdir()
    with mock.patch.object(tempfile, "tempdir", str(root / "tmp")):
        yield root


def scored_elsewhere(run: Run) -> ExternalRecord:
    """Another tool's masks, as good as the first candidate's."""
    best = run.trainings[0].candidate
    own = [each for each in run.trainings if each.candidate == best]
    return ExternalRecord(
        name="another tool",
        folder="masks",
        scored_at=STARTED_AT,
        evaluation_size=32,
        masks_digest="0" * 64,
        out_of_fold={name: counts for each in own for name, counts in each.out_of_fold.items()},
        test=own[0].test,
    )


def put_back(base: Path) -> Path:
    directory = base / "results" / "killed"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.rmtree(base / "reports", ignore_errors=True)
    shutil.copytree(base / "kept", directory)
    return directory


def dump(content: Any) -> bytes:
    return json.dumps(content).encode()


def write_line(path: Path, number: int, content: Any) -> None:
    """A line that has its right checksum, as a stranger's has."""
    lines = path.read_bytes().splitlines()
    rest = dump(content)[1:] if isinstance(content, dict) and content else dump(content) + b"}"
    lines[number] = b'{"crc32": "%08x", ' % zlib.crc32(rest) + rest
    path.write_bytes(b"\n".join(lines) + b"\n")


def mutate(directory: Path, draw: Callable[[Any], Any]) -> str:
    """Changes one record, now and then in what its version is."""
    name = draw(st.sampled_from([each for each in (*SINGLE, *LINES, *LINES) if (directory / each).is_file()]))
    path = directory / name
    if name in SINGLE:
        path.write_bytes(dump(otherwise(draw, json.loads(path.read_bytes()))))
    else:
        lines = [content for _, content in read_lines(path)]
        number = draw(st.integers(0, len(lines) - 1))
        write_line(path, number, otherwise(draw, lines[number]))
    return name


def otherwise(draw: Callable[[Any], Any], content: Any) -> Any:
    if draw(st.integers(0, 9)) == 0:
        return content | {"schema_version": draw(st.sampled_from(VERSIONS))}
    return changed(draw, content, ODD, most=2)


def report(base: Path, kind: str) -> str:
    return command_ends(kind, "report", "killed", "--results", base / "results", "--reports", base / "reports")


def resume(base: Path, material: PreparedData, kind: str) -> str:
    """With an executor that trains nothing; what a resumed run does with records is what it always does."""
    with (
        mock.patch.object(bench.cli.running, "_require_tensorflow"),
        mock.patch.object(runner, "prepare", return_value=material),
        mock.patch.object(runner, "_started_workers", executor(material)),
        mock.patch.object(delivery_stage, "deliver", stand_in_deliver),
        mock.patch.object(runner, "write_report", lambda run, directory: directory / "leaderboard.md"),
        mock.patch.object(runner, "write_index"),
        mock.patch.object(bench.cli.running, "say_ending"),
        mock.patch.object(bench.cli.running, "_require_model"),
    ):
        words = ("run", "--resume", "--name", "killed", "--results", base / "results", "--reports", base / "reports")
        return command_ends(kind, *words)


def test_the_run_as_it_was_made_ends_in_a_report_and_can_be_resumed(base: Path, material: PreparedData) -> None:
    put_back(base)
    with watched(base):
        assert report(base, "records as they were made") == "result"
        assert resume(base, material, "records as they were made") == "result"


def test_a_mutated_record_ends_in_a_report_or_in_one_line(base: Path, material: PreparedData) -> None:
    failures: list[str] = []

    @as_drawn(MUTATIONS)
    @given(data=st.data())
    def one(data: st.DataObject) -> None:
        directory = put_back(base)
        said = mutate(directory, data.draw)
        with failures_in(failures, said), watched(base):
            if data.draw(st.booleans()):
                report(base, "mutated records, report")
            else:
                resume(base, material, "mutated records, run --resume")

    one()
    put_back(base)
    assert not failures, failures
    assert (
        sum(TALLY[f"mutated records, {command}"].total() for command in ("report", "run --resume")) >= MUTATIONS * 0.9
    )


def test_a_clock_that_was_set_back_costs_no_report_no_resume_and_no_export(
    base: Path, material: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other trial and training began years before the run."""
    directory, kind = put_back(base), "a clock that was set back"
    for name in ("trials.jsonl", "trainings.jsonl"):
        for number, (_, content) in enumerate(list(read_lines(directory / name))):
            if number % 2:
                write_line(directory / name, number, content | {"started_at": "2001-01-01T00:00:00+00:00"})
    monkeypatch.chdir(base)
    with watched(base):
        assert report(base, kind) == "result"
        assert resume(base, material, kind) == "result"
        for target, out in (("csv", "out"), ("optuna", "out.db"), ("tensorboard", "events")):
            assert command_ends(kind, "export-records", "killed", "--to", target, "-o", out) == "result"
            assert Path(out).exists()
    for left in ("out", "events"):
        shutil.rmtree(base / left)
    (base / "out.db").unlink()
    put_back(base)


OTHERS = (
    ("export-records", "killed", "--to", "csv", "-o", "out"),
    ("export-records", "killed", "--to", "optuna", "-o", "out.db"),
    ("export-records", "killed", "--to", "tensorboard", "-o", "out"),
    ("data", "split", "data", "--run", "killed", "-o", "out"),
    ("score", "masks", "--run", "killed", "--as", "a tool", "--data", "data"),
    ("report", "killed", "whole"),
    ("run", "--dry-run", "--data", "data", "--name", "new"),
)
"""Other commands that read a run, with files below its root."""


def test_another_command_on_a_mutated_record_ends_in_a_result_or_in_one_line(
    base: Path, material: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[str] = []
    draw_set(base / "data")
    save(base / "masks" / "test" / "0.png", np.zeros((32, 32), np.uint8))
    shutil.copytree(base / "kept", base / "results" / "whole")
    monkeypatch.chdir(base)

    @as_drawn(ELSEWHERE)
    @given(data=st.data())
    def one(data: st.DataObject) -> None:
        directory = put_back(base)
        for left in ("out", "out.db"):
            shutil.rmtree(base / left, ignore_errors=True)
            (base / left).unlink(missing_ok=True)
        said = mutate(directory, data.draw)
        words = data.draw(st.sampled_from(OTHERS))
        with failures_in(failures, f"{said} {' '.join(words)}"), watched(base):
            command_ends("mutated records, other commands", *words)

    try:
        one()
    finally:
        shutil.rmtree(base / "results" / "whole")
        put_back(base)
    assert not failures, failures
    assert TALLY["mutated records, other commands"].total() >= ELSEWHERE * 0.9


@pytest.mark.parametrize("version", [1, 2])
def test_a_mutated_record_of_an_older_schema_ends_in_a_report_or_in_one_line(base: Path, version: int) -> None:
    failures: list[str] = []
    directory = base / "results" / "killed"

    @as_drawn(OLDER)
    @given(data=st.data())
    def one(data: st.DataObject) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(base / "reports", ignore_errors=True)
        write_run(directory, with_finals=True, schema_version=version)
        said = mutate(directory, data.draw)
        with failures_in(failures, said), watched(base):
            report(base, "mutated records of versions 1 and 2, report")

    try:
        one()
    finally:
        put_back(base)
    assert not failures, failures


def damaged(draw: Callable[[Any], Any], path: Path) -> str:
    """Spoils a file of arrays, as bytes or as arrays; says how."""
    content = path.read_bytes()
    what = draw(
        st.sampled_from(("cut", "bytes", "text", "arrays", "arrays", "arrays", "pipe", "folder", "link", "bomb"))
    )
    path.unlink()
    if what == "cut":
        path.write_bytes(content[: draw(st.integers(0, len(content) - 1))])
    elif what == "bytes":
        spoiled = bytearray(content)
        for _ in range(draw(st.integers(1, 20))):
            spoiled[draw(st.integers(0, len(spoiled) - 1))] = draw(st.integers(0, 255))
        path.write_bytes(spoiled)
    elif what == "text":
        path.write_bytes(draw(st.sampled_from((b"", b"PK", b"\x93NUMPY\x01\x00", b"no archive", b"\x80\x04N."))))
    elif what == "arrays":
        with np.load(io.BytesIO(content)) as file:
            arrays = dict(file)
        name = draw(st.sampled_from(sorted(arrays)))
        arrays[name] = draw(st.sampled_from(odd_arrays(arrays[name])))
        np.savez_compressed(path, **{key: each for key, each in arrays.items() if each is not None})
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to(next(parent / SECRET for parent in path.parents if (parent / SECRET).is_file()))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("ids.npy", npy(np.zeros(1, np.uint8), shape=(2**40,)))
    return f"{path.name}: {what}"


def odd_arrays(array: np.ndarray) -> list[np.ndarray | None]:
    rows = np.atleast_1d(array)
    return [
        None, rows[:0], array[..., None], array.astype(object), array.astype(np.str_), np.array(3), np.zeros((0, 0)),
        rows[::-1], rows.repeat(2, axis=0), np.full(array.shape, np.nan), np.full(array.shape, np.inf, np.float16),
        np.full(array.shape, 255, np.uint8), np.full(array.shape, -1, np.int64), np.full(array.shape, "../x"),
        np.array(["\ud800"] * max(1, len(array) if array.ndim else 1)),
        array.astype("datetime64[s]" if array.dtype.kind in "iu" else array.dtype),
    ]  # fmt: skip


def npy(array: np.ndarray, shape: tuple[int, ...]) -> bytes:
    """A file of NumPy that announces another shape than it has."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": array.dtype.str, "fortran_order": False, "shape": shape})
    return content.getvalue() + array.tobytes()


def test_damaged_arrays_end_in_a_result_or_in_one_line(base: Path, material: PreparedData) -> None:
    failures: list[str] = []

    @as_drawn(DAMAGES)
    @given(data=st.data())
    def one(data: st.DataObject) -> None:
        directory = put_back(base)
        found = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.npz"))
        said = damaged(data.draw, directory / data.draw(st.sampled_from(found)))
        with failures_in(failures, said), watched(base):
            if data.draw(st.booleans()):
                report(base, "damaged arrays, report")
            else:
                resume(base, material, "damaged arrays, run --resume")

    one()
    put_back(base)
    assert not failures, failures
