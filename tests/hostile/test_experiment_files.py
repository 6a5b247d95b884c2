"""YAML files and command lines that nobody would write: each ends in a run, an audit, or in one line."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import bench
import bench.cli.running
from bench.experiments import PRESETS, load_experiment, override, to_json
from search_spaces import PRESETS as SPACES
from tests.datasets.drawings import coco_content, picture, save, write_json
from tests.hostile.mutations import SECRET, TALLY, as_drawn, changed, command_ends, examples, failures_in, watched

FILES = examples(300, 25)
LINES = examples(250, 40)

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 3, 2**31, 2**53, 10**6, 10**9, 10**15, 10**400, -(10**400), 0.5, -0.5, 1e-300, 1e308,
    float("inf"), float("-inf"), float("nan"), "", " ", "a", "1", "no", "sample", "x" * 100_000, "\ud800", "\0", "\n",
    "\x1b[2J", "\u202e", "10m", "9" * 400 + "h", "1s" + " " * 5000 + "x", "0s", "-1s", "README.md", "a" * 100,
    "\u6f22" * 100, "../up", "/", ".", "..", f"../{SECRET}", "/etc/passwd", "~nobody-at-all/x", "*" * 40, "**/" * 100,
    "a*b*c*d*e*f*g*h*i*j*k*l", "[", "![x](y)", "ray://" + "a" * 1000 + ":1", "local", "auto", "host:99999", [], {},
    [[]], [None], [1, 1], list(range(2000)), {"x": {}}, {"min": 1, "max": 2},
    {"min": float("-inf"), "max": float("inf")}, {1: 2}, {None: None}, {True: "a"}, [1e-3, float("inf")],
    {"a": "train"}, "2001-01-01",
]  # fmt: skip


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


TEXTS = [
    "", "#", "- a", "a", "3", "[]", "{}", "null", "---\n---\n", "a: 1\na: 2", "a: [", "a: ]", "\t", "a: \tb: c",
    "%YAML 9.9\n---\na: 1", "!!python/object/apply:os.system ['true']", "name: !!python/name:os.system",
    "name: !!binary |\n  aaaa", "name: !!set {a, b}", "name: !!timestamp 2001-02-30", "name: !!int x", "? [a, b]\n: c",
    "? {a: b}\n: c", bomb(3), bomb(9), bomb(30), "a: &a [*a]", "a: &a {b: *a}", "a: *nowhere", "<<: {name: x}",
    "<<: [1, 2]", "<<: &x {<<: *x}", "a: " + "[" * 5000, "a: " + "[" * 5000 + "]" * 5000, "a: " + "{b: " * 5000,
    "- " * 5000, "name: " + "9" * 5000, "trials: 0x" + "f" * 5000, "trials: 0b" + "1" * 5000,
    "trials: 1:59:59:59:59:59", "trials: .inf", "trials: 1e400", "budget: .nan", "name: \"\\ud800\"", "name: \"\\0\"",
    "\ufeffname: x", "a: " + "x" * 130_000, "\n".join(f"k{n}: {n}" for n in range(20_000)), "name: x\x00",
    "name: x\x1b", "space: {learning_rate: [.inf]}", "space: {weight_decay: [1.0e+400]}", "space: ../../../etc/passwd",
    "space: /dev/zero", "space: {architecture: [plain_unet], image_size: [2147483648]}", "a: |\n" + "  x\n" * 100_000,
    *(f"{where}: {what}" for where in ("name", "trials") for what in (
        "!!bool maybe", "!!timestamp x", '!!int ""', "!!int '-'", '!!float ""', "!!float _", "!!null x", "!!omap [a]",
        "!!pairs [a]", "!!merge x", "=", "!x y", "!<tag:yaml.org,2002:bool> zz",
        "!!timestamp 9999-12-31 23:59:59 -23:59", "!!timestamp 0001-01-01 00:00:00 +23:59", "!!binary \u00e9",
    )),
    "2001-01-01: x", "!!bool maybe: x", "[]: x", "? !!timestamp x\n: y", "data: {path: data, classes: {a: !!bool x}}",
    "seeds: [!!int '']", "*a : &a x", "a: !!set {b, b}", "name: \u0663", "trials: \u0663", "budget: \u0663m",
    "budget: " + "1h" * 19, "seeds: " + "[" + "1, " * 1001 + "2]", "\x85name: x", "name: a\u2028b", "name: a\x7fb",
]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a small data set, a secret beside it, and a stand-in for what a run does."""
    (tmp_path / SECRET).write_bytes(b"secret")
    root = tmp_path / "root"
    for name in "ab":
        save(root / "data" / f"{name}.png", picture())
    write_json(root / "data" / "a.json", coco_content({"category_id": 7, "segmentation": [[3, 2, 7, 2, 7, 6]]}))
    stub = SimpleNamespace(
        run_experiment=lambda experiment, **_: Path("reports") / experiment.name,
        __path__=[str(Path(bench.__path__[0]) / "run")],
        __spec__=None,
    )
    monkeypatch.setitem(sys.modules, "bench.run", stub)
    monkeypatch.setattr(bench.cli.running, "_require_tensorflow", lambda: None)
    monkeypatch.setattr(bench.cli.running, "say_ending", lambda *_: None)
    monkeypatch.setattr(bench.cli.running, "_require_model", lambda *_: None)
    monkeypatch.chdir(root)
    return root


