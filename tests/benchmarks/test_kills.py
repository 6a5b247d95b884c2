"""A thousand kills take more than one sitting: what is counted, and what comes next. No run is killed here."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("kills")


@pytest.fixture
def sitting(kills: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[int | None], int]:
    """A call that is killed in its life number so many (None: it is not), with lives of 12 kills; its exit code."""

    def sit(killed_in: int | None = None, lost: int = 0) -> int:
        class Graveyard:
            lives = 0

            def __init__(self, _: object) -> None:
                pass

            def live(self, name: str, number: int) -> object:
                if killed_in == self.lives:
                    raise KeyboardInterrupt
                self.lives += 1
                return kills.Life(phase=name, number=number, kills=12, lost=lost)

        monkeypatch.setattr(kills, "Graveyard", Graveyard)
        words = ["kills.py", "--kills", "200", "--only", "search,delivery", "--out", str(tmp_path / "kills.json")]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as ended:
            kills.main()
        return int(ended.value.code or 0)

    return sit


def test_a_call_goes_on_with_the_life_after_the_last_and_counts_all(
    sitting: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        sitting(3)
    kept = json.loads((tmp_path / "kills.json").read_text())
    assert [(life["phase"], life["number"]) for life in kept["lives"]] == [("search", 0), ("search", 1), ("search", 2)]
    assert sitting() == 0
    kept = json.loads((tmp_path / "kills.json").read_text())
    # of 1,000 kills 240 are in the search and 100 in deliveries: of 200 they are 48 and 20, 12 a life
    assert [(life["phase"], life["number"]) for life in kept["lives"]] == [
        *(("search", number) for number in range(4)),
        *(("delivery", number) for number in range(2)),
    ]
    said = capsys.readouterr().out.splitlines()
    assert said[3].endswith("; 48 kills so far")
    assert [each.strip() for each in said[-1].split("|")[3:6]] == ["6", "72", "0"]
    assert kept["table"][-1] == {
        "phase": "all", "trials": "", "lives": 6, "kills": 72, "lost": 0, "repeated": 0, "stuck": 0,
    }  # fmt: skip


def test_what_an_earlier_call_lost_fails_the_next_one_too(sitting: Callable) -> None:
    assert sitting(lost=1) == 1
    assert sitting() == 1


def test_a_phase_whose_lives_get_stuck_is_given_up(kills: ModuleType) -> None:
    lives = [kills.Life(phase="search", number=number, kills=0, stuck=1) for number in range(kills.MOST_STUCK)]
    assert list(kills.due(1000, ["search"], lives)) == []
    assert next(kills.due(1000, ["search"], lives[1:])) == ("search", kills.MOST_STUCK - 1)


def test_the_shares_of_all_phases_are_a_thousand(kills: ModuleType) -> None:
    assert sum(phase.share for phase in kills.PHASES.values()) == 1000
