"""`report --check`: a single edited digit is found, in the page, in a table and in the records."""

import base64
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench import formats
from bench.errors import StoreError
from bench.records.store import load
from bench.report.check import differences

ROOT = Path(__file__).parents[2]
RECORDS, REPORT = ROOT / "results" / "reference", ROOT / "reports" / "reference"


@pytest.fixture
def report(tmp_path) -> Path:
    return Path(shutil.copytree(REPORT, tmp_path / "reference"))


@pytest.fixture(scope="module")
def run():
    return load(RECORDS)


def found(run, report) -> list[str]:
    return list(differences([run], report))


def test_the_reference_report_is_what_its_records_say(run, report):
    assert found(run, report) == []


def test_a_digit_that_was_edited_in_a_table_is_found_in_each_of_them(run, report):
    edited = []
    for path in sorted(report.glob("tables/*.csv")):
        text = path.read_text()
        digits = [match.start() for match in re.finditer(r"(?<=[.,])\d", text)] or [len(text) - 2]
        place = digits[len(digits) // 2]
        path.write_text(text[:place] + ("7" if text[place] != "7" else "3") + text[place + 1 :])
        edited.append(f"{path}:{text[:place].count(chr(10)) + 1} says ")
    lines = found(run, report)
    assert len(lines) == len(edited) >= 4
    assert all(line.startswith(place) for line, place in zip(lines, edited, strict=True))


def test_every_number_of_the_page_is_guarded(run, report):
    path = report / "leaderboard.md"
    text = path.read_text()
    places = [match.start() for match in re.finditer(r"\d(?=\d\d\b)", text)]
    for place in places[:: max(1, len(places) // 5)]:
        path.write_text(text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :])
        assert len(found(run, report)) == 1


def test_the_page_for_browsers_is_guarded_but_not_its_pictures(run, report):
    path = report / "leaderboard.html"
    text = path.read_text()
    repainted = text.replace("data:image/webp;base64,U", "data:image/webp;base64,V")
    redrawn = re.sub(r'(<svg[^>]* class="plot".*?)d="M ', r'\1d="M 1', repainted, count=1)
    assert len({text, repainted, redrawn}) == 3
    path.write_text(redrawn)
    assert found(run, report) == []
    edited = re.sub(r">0\.(\d)\d \(", lambda cell: f">1.{cell[1]}0 (", text, count=1)
    assert edited != text
    path.write_text(edited)
    assert len(found(run, report)) == 1
    path.unlink()
    assert found(run, report) == [f"{path}: is missing"]


def test_a_drawn_cell_and_a_score_of_the_viewer_are_guarded(run, report):
    path = report / "leaderboard.html"
    text = path.read_text()
    for pattern, other in ((r'class="point" cx="(\d)', r'class="point" cx="9\1'), (r'"iou":\[0\.', '"iou":[1.')):
        edited = re.sub(pattern, other, text, count=1)
        assert edited != text
        path.write_text(edited)
        assert len(found(run, report)) == 1


def test_a_digit_of_a_table_inside_the_page_is_found_and_its_last_digits_are_not(run, report):
    path = report / "leaderboard.html"
    text = path.read_text()
    place = re.search(r'base64,([^"]*)" download="finals.csv"', text)
    content = base64.b64decode(place[1]).decode()
    for factor, lines in ((1 + 4e-16, 0), (1 + 1e-6, 1)):
        other = re.sub(r"\d\.\d{10,}", lambda number: repr(float(number[0]) * factor), content, count=1)  # noqa: B023
        path.write_text(text.replace(place[1], base64.b64encode(other.encode()).decode()))
        assert len(found(run, report)) == lines


def test_a_file_more_or_less_is_found(run, report):
    (report / "tables" / "trials.csv").rename(report / "tables" / "other.csv")
    assert [line.rsplit(": ", 1)[1] for line in found(run, report)] == ["does not belong to the report", "is missing"]


def test_a_metric_that_its_counts_deny_is_found(run, report):
    scored = {(each.study_id, each.trial_id) for each in run.evaluations if each.split == "val"}
    trials = list(run.trials)
    place = next(n for n, trial in enumerate(trials) if (trial.study_id, trial.trial_id) in scored)
    metrics = dict(trials[place].val_metrics)
    trials[place] = replace(trials[place], val_metrics=metrics | {"iou": metrics["iou"] + 1e-9})
    assert "its recorded metrics are not those of its counts" in found(replace(run, trials=tuple(trials)), report)[0]


def test_the_last_digits_of_another_processor_are_no_difference(run, report):
    for name in ("finals.csv", "trials.csv"):
        path = report / "tables" / name
        text = re.sub(r"\d\.\d{10,}", lambda number: repr(float(number[0]) * (1 + 4e-16)), path.read_text())
        assert text != path.read_text()
        path.write_text(text)
    assert found(run, report) == []


def test_a_difference_beyond_the_tolerance_is_found(run, report):
    path = report / "tables" / "finals.csv"
    text = re.sub(r"\d\.\d{10,}", lambda number: repr(float(number[0]) * (1 + 1e-8)), path.read_text(), count=1)
    path.write_text(text)
    assert len(found(run, report)) == 1


def test_a_metric_that_an_old_run_does_not_have_is_not_asked_for(run, report):
    trials = tuple(
        replace(trial, val_metrics={name: value for name, value in trial.val_metrics.items() if name != "recall"})
        for trial in run.trials
    )
    assert not [line for line in found(replace(run, trials=trials), report) if "not those of its counts" in line]


@pytest.mark.parametrize("value", [0.1235, 0.5, 0.0005, 1234.5])
def test_values_that_differ_in_the_last_digit_are_printed_alike(value):
    near = [value, math.nextafter(value, 0), math.nextafter(value, 2 * value)]
    assert len({formats.fraction(each) for each in near}) == len({formats.percent(each) for each in near}) == 1


def test_no_report_is_said(run, tmp_path):
    with pytest.raises(StoreError, match=r"no report in .*; write one with: python -m bench report reference"):
        found(run, tmp_path)


def test_a_report_that_is_no_text_or_would_take_an_expression_for_ever_is_different_and_nothing_else(run, report):
    (report / "leaderboard.md").write_bytes(b"\xff\xfe\x00" * 100)
    (report / "leaderboard.html").write_text("<svg" * 100_000, encoding="utf-8")
    (report / "summary.json").write_bytes(b"\xff")
    named = {Path(re.split("[: ]", line)[0]).name for line in found(run, report)}
    assert named == {"leaderboard.md", "leaderboard.html", "summary.json"}
