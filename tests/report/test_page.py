"""The page as a whole: what it links to, what it says when something is missing, and that it is swapped in at once."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from bench.analysis.leaderboard import leaderboard
from bench.errors import StoreError
from bench.records import FAILED, Finding
from bench.records.store import load
from bench.report import markdown, tables, write_index, write_report
from tests.report.runs import full_run, run, trial, write_arrays

ROOT = Path(__file__).parents[2]
CLASSES = ("inclusion", "patches", "scratches")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A full report of a run with pictures."""
    base = tmp_path_factory.mktemp("full")
    made = full_run(base / "results/full")
    write_arrays(made)
    return write_report(made, base / "reports/full")


def links(page):
    return [unquote(target) for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))]


def test_every_link_leads_to_a_file_and_every_file_is_linked(report):
    files = {str(path.relative_to(report.parent)) for path in report.parent.rglob("*.*")}
    assert set(links(report)) == files - {"leaderboard.md", "leaderboard.html", "summary.json"}


def test_figures_are_small_enough_to_keep_in_git(report):
    sizes = {path.name: path.stat().st_size for path in (report.parent / "figures").iterdir()}
    assert len(sizes) == 13
    assert max(sizes.values()) < 150_000


def test_sections_stand_in_order(report):
    assert re.findall(r"^## (.*)$", report.read_text(encoding="utf-8"), re.MULTILINE) == [
        "What this rests on",
        "Finals",
        "Best trials",
        "Importance of hyperparameters",
        "Comparison by factor",
        "Tuners",
        "Rungs",
        "Figures",
        "Data",
        "Failures and pruned trials",
        "How to reproduce",
    ]


def test_references_stand_in_the_table_with_the_trials(report):
    page = report.read_text(encoding="utf-8")
    quality = next(block for block in page.split("\n\n") if block.startswith("|   # | Model") and "Dice" in block)
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in quality.splitlines()[2:]]
    assert [line[0] for line in cells] == [*map(str, range(1, 16)), "–", "–", "–"]
    assert [line[1] for line in cells[15:]] == ["predict nothing", "mean training mask", "Otsu threshold"]
    assert cells[15][3] == "0.000"


def test_failures_and_pruned_trials_are_counted_with_their_reasons(report):
    page = report.read_text(encoding="utf-8")
    assert (
        "29 completed, 1 collapsed (nearly no foreground found, or nearly everywhere), 3 were stopped by the budget"
        in page
    )
    assert "ValueError: loss is NaN at step 3" in page
    assert "stopped by hyperband after 2 of 12 epochs at validation IoU 0.060" in page


def test_the_same_run_gives_the_same_bytes_twice(tmp_path):
    made = full_run(tmp_path / "results/full", CLASSES)
    write_arrays(made)
    first, second = (write_report(made, tmp_path / name).parent for name in ("first", "second"))
    for path in first.rglob("*.*"):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path.name


def test_several_classes_have_a_column_each(tmp_path):
    page = write_report(full_run(tmp_path, CLASSES), tmp_path / "report").read_text(encoding="utf-8")
    assert "### IoU by class" in page
    assert re.search(r"\| *inclusion \| *patches \| *scratches \|", page)


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [trial(0, 0.4)],
        [trial(0, None, status=FAILED, error="out of memory")],
        [trial(0, None)],
        [trial(0, 0.0), trial(1, 0.0, train_s=0.0)],
        [trial(n, 0.2 + n / 20, hyperparameters={"architecture": "unet"}) for n in range(4)],
        [trial(0, 0.3, hyperparameters={}, epochs=1, num_params=None, train_s=None, latency_s=None)],
    ],
    ids=["none", "one", "all failed", "no score", "all zero", "one architecture", "hardly any facts"],
)
def test_a_page_is_made_of_whatever_there_is(trials, tmp_path):
    page = write_report(run(tmp_path, trials=trials, tuners=["random"]), tmp_path / "report")
    assert all((page.parent / link).is_file() for link in links(page))
    text = page.read_text(encoding="utf-8")
    assert "nan" not in text.lower().replace("not scored", "")
    for heading, rest in re.findall(r"^(###? .*)\n\n(.*)$", text, re.MULTILINE):
        assert rest.strip(), f"nothing stands under {heading}"
    assert "*No figure: the run kept no validation pictures.*" in text


def test_names_and_errors_cannot_break_the_page(tmp_path):
    hostile = "a | b\n# not a heading <script> `code` *bold* [x](y) __init__ Größe 画像 $5"
    chosen = {"architecture": "net|work", "loss": "größe", "learning_rate": 1e-3}
    trials = [
        trial(0, None, status=FAILED, error=hostile * 40, hyperparameters=chosen),
        trial(1, 0.3, hyperparameters=chosen),
        trial(2, 0.4, hyperparameters=chosen | {"loss": "画像"}),
    ]
    made = run(
        tmp_path, trials=trials, name="run | one", classes=("rost|stelle", "画像"),
        findings=[Finding(kind="unreadable", message=hostile, files=("a|b.jpg",))], excluded={"x|y.jpg": hostile},
    )  # fmt: skip
    made = made.__class__(
        **{name: getattr(made, name) for name in made.__slots__ if name != "experiment"},
        experiment={"note": "``` a fence\nin the middle"},
    )
    page = write_report(made, tmp_path / "report").read_text(encoding="utf-8")
    assert page.startswith("# run \\| one\n")
    assert "<script>" not in page.replace("\\<script\\>", "")
    assert "\n# not a heading" not in page
    assert "````yaml" in page
    for block in page.split("\n\n"):
        if block.startswith("|"):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(widths) == 1, block
    assert max(map(len, page.splitlines())) < 600


