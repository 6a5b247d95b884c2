"""A recorded table answers as a training would, and is recorded without losing a row."""

import json
from pathlib import Path

import pytest

from search_spaces.space import Range, Space

SPACE = Space(architecture=("unet", "plain_unet"), backbone=("mobilenet",), augmentation=(0.0, 0.5))
"""Four configurations."""


@pytest.fixture(autouse=True)
def _benchmarks_are_scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))


def table_of(curve):
    from tabular import Table, every_configuration, key

    curves = {key(values): curve(values) for values in every_configuration(SPACE)}
    return Table(space=SPACE, epochs=3, curves=curves, about={"seed": 0})


def curve(values) -> tuple[float, ...] | None:
    """Slow without augmentation and better in the end; the U-Net with augmentation fails."""
    if values["augmentation"] == 0:
        return (0.1, 0.3, 0.6 if values["architecture"] == "unet" else 0.5)
    return None if values["architecture"] == "unet" else (0.4, 0.45, 0.4)


@pytest.mark.parametrize("name", ["table.json", "table.json.gz"])
def test_a_table_is_read_back_equal(tmp_path, name):
    from tabular import load_table, write_table

    write_table(table_of(curve), tmp_path / name)
    assert load_table(tmp_path / name) == table_of(curve)


def test_a_trial_is_worth_what_it_scores_after_its_own_last_epoch():
    table = table_of(curve)
    values = {"architecture": "plain_unet", "augmentation": 0.5}
    values = next(json.loads(name) for name in table.curves if values.items() <= json.loads(name).items())
    assert (table.observed(values), table.final(values), table.best) == (0.4, 0.4, 0.6)
    assert table.observed(values | {"tuner/epochs": 1, "tuner/initial_epoch": 0}) == 0.4
    promoted = {"tuner/epochs": 2, "tuner/initial_epoch": 0, "tuner/trial_id": "0000"}
    assert (table.observed(values | promoted), table.final(values | promoted)) == (0.45, 0.4)


def test_an_incomplete_table_is_refused(tmp_path):
    from tabular import load_table, write_table

    write_table(table_of(curve), tmp_path / "table.json")
    content = json.loads((tmp_path / "table.json").read_text())
    (tmp_path / "table.json").write_text(json.dumps(content | {"rows": content["rows"][1:]}))
    with pytest.raises(ValueError, match=r"table.json: 1 configurations of the space are missing, 0 are not"):
        load_table(tmp_path / "table.json")
    (tmp_path / "table.json").write_text(json.dumps(content | {"epochs": 4}))
    with pytest.raises(ValueError, match="3 epochs instead of 4"):
        load_table(tmp_path / "table.json")


def test_a_space_with_a_range_has_no_table():
    from tabular import every_configuration

    with pytest.raises(ValueError, match="range"):
        every_configuration(Space(architecture=("plain_unet",), learning_rate=Range(min=1e-4, max=1e-2)))


def test_recording_goes_on_after_the_last_whole_line(tmp_path):
    from record_table import record

    partial, trained = tmp_path / "table.partial", []

    def train(values):
        trained.append(values)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return curve(values)

    with pytest.raises(KeyboardInterrupt):
        record(SPACE, {"seed": 0}, partial, train)
    partial.write_text(partial.read_text() + '{"hyperpar')
    assert record(SPACE, {"seed": 0}, partial, train) == dict(table_of(curve).curves)
    assert len(trained) == 5  # the third again, for the interruption
    with pytest.raises(ValueError, match="begun with other"):
        record(SPACE, {"seed": 1}, partial, train)


def test_a_search_is_worth_what_its_best_looking_trial_is_worth_in_the_end():
    """The reference recipe is the first trial and fails, for one epoch; the others take three each. So one full
    training's budget ends before the second trial does, and four have room for all of them."""
    from oracles import search

    assert search(table_of(curve), "random", 0, [1, 4]) == [0.0, 0.6]
    assert search(table_of(lambda values: None), "asha", 0, [1, 4]) == [0.0, 0.0]
