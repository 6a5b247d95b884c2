"""Several classes on a page: a row of IoUs for each model, and what pixels were taken for."""

from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest

from bench.analysis.final_evaluation import Finals
from bench.analysis.run_analysis import Analysis
from bench.formats import MISSING
from bench.records import Run
from bench.report.blocks import Block, Data, Paragraph, Shade, Table
from bench.report.sections.classes import classes
from tests.report.made_finals import FOLDS, SEEDS, with_finals
from tests.report.runs import full_run

Kind = TypeVar("Kind")

NAMES = ("dent", "scratch")
CONFUSION = ((80, 15, 5), (3, 6, 1), (0, 0, 0))
"""Pixels of background, dents and scratches; none is truly a scratch."""


@pytest.fixture(scope="module")
def two_classes() -> Run:
    run = with_finals(full_run(classes=NAMES))
    return replace(run, trainings=tuple(replace(each, confusion=CONFUSION) for each in run.trainings))


def blocks(run: Run) -> list[Block]:
    found = Analysis(run)
    assert isinstance(found.final, Finals)
    return list(classes(found, found.final))


def of_kind(found: list[Block], kind: type[Kind]) -> list[Kind]:
    return [each for each in found if isinstance(each, kind)]


def test_one_class_has_no_section() -> None:
    assert blocks(with_finals(full_run())) == []


def test_each_candidate_and_each_baseline_has_a_row_with_a_column_for_each_class(two_classes: Run) -> None:
    table, _ = of_kind(blocks(two_classes), Table)
    assert [column.title for column in table.columns] == ["Model", *NAMES]
    assert [record.get("group") for record in table.records] == [None] * 4 + ["baseline"] * 3
    assert all(f"iou_{name}" in record for record in table.records for name in NAMES)
    scores, _ = of_kind(blocks(two_classes), Data)
    assert scores.file == "class_scores.csv"
    assert len(scores.records) == 4 * len(NAMES)


def test_the_confusion_of_the_leader_is_summed_over_its_trainings_and_shown_in_shares(two_classes: Run) -> None:
    found = blocks(two_classes)
    _, shown = of_kind(found, Table)
    assert [record["truth"] for record in shown.records] == ["background", *NAMES]
    assert shown.records[0]["as_dent"] == Shade("15.0 %", 0.15)
    assert shown.records[1]["as_background"] == Shade("30.0 %", 0.3)
    assert shown.records[2]["as_dent"] == Shade(MISSING, 0.0), "no pixel of this class: a share of nothing"
    _, pixels = of_kind(found, Data)
    assert pixels.file == "confusion.csv"
    rows = [[record[f"as_{name}"] for name in ("background", *NAMES)] for record in pixels.records]
    np.testing.assert_array_equal(rows, len(SEEDS) * FOLDS * np.array(CONFUSION))
    assert any(", out of fold: what the pixels of each class" in str(each.parts) for each in of_kind(found, Paragraph))


def test_trainings_without_a_confusion_have_no_matrix(two_classes: Run) -> None:
    run = replace(two_classes, trainings=tuple(replace(each, confusion=()) for each in two_classes.trainings))
    assert [each.file for each in of_kind(blocks(run), Data)] == ["class_scores.csv"]
