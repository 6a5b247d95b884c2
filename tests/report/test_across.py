"""The page of several runs: its headline, what qualifies it, and the command."""

import json

from typer.testing import CliRunner

from bench.analysis.across_runs import across, rank_table
from bench.cli import app
from bench.report import write_across
from bench.report.sections.across.average_ranks import about_ranks
from bench.report.sections.across.verdict import headline, leader, qualifications
from tests.report.made_across import made, save


def test_two_data_sets_say_that_nothing_can_be_told(two):
    assert headline(two) == (
        "U-Net / ResNet-18 · Dice · 96 px has the best average rank, 1.00 of 4 over 2 data sets, and is first on 2; "
        "with so few data sets no difference is significant."
    )
    assert "2 data sets are too few for a test" in qualifications(two)[0]


def test_six_data_sets_and_six_pairs_are_still_too_few(compared_six):
    ranks = compared_six.configurations.ranks
    assert ranks is not None
    assert ranks.wins == (6.0, 0.0, 0.0, 0.0)
    assert ranks.friedman_p is not None
    assert ranks.friedman_p < 0.01
    assert "would still be 0.188" in qualifications(compared_six)[0]  # 6 pairs x 2 / 2**6


def test_the_headline_names_everyone_whom_the_first_cannot_be_told_from():
    scores = {
        f"data {n}": {"a": 0.6 + 0.01 * n, "b": 0.5, "c": 0.4, "erratic": 0.9 if n in (2, 5) else 0.1} for n in range(9)
    }
    table = rank_table(scores)
    assert table.ranks is not None
    assert table.candidates == ("a", "b", "c", "erratic")
    assert leader(table, table.ranks).endswith("it does not differ significantly from erratic (5 %, Holm).")
    assert "3 of 6 pairs differ significantly" in about_ranks(table, table.ranks)


def test_without_finals_the_best_of_each_search_stand_beside_each_other(tmp_path):
    runs = [made("first", "cars", finals=False), made("second", "panels", finals=False)]
    page = write_across(runs, tmp_path / "both").read_text(encoding="utf-8")
    assert "No run has a final evaluation: single trainings are compared" in page
    assert page.count("| first ") == 1
    assert "Average rank" not in page


def test_a_run_without_finals_is_named_beside_those_that_held_them(six):
    compared = across([*six[:2], made("third", "panels", finals=False)])
    assert qualifications(compared)[0].startswith("Without a final evaluation, and so without a rank: panels.")
    assert compared.configurations.datasets == ("data-0", "data-1")


def test_the_command_writes_checks_and_refuses(six, tmp_path):
    for run in six[:2]:
        save(run, tmp_path / "results" / run.record.name)
    where = ["--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports")]

    def report(*words: str):
        return CliRunner().invoke(app, ["report", *words, *where])

    assert report("run-0", "run-1").exit_code == 0
    folder = tmp_path / "reports" / "run-0+run-1"
    assert {path.name for path in folder.iterdir()} == {
        "leaderboard.md", "leaderboard.html", "summary.json", "figures", "tables"
    }  # fmt: skip
    assert json.loads((folder / "summary.json").read_text())["runs"] == ["run-0", "run-1"]
    assert "run-0+run-1" in (tmp_path / "reports" / "README.md").read_text()
    assert report("--check", "run-0", "run-1").exit_code == 0
    table = folder / "tables" / "candidates.csv"
    table.write_text(table.read_text().replace("0.", "1.", 1))
    assert report("--check", "run-0", "run-1").exit_code == 2
    assert report("run-0", "run-1", "--name", "both").exit_code == 0
    assert (tmp_path / "reports" / "both" / "leaderboard.md").read_text().startswith("# both\n")
    for wrong in (["run-0", "--name", "both"], ["run-0", "run-1", "--name", "run-0"], ["run-0", "run-0"]):
        assert report(*wrong).exit_code == 2
