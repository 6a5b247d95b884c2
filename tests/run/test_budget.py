"""How a run shares its time among its studies, whatever each of them had before."""

import time
from dataclasses import replace

import pytest

from bench import clock
from bench.experiments import load_experiment, override
from bench.records import StudyRecord
from bench.run.budget import CLOSING_S, CLOSING_SHARE, LONGEST_CLOSING_S, Timekeeper, water_level
from tests.report.runs import run


@pytest.mark.parametrize(
    ("left", "spent", "expected"),
    [
        (30.0, [0.0, 0.0, 0.0], 10.0),  # a new run: equal shares
        (30.0, [20.0, 10.0, 0.0], 20.0),  # all arrive at 20
        (10.0, [50.0, 0.0, 0.0], 5.0),  # who had more than the others can get gives nothing back
        (0.0, [7.0, 3.0], 3.0),
    ],
)
def test_time_goes_to_the_studies_that_had_least(left, spent, expected):
    assert water_level(left, spent) == pytest.approx(expected)


def experiment(finalists: int = 0):
    chosen = override(load_experiment("default"), tuners=["random", "tpe"], budget="10m", name="x")
    protocol = chosen.protocol.model_copy(update={"finalists": finalists})
    return chosen.model_copy(update={"protocol": protocol})


def test_studies_of_a_new_run_get_equal_shares_and_those_to_come_what_is_left():
    times = Timekeeper(experiment(), None, clock.now())
    both = ["random-seed0", "tpe-seed0"]
    whole = 600 - CLOSING_SHARE * 600
    assert times.share_s(both) == pytest.approx(whole / 2, abs=1)
    assert times.share_s(both[1:]) == pytest.approx(whole, abs=1)


def test_a_resumed_run_evens_out_what_its_studies_had():
    earlier = run()
    had = (
        StudyRecord(study_id="random-seed0", tuner="random", seed=0, ended="budget", wall_s=200.0),
        StudyRecord(study_id="tpe-seed0", tuner="tpe", seed=0, ended="interrupted", wall_s=100.0),
    )
    earlier = replace(earlier, record=replace(earlier.record, wall_s=300.0, studies=had))
    times = Timekeeper(experiment(), earlier, clock.now())
    assert times.wall_s == pytest.approx(300, abs=1)
    assert times.share_s(["random-seed0", "tpe-seed0"]) == pytest.approx((258 + 300) / 2 - 200, abs=1)
    with times.timing("tpe-seed0"):
        assert times.studies[1].ended is None
        time.sleep(0.05)
        assert 100.05 <= times.studies[1].wall_s < 105  # written down while it runs
    times.end("tpe-seed0", "trials")
    times.interrupt()
    assert [study.ended for study in times.studies] == ["budget", "trials"]


def test_a_budget_keeps_time_to_close():
    shortest = override(experiment(), budget="100s", name="x")
    assert Timekeeper(shortest, None, clock.now()).finals_s == pytest.approx(100 - CLOSING_S, abs=1)
    longest = override(experiment(), budget="10h", name="x")
    assert Timekeeper(longest, None, clock.now()).finals_s == pytest.approx(36_000 - LONGEST_CLOSING_S, abs=1)


def test_a_plan_sets_the_share_of_the_search():
    times = Timekeeper(experiment(finalists=2), None, clock.now())
    whole = 600 - CLOSING_SHARE * 600
    both = ["random-seed0", "tpe-seed0"]
    assert times.share_s(both) == pytest.approx(whole / 2, abs=1)
    times.search_share = 0.25
    assert times.share_s(both) == pytest.approx(0.25 * whole / 2, abs=1)


def test_the_final_evaluation_of_an_earlier_session_is_not_charged_to_the_search():
    earlier = run()
    had = (StudyRecord(study_id="random-seed0", tuner="random", seed=0, ended="budget", wall_s=300.0),)
    earlier = replace(earlier, record=replace(earlier.record, wall_s=560.0, studies=had))
    chosen = override(load_experiment("default"), budget="20m", name="x")
    times = Timekeeper(chosen, earlier, clock.now())
    times.search_share = 0.6
    open_s = 1200 - CLOSING_SHARE * 1200
    assert times.share_s(["random-seed0"]) == pytest.approx(0.6 * open_s - 300, abs=1)