def test_whole_errors_are_in_the_table_at_full_length(tmp_path):
    error = "x" * 5000
    page = write_report(run(tmp_path, trials=[trial(0, None, status=FAILED, error=error)]), tmp_path / "report")
    with (page.parent / "tables/unfinished.csv").open(encoding="utf-8") as file:
        assert next(csv.DictReader(file))["error"] == error


def test_csv_keeps_full_precision_whole_numbers_and_missing_values(tmp_path):
    made = run(tmp_path, trials=[trial(0, 1 / 3, num_params=None), trial(1, 0.2, num_params=7)])
    page = write_report(made, tmp_path / "report")
    with (page.parent / "tables/trials.csv").open(encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert float(first["val_iou"]) == 1 / 3
    assert (first["num_params"], second["num_params"], second["rank"]) == ("", "7", "2")


def test_errors_that_repeat_are_counted():
    ends = ["loss is NaN", "out of memory", "Traceback (most recent call last):\n  ...\nloss is NaN", None]
    made = run(trials=[trial(number, None, status=FAILED, error=error) for number, error in enumerate(ends)])
    rows = leaderboard(made)
    assert tables.repeated_errors(rows) == [("loss is NaN", 2)]
    assert tables.why_unfinished(rows[3]) == "no reason was recorded"


def test_the_test_table_shows_optimism_and_interval(report):
    page = report.read_text(encoding="utf-8").split("### On the locked test set")[1].split("###")[0]
    best = next(line for line in page.splitlines() if line.startswith("|   1 |"))
    assert re.search(r"\| 0\.\d{3} to 0\.\d{3} +\| +\+0\.\d{3} \|", best)
    assert "mean training mask" in page


def test_tuner_bookkeeping_is_no_configuration():
    rows = leaderboard(run(trials=[trial(0, 0.3, hyperparameters={"tuner/epochs": 4, "loss": "bce"}, epochs=4)]))
    assert "tuner/epochs" not in tables.trial_records(rows)[0]
    assert "4/4" in tables.configurations(rows)


def test_markup_is_escaped_and_plain_words_are_left_alone():
    assert markdown.text("bce_dice 3 < 4 | `x`\n*y* __init__") == r"bce_dice 3 \< 4 \| \`x\` \*y\* \_\_init\_\_"
    assert markdown.text("[x](y) [8, 96]") == r"[x]\(y) [8, 96]"


def test_a_report_is_replaced_as_a_whole(tmp_path):
    made = run(tmp_path, trials=[trial(0, 0.4)])
    page = write_report(made, tmp_path / "report")
    (page.parent / "figures/old.png").write_bytes(b"")
    write_report(made, tmp_path / "report")
    assert not (page.parent / "figures/old.png").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_crash_leaves_the_earlier_report(tmp_path, monkeypatch):
    page = write_report(run(tmp_path, trials=[trial(0, 0.4)]), tmp_path / "report")
    before = page.read_bytes()
    monkeypatch.setattr(tables, "quality", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(run(tmp_path, trials=[trial(0, 0.9)]), tmp_path / "report")
    assert page.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match=r"holds no report \(no leaderboard.md\)"):
        write_report(run(tmp_path), tmp_path)
    assert (tmp_path / "thesis.txt").is_file()


def test_an_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*/file/report: Not a directory"):
        write_report(run(tmp_path), tmp_path / "file/report")


def test_the_index_lists_reports_newest_first_with_their_verdicts(tmp_path):
    assert "There is no report yet." in write_index(tmp_path).read_text(encoding="utf-8")
    for name in ("first", "second one"):
        write_report(run(tmp_path, name=name), tmp_path / name)
    summary = tmp_path / "second one/summary.json"
    later = json.loads(summary.read_text(encoding="utf-8")) | {"started_at": "2026-01-01T00:00:00+00:00"}
    summary.write_text(json.dumps(later), encoding="utf-8")
    page = write_index(tmp_path)
    assert links(page) == ["second one/leaderboard.md", "first/leaderboard.md"]
    assert page.read_text(encoding="utf-8").count("No trial has ended: there is nothing to rank.") == 2


def test_neither_importing_nor_writing_a_report_loads_tensorflow_or_the_search_spaces(tmp_path):
    code = f"""
import sys
from pathlib import Path
import bench.report
heavy = {{"pandas", "matplotlib", "seaborn", "tabulate"}} & sys.modules.keys()
assert not heavy, heavy
from tests.report.runs import full_run, write_arrays
made = full_run(Path({str(tmp_path)!r}) / "run")
write_arrays(made)
bench.report.write_report(made, Path({str(tmp_path)!r}) / "report")
bench.report.write_index(Path({str(tmp_path)!r}))
loaded = {{"tensorflow", "keras", "keras_tuner", "search_spaces", "bench.engine"}} & sys.modules.keys()
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_reference_report_is_what_its_records_say(tmp_path):
    page = write_report(load(ROOT / "results/reference"), tmp_path / "reference")
    kept = ROOT / "reports/reference"
    assert page.read_text(encoding="utf-8") == (kept / "leaderboard.md").read_text(encoding="utf-8")
    for path in (kept / "tables").iterdir():
        assert (tmp_path / "reference/tables" / path.name).read_bytes() == path.read_bytes()
