"""How values of hyperparameters are compared by the few candidates of a final evaluation."""

from dataclasses import replace

from bench.analysis.run_analysis import Analysis
from bench.records import Run
from bench.report.blocks import Table, walk
from bench.report.sections.factors import factors
from tests.report.made_finals import with_finals
from tests.report.reading import said
from tests.report.runs import run


def by_architecture(made: Run) -> list[str]:
    tables = (block for block in walk(list(factors(Analysis(made)))) if isinstance(block, Table))
    return [column.title for column in next(table for table in tables if table.name == "Architecture").columns]


def test_a_value_that_several_candidates_have_shows_their_median_and_best() -> None:
    assert by_architecture(with_finals(run())) == ["Architecture", "IoU of each", "Median", "Best", "Number"]


def test_values_of_one_candidate_each_show_its_score_once() -> None:
    made = with_finals(run())
    few = replace(made, finals=replace(made.finals, candidates=made.finals.candidates[1:]))
    assert by_architecture(few) == ["Architecture", "IoU", "IoU"]
    assert "(bar: median)" not in said(factors(Analysis(few)))
