"""What a page says to do next, where there is no result to use."""

import pytest

from bench.analysis.run_analysis import Analysis
from bench.records import FAILED, STOPPED
from bench.report.blocks import Paragraph, Table
from bench.report.sections.banners import banners
from bench.report.sections.factors import factors
from bench.report.sections.next_steps import next_steps
from bench.report.sections.ranking import ranking
from tests.report.runs import run, trial

DOCTOR = "python -m bench doctor"
GO_ON = "python -m bench run --resume --name made-up"


@pytest.mark.parametrize(
    ("trials", "commands"),
    [
        ([trial(0, None, status=STOPPED)], [f"{GO_ON} --budget 2h"]),
        ([trial(0, None, status=FAILED)], [DOCTOR, f"{GO_ON} --budget 2h"]),
    ],
)
def test_where_the_budget_ended_the_search_a_larger_one_goes_on_and_failures_send_to_the_doctor(
    trials, commands
) -> None:
    assert [step.command for step in next_steps(Analysis(run(trials=trials))).steps] == commands


def test_a_run_without_a_study_goes_on_as_it_was() -> None:
    assert [step.command for step in next_steps(Analysis(run(tuners=()))).steps] == [GO_ON]


def test_the_ranking_of_a_run_without_a_score_does_not_call_baselines_trials() -> None:
    blocks = list(ranking(Analysis(run(trials=[trial(0, None, status=FAILED)]))))
    (said,) = (block for block in blocks if isinstance(block, Paragraph))
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert "best trials" not in str(said.parts)
    assert all(record.get("rank") is None for record in table.records)


def test_without_a_score_nothing_is_said_of_what_was_compared() -> None:
    found = Analysis(run(trials=[trial(number, None, status=FAILED) for number in range(2)]))
    assert list(factors(found)) == []
    said = " ".join(banner.text for banner in banners(found))
    assert "compared" not in said
    assert "intervals are wide" not in said