def whole() -> dict[str, Any]:
    content = yaml.safe_load(PRESETS["default"].read_text(encoding="utf-8"))
    space = yaml.safe_load(SPACES["default"].read_text(encoding="utf-8"))
    return content | {"space": space, "data": content["data"] | {"path": "data", "classes": {"dent": 1}, "ignore": [3]}}


def try_it(file: Path, kind: str, *, audits: bool) -> None:
    words = ("data", "audit", file) if audits else ("run", file)
    with watched(file.parent):
        command_ends(kind, *words, limit_s=10)


def test_a_mutated_experiment_file_ends_in_a_result_or_in_one_line(root: Path) -> None:
    failures: list[str] = []
    base = whole()

    @as_drawn(FILES)
    @given(data=st.data())
    def one(data: st.DataObject) -> None:
        content = changed(data.draw, base, ODD, most=2)
        text = yaml.safe_dump(content)
        (root / "my.yaml").write_text(text, encoding="utf-8")
        with failures_in(failures, text[-200:]):
            try_it(root / "my.yaml", "mutated experiment files", audits=data.draw(st.booleans()))

    one()
    assert not failures, failures
    assert TALLY["mutated experiment files"].total() >= 0.9 * FILES


def test_a_text_that_is_no_experiment_ends_in_one_line(root: Path) -> None:
    failures: list[str] = []
    for text in TEXTS:
        (root / "my.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
        with failures_in(failures, text[:60]):
            try_it(root / "my.yaml", "texts that are no experiment", audits=False)
    for content in (b"\xff\xfe\x00a", b"\x80", bytes(range(256))):
        (root / "my.yaml").write_bytes(content)
        with failures_in(failures, ascii(content)[:60]):
            try_it(root / "my.yaml", "texts that are no experiment", audits=False)
    assert not failures, failures


VALUES = [str(value) for value in ODD if isinstance(value, str | int | float)]
OPTIONS = (
    "--data", "--tuner", "--trials", "--budget", "--seed", "--name", "--workers", "--cluster", "--results", "--reports",
    "--resume", "--skip-unreadable", "--learning-curve", "--wrong", "--", "-", "--run", "--as", "--to", "--for", "-o",
    "--format", "--polygons", "--force", "--dry-run", "--json", "--quiet", "--check",
)  # fmt: skip
COMMANDS = (
    ("run",),
    ("report",),
    ("data", "audit"),
    ("list",),
    ("predict",),
    ("export",),
    ("verify",),
    ("data", "convert"),
    ("data", "show"),
    ("data", "split"),
    ("init",),
    ("score",),
    ("export-records",),
)


def test_a_made_up_command_line_ends_in_a_result_or_in_one_line(root: Path) -> None:
    failures: list[str] = []

    @as_drawn(LINES)
    @given(data=st.data())
    def one(data: st.DataObject) -> None:
        words = list(data.draw(st.sampled_from(COMMANDS)))
        for _ in range(data.draw(st.integers(0, 3))):
            words.append(data.draw(st.sampled_from(OPTIONS)))
            words.append(data.draw(st.sampled_from(VALUES)))
        if data.draw(st.booleans()):
            words.append(data.draw(st.sampled_from(VALUES)))
        words = [word.replace("\0", "0").encode("utf-8", "replace").decode()[:100_000] for word in words]
        if any("root" not in word and word.startswith("/") for word in words):  # a writable `/` is the user's own wish
            return
        with failures_in(failures, " ".join(words)[:200]), watched(root.parent):
            command_ends("command lines", *words, limit_s=20)

    one()
    assert not failures, failures
    assert TALLY["command lines"].total() >= 0.7 * LINES


@pytest.mark.parametrize("cluster", ["evil.example:6379", "ray://evil.example:10001"])
def test_a_cluster_is_joined_by_its_address_only_where_the_command_line_says_it(cluster: str, root: Path) -> None:
    for name, content in (
        ("my.yaml", yaml.safe_dump(whole() | {"cluster": cluster})),
        ("local.yaml", yaml.safe_dump(whole() | {"cluster": "local"})),
    ):
        (root / name).write_text(content, encoding="utf-8")
    stored = root / "results" / "theirs" / "experiment.json"
    stored.parent.mkdir(parents=True)
    stored.write_text(
        json.dumps(to_json(override(load_experiment(str(root / "my.yaml")), name="theirs"))), encoding="utf-8"
    )
    for words in (("run", root / "my.yaml"), ("run", "--resume", "--name", "theirs")):
        assert command_ends("clusters in files", *words) == "one line"
        assert command_ends("clusters in files", *words, "--cluster", cluster) == "result"
        assert command_ends("clusters in files", *words, "--cluster", "none") == "result"
    assert command_ends("clusters in files", "run", root / "local.yaml") == "result"


def test_no_word_of_a_command_line_is_too_odd_for_its_place(root: Path) -> None:
    (root / "mine.yaml").write_text('space: "~nobody-at-all/x.yaml"\ntrials: 1\n', encoding="utf-8")
    home, long, surrogate = "~nobody-at-all/x", "x" * 5000, "\ud800"
    odd = (home, long, "mine.yaml")
    readers, writers = (("data", "audit"), ("report",), ("verify",), ("init",)), (("data", "convert"), ("data", "show"))
    failures: list[str] = []
    for words in (
        *(("run", word) for word in (home, f"{home}.yaml", "mine.yaml", f"{long}.yaml", "a\0b", surrogate)),
        *((*command, word) for word in odd for command in readers),
        *((*command, word, "-o", "out") for word in odd for command in writers),
        *(("predict", "mine.yaml", "mine.yaml", "-o", word) for word in (long, "mine.yaml")),
        *(("export-records", word, "--to", "csv", "-o", "out") for word in (home, long, surrogate)),
        *(("score", word, "--run", word, "--as", "a tool") for word in (home, long, surrogate)),
        ("data", "split", "data", "--run", surrogate, "-o", "out"), ("report", "--results", "mine.yaml"),
        ("report", "..", "--results", "."), ("run", "--name", surrogate),
    ):  # fmt: skip
        with failures_in(failures, ascii(words)[:200]), watched(root.parent):
            command_ends("words of command lines", *words, limit_s=20)
    assert not failures, failures
