"""Records of a run that a stranger wrote: `report` and `run --resume` end in a result or in one line that names the file."""

import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench.cli.running
import search_spaces.segmentation  # noqa: F401
from bench import run as runner
from bench.records.durable import read_lines
from bench.run.setup import Material
from bench.run.stages import delivery as delivery_stage
from tests.delivery.stand_in import stand_in_deliver
from tests.engine.stand_in import StandInExecutor
from tests.hostile.mutations import SECRET, TALLY, as_drawn, changed, command_ends, examples, failures_in, watched
from tests.killed import Killer, drawn_material, experiment, run_with

pytestmark = pytest.mark.slow

MUTATIONS = examples(1000, 40)
DAMAGES = examples(100, 20)

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 7, 10**6, 2**53, 10**15, 10**400, -(10**9), 0.5, -0.5, 1e308, -1e308, 1e-300, float("nan"), float("inf"),
    float("-inf"), "", "a", "1", "COMPLETED", "FAILED", "x" * 100_000, "\ud800", "\0", "\n", "\x1b[2J", "\u202e", "<script>alert(1)</script>",
    f"../../{SECRET}", f"/tmp/../{SECRET}", "../../../../../../etc/passwd", "/etc/passwd", f"![x](../{SECRET})", [], {}, [[]], [None], [1, 2],
    {"x": {}}, {"a": None}, "2026-13-45", "9999-12-31T23:59:59", "0001-01-01T00:00:00+00:00", "images/0.png", "0.png",
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
LINES = ("trials.jsonl", "proposals.jsonl", "evaluations.jsonl", "trainings.jsonl")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return drawn_material(tmp_path_factory.mktemp("data"))


def executor(material: Material) -> Callable[..., StandInExecutor]:
    split = material.split
    return lambda *_: StandInExecutor(val_ids=split.val, folds=split.folds, test_ids=split.test, size=32)


@pytest.fixture(scope="module")
def base(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `results/killed`, a whole run; a secret lies beside it."""
    outer = tmp_path_factory.mktemp("stranger")
    (outer / SECRET).write_bytes(b"secret")
    root = outer / "root"
    run_with(executor(material), root, experiment("random"), material, Killer(), os.open(os.devnull, os.O_WRONLY))
    shutil.copytree(root / "results" / "killed", root / "kept")
    (root / "tmp").mkdir()
    with mock.patch.object(tempfile, "tempdir", str(root / "tmp")):
        yield root


def put_back(base: Path) -> Path:
    directory = base / "results" / "killed"
    shutil.rmtree(directory)
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
    name = draw(st.sampled_from((*SINGLE, *LINES, *LINES)))
    path = directory / name
    if name in SINGLE:
        path.write_bytes(dump(changed(draw, json.loads(path.read_bytes()), ODD, most=2)))
    else:
        lines = [content for _, content in read_lines(path)]
        number = draw(st.integers(0, len(lines) - 1))
        write_line(path, number, changed(draw, lines[number], ODD, most=2))
    return name


def report(base: Path, kind: str) -> str:
    return command_ends(kind, "report", "killed", "--results", base / "results", "--reports", base / "reports")


def resume(base: Path, material: Material, kind: str) -> str:
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


def test_the_run_as_it_was_made_ends_in_a_report_and_can_be_resumed(base: Path, material: Material) -> None:
    put_back(base)
    with watched(base):
        assert report(base, "records as they were made") == "result"
        assert resume(base, material, "records as they were made") == "result"


def test_a_mutated_record_ends_in_a_report_or_in_one_line(base: Path, material: Material) -> None:
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
