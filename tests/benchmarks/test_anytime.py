"""What a budget buys: a run without a model counts as the mean mask, and a late one is marked."""

import json
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _benchmarks_are_scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))


def run(tool: str, tp: int | None, seed: int = 0, wall_s: float = 60.0, **more: object) -> dict:
    """Of two images of 10 pixels of which 4 are foreground; `tp` of them are found in each, None: there is no model."""
    counts = {name: [[6, 4 - tp, 0, tp], [tp, 0, 4 - tp, 6]] for name in "ab"} if tp is not None else None
    known = {"data": "set", "tool": tool, "minutes": 1.0, "seed": seed}
    return known | {"counts": counts, "wall_s": wall_s, "cpu_s": 100.0} | more


def test_figures_are_of_the_delivered_models_and_failures_cost_the_mean_mask(capsys):
    from anytime import say

    say(
        [
            run("segbench", 3, mean_mask=0.25),
            run("default", 2),
            run("random", None, error="out of memory"),
            run("seeds", 4, wall_s=64.0),
        ],
        None,
    )
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    iou = {name.rsplit("/", 1)[-1]: figures["test_iou"] for name, figures in told.items()}
    assert iou == {"segbench": 0.75, "default": 0.5, "random": 0.25, "seeds": 1.0}
    assert told["set/1.0/random"]["regret"] == 1.0
    assert told["set/1.0/random"]["failed"] == 1
    assert told["set/1.0/seeds"]["late"] == 1
    assert told["set/1.0/segbench"]["to_default"][0] == pytest.approx(0.25)
    assert told["set/1.0/default"]["to_default"] is None


def test_finished_runs_are_read_back(tmp_path):
    from counted_lines import append, recorded

    assert recorded(tmp_path / "none.jsonl") == []
    append(tmp_path / "runs.jsonl", run("default", 2))
    append(tmp_path / "runs.jsonl", run("default", 3, seed=1))
    assert [each["seed"] for each in recorded(tmp_path / "runs.jsonl")] == [0, 1]


@pytest.mark.parametrize(("tool", "option"), [("nnunet", "--nnunet-python"), ("optuna_smp", "--torch-python")])
def test_a_tool_of_another_interpreter_asks_for_it(tool, option, monkeypatch, capsys):
    import anytime

    monkeypatch.setattr("sys.argv", ["anytime.py", "--data", "x", "--tools", tool])
    with pytest.raises(SystemExit):
        anytime._arguments()
    assert f"{tool} needs {option}" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["anytime.py", "--data", "x", "--tools", tool, option, "python"])
    assert getattr(anytime._arguments(), anytime.ELSEWHERE[tool]) == "python"


def test_a_set_for_nnunet_names_what_counts_for_nothing_its_ignore_label(tmp_path):
    import numpy as np
    from anytime_nnunet import VOID, write_dataset
    from PIL import Image

    images, masks = np.full((2, 8, 8, 3), 7, np.uint8), np.zeros((2, 8, 8), np.uint8)
    masks[0, 0], masks[1, 1] = 1, VOID
    write_dataset(tmp_path, images, masks, num_classes=2)
    told = json.loads((tmp_path / "dataset.json").read_text())
    assert told["labels"] == {"background": 0, "class1": 1, "ignore": 2}
    with Image.open(tmp_path / "labelsTr" / "case0001.png") as label:
        assert sorted(set(np.asarray(label).ravel().tolist())) == [0, 2]
    with Image.open(tmp_path / "imagesTr" / "case0000_0000.png") as image:
        assert np.asarray(image).shape == (8, 8, 3)
