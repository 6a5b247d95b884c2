"""The page as a whole: what it links to, what it says when something is missing, and that it is swapped in at once."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from bench.analysis.failures import repeated_errors, why_unfinished
from bench.analysis.leaderboard import leaderboard
from bench.analysis.run_analysis import Analysis
from bench.errors import StoreError
from bench.records import FAILED
from bench.report import page as page_module
from bench.report import write_index, write_report
from bench.report.blocks import Data, Heading, walk
from bench.report.page import compose
from bench.report.render import markdown
from bench.report.sections.best_trials import trial_records
from tests.report.made_finals import with_finals
from tests.report.reading import cells, said, table
from tests.report.runs import full_run, run, trial, write_arrays

ROOT = Path(__file__).parents[2]
CLASSES = ("inclusion", "patches", "scratches")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A full report of a run with pictures."""
    base = tmp_path_factory.mktemp("full")
    made = with_finals(full_run(base / "results/full"))
    write_arrays(made)
    return write_report(made, base / "reports/full")


def links(page):
    return [unquote(target) for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))]


def test_every_link_of_the_short_page_leads_to_a_file_and_every_figure_is_linked(report):
    files = {str(path.relative_to(report.parent)) for path in report.parent.rglob("*.*")}
    assert set(links(report)) - {"tables/"} <= files
    assert {name for name in files if name.startswith("figures/")} == {"figures/ranking.png", "figures/predictions.jpg"}
    assert {name for name in files if name.startswith("figures/")} <= set(links(report))
    assert max(path.stat().st_size for path in (report.parent / "figures").iterdir()) < 150_000


def test_the_short_page_is_short_and_has_its_sections_in_order(report):
    text = report.read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Next steps", "Ranking", "Predictions", "Everything else"]
    assert len(text) < 8000


def test_sections_stand_in_order(run):
    blocks = compose(Analysis(run)).blocks
    assert [block.text for block in blocks if isinstance(block, Heading) and block.level == 2] == [
        "Ranking", "Comparison by factor", "Details",
    ]  # fmt: skip
    folded = [block.anchor for block in walk(blocks) if getattr(block, "finding", None)]
    assert [anchor for anchor in folded if anchor] == ["certainty", "metrics", "search", "data", "failures", "setup"]


def test_a_section_without_content_is_not_there():
    """A run without a search: candidates came from the portfolio."""
    alone = with_finals(run())
    text = said(compose(Analysis(alone)).blocks)
    for absent in ("The search:", "Failures:", "An effect is what"):
        assert absent not in text
    assert "IoU of the candidates that share a value, cross-validated" in text
    assert [record["label"] for record in table(compose(Analysis(alone)).blocks, "Loss").records] == [
        "Dice",
        "BCE + Dice",
        "BCE",
    ]
    assert "How sure is this?" in text
    assert "Use U-Net with ResNet-18, Dice loss." in text


def test_baselines_stand_in_the_table_with_the_candidates(run):
    ranked = table(compose(Analysis(run)).blocks, "Ranking of the candidates and baselines")
    assert [cells(ranked, label)[0] for label in ("predict nothing", "mean training mask", "Otsu threshold")] == [
        "–"
    ] * 3
    assert cells(ranked, "predict nothing")[3] == "0.00 (0.00 to 0.00)"
    assert len(ranked.records) == 7


def test_failures_and_pruned_trials_are_counted_with_their_reasons(run):
    text = said(compose(Analysis(run)).blocks)
    assert (
        "1 collapsed (found nearly no foreground, or found it nearly everywhere), 3 stopped" not in text
    )  # failed ones first
    assert "Of 36 trials, 3 failed, 1 collapsed (found nearly no foreground" in text
    reasons = table(compose(Analysis(run)).blocks, "Trials that did not complete with a score").records
    assert {
        "ValueError: loss is NaN at step 3",
        "stopped by hyperband after 2 of 12 epochs at validation IoU 0.060",
    } <= {each["reason"] for each in reasons}


def test_the_setup_names_the_weights_that_encoders_began_with_and_says_if_they_changed():
    pretrained = {"architecture": "unet", "backbone": "mobilenet", "encoder_weights": "imagenet"}
    sums = ["a" * 64, "b" * 64, "a" * 64, None]
    trials = [trial(n, 0.5, hyperparameters=pretrained, encoder_sha256=each) for n, each in enumerate(sums)]
    text = said(compose(Analysis(run(trials=trials))).blocks)
    assert f"Encoders began with: mobilenet imagenet (SHA-256 {'a' * 16}, {'b' * 16})" in text
    assert "Encoders began with" not in said(compose(Analysis(run(trials=trials[3:]))).blocks)


def test_the_same_run_gives_the_same_bytes_twice(tmp_path):
    made = full_run(tmp_path / "results/full", CLASSES)
    write_arrays(made)
    first, second = (write_report(made, tmp_path / name).parent for name in ("first", "second"))
    for path in first.rglob("*.*"):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path.name


def test_several_classes_have_a_column_each_with_intervals(tmp_path):
    blocks = compose(Analysis(with_finals(full_run(tmp_path, CLASSES)))).blocks
    shown = table(blocks, "IoU by class")
    assert [column.title for column in shown.columns] == ["Model", *CLASSES]
    assert re.fullmatch(r"0\.\d+ \(0\.\d+ to 0\.\d+\)", str(shown.records[0][f"iou_{CLASSES[0]}"]))


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
    assert all((page.parent / link).exists() for link in links(page))
    text = page.read_text(encoding="utf-8")
    html = page.with_name("leaderboard.html").read_text(encoding="utf-8")
    assert not re.search(r"\bnan\b|\bNone\b", text)
    assert not re.search(r">\s*(nan|None)\b", html)


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
    assert repeated_errors(rows) == [("loss is NaN", 2)]
    assert why_unfinished(rows[3]) == "no reason was recorded"


def test_tuner_bookkeeping_is_no_configuration():
    rows = leaderboard(run(trials=[trial(0, 0.3, hyperparameters={"tuner/epochs": 4, "loss": "bce"}, epochs=4)]))
    assert "tuner/epochs" not in trial_records(rows)[0]


def test_markup_is_escaped_and_plain_words_are_left_alone():
    assert markdown.text("bce_dice 3 < 4 | `x`\n*y* __init__") == r"bce_dice 3 \< 4 \| \`x\` \*y\* \_\_init\_\_"
    assert markdown.text("[x](y) [8, 96]") == r"[x]\(y) [8, 96]"
    assert markdown.code("a `` b") == "``` a `` b ```"


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
    monkeypatch.setattr(page_module, "verdict", lambda _: 1 / 0)
    with pytest.raises(StoreError, match="ZeroDivisionError"):
        write_report(run(tmp_path, trials=[trial(0, 0.9)]), tmp_path / "report")
    assert page.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report", "report.traceback.txt"]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match=r"holds no report \(no leaderboard.md\)"):
        write_report(run(tmp_path), tmp_path)
    assert (tmp_path / "thesis.txt").is_file()


def test_an_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*/file/report: Not a directory"):
        write_report(run(tmp_path), tmp_path / "file/report")


def test_nothing_of_a_strangers_summary_is_alive_in_the_index(tmp_path):
    (tmp_path / "theirs").mkdir()
    summary = {"name": "<b>a</b>", "started_at": "![x](/a)", "verdict": "<script>alert(1)</script> [b](/c)"}
    (tmp_path / "theirs" / "summary.json").write_text(json.dumps(summary))
    said = write_index(tmp_path).read_text(encoding="utf-8").replace("](theirs/leaderboard.md)", "")
    assert "](" not in said
    assert not re.search(r"(?<!\\)<", said)


def test_the_index_lists_reports_newest_first_with_their_verdicts(tmp_path):
    assert "There is no report yet." in write_index(tmp_path).read_text(encoding="utf-8")
    for name in ("first", "second one"):
        write_report(run(tmp_path, name=name), tmp_path / name)
    summary = tmp_path / "second one/summary.json"
    later = json.loads(summary.read_text(encoding="utf-8")) | {"started_at": "2026-01-01T00:00:00+00:00"}
    summary.write_text(json.dumps(later), encoding="utf-8")
    page = write_index(tmp_path)
    assert links(page) == ["second one/leaderboard.md", "first/leaderboard.md"]
    assert page.read_text(encoding="utf-8").count("No trial has ended.") == 2


def test_neither_importing_nor_writing_a_report_loads_tensorflow_or_the_engine(tmp_path):
    code = f"""
import sys
from pathlib import Path
import bench.report
heavy = {{"pandas", "matplotlib", "seaborn", "tabulate", "jinja2"}} & sys.modules.keys()
assert not heavy, heavy
from tests.report.runs import full_run, write_arrays
made = full_run(Path({str(tmp_path)!r}) / "run")
write_arrays(made)
bench.report.write_report(made, Path({str(tmp_path)!r}) / "report")
bench.report.write_index(Path({str(tmp_path)!r}))
slow = {{"tensorflow", "keras", "keras_tuner", "albumentations", "segmentation_models", "bench.engine"}}
assert not slow & sys.modules.keys(), slow & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_download_is_a_file_of_the_report(report):
    html = report.with_name("leaderboard.html").read_text(encoding="utf-8")
    names = re.findall(r'download="([^"]+)"', html)
    assert sorted(names) == sorted(path.name for path in (report.parent / "tables").iterdir())
    assert "finals.csv" in names
    assert "trials.csv" in names


def test_the_page_of_a_large_search_stays_small(tmp_path):
    many = [trial(number, 0.1 + number / 10_000) for number in range(2000)]
    blocks = compose(Analysis(run(tmp_path, trials=many))).blocks
    assert (
        max(
            len(block.records)
            for block in walk(blocks)
            if getattr(block, "columns", None) and not isinstance(block, Data)
        )
        < 60
    )


def test_the_reference_page_is_at_most_a_megabyte():
    assert (ROOT / "reports/reference/leaderboard.html").stat().st_size <= 1_000_000
