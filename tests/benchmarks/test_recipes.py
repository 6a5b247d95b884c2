"""Recipes are compared on what both have whole, and trained on what is not locked."""

import argparse
from pathlib import Path

import pytest

from bench.records import ClassCounts
from search_spaces.space import Space
from tests.engine.tiny import IDS, SIZE, make_setup


@pytest.fixture(autouse=True)
def _benchmarks_are_scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))


def line(recipe: str, fold: int, seed: int, tp: int, name: str) -> dict:
    """Of one image of 10 pixels of which 4 are foreground; `tp` of them are found, and nothing else."""
    counts = {name: [[6, 4 - tp, 0, tp], [tp, 0, 4 - tp, 6]]}
    return {
        "data": "set", "recipe": recipe, "fold": fold, "folds": 2, "seed": seed, "length": "9 steps",
        "counts": counts, "mirrored": counts, "steps": 9, "step_s": 0.5, "content": {"clip": None},
    }  # fmt: skip


def test_a_seed_counts_when_every_fold_of_it_is_there():
    from recipes import by_seed

    lines = [line("one", 0, 0, 2, "a"), line("one", 1, 0, 4, "b"), line("one", 0, 1, 2, "a")]
    found = by_seed(lines, "counts")
    assert list(found) == [0]
    assert found[0]["b"][1] == ClassCounts(tp=4, fp=0, fn=0, tn=6)


def test_a_difference_is_paired_over_common_seeds():
    from counted_lines import difference, pooled_iou
    from recipes import by_seed

    first = by_seed([line("one", f, s, 2, name) for s in (0, 1) for f, name in enumerate("ab")], "counts")
    second = by_seed([line("two", f, s, 3, name) for s in (1, 2) for f, name in enumerate("ab")], "counts")
    assert pooled_iou(first[0]) == 0.5
    gain = difference(second, first)
    assert gain is not None
    assert gain.value == pytest.approx(0.25)
    assert difference(second, {0: first[0]}) is None


def test_the_table_has_a_recipe_that_is_whole_and_leaves_out_one_that_is_not(capsys):
    from recipes import say

    whole = [line("default", f, 0, 2, name) for f, name in enumerate("ab")]
    better = [line("other", f, 0, 4, name) for f, name in enumerate("ab")]
    say([*whole, *better, line("begun", 0, 0, 4, "a")], ["default", "other", "begun"])
    printed = capsys.readouterr().out
    assert "+0.500" in printed
    assert "begun" not in printed


def test_two_lengths_agree_as_far_as_their_recipes_rank_alike(capsys):
    from recipes import say

    found = {"9 steps": (9, [0, 1, 2, 3, 4]), "30 steps": (30, [1, 0, 2, 3, 4])}
    lines = [
        line(f"recipe{number}", fold, 0, tp, name) | {"length": length, "steps": steps}
        for length, (steps, tps) in found.items()
        for number, tp in enumerate(tps)
        for fold, name in enumerate("ab")
    ]
    say(lines, [f"recipe{number}" for number in range(5)])
    assert "set: 9 steps rank like 30 steps with a Kendall's tau of 0.80 (-0.19 to 0.98)" in capsys.readouterr().out


def test_lines_of_another_recipe_by_the_same_name_are_refused():
    from recipes import Recipe, require_same

    with pytest.raises(SystemExit, match="another recipe 'default'"):
        require_same("default", Recipe(), [line("default", 0, 0, 2, "a")])


def test_a_recipe_from_the_command_line_has_hyperparameters_and_what_is_added_to_them():
    from recipes import Recipe, made

    assert made('slow={"learning_rate": 1e-4, "average": 0.9}') == (
        "slow",
        Recipe(values={"learning_rate": 1e-4}, average=0.9),
    )
    with pytest.raises(argparse.ArgumentTypeError, match="not NAME="):
        made("slow=fast")


def test_a_training_scores_its_fold_and_is_repeated_to_the_last_pixel(tmp_path):
    from recipe_training import Bench, Training
    from recipes import Recipe

    setup = make_setup(tmp_path)
    space = Space(architecture=("plain_unet",), image_size=(SIZE,), batch_size=(2,))
    bench = Bench(
        cache=setup.cache_directory, folds=(IDS[:4], IDS[4:8]), num_classes=2, evaluation_size=SIZE, space=space
    )

    def trained(**changed: object) -> dict:
        return Training(bench, Recipe(**changed), fold=1, seed=0).run(steps=12, seconds=None)

    plain, again, averaged, clipped = trained(), trained(), trained(average=0.9), trained(clip=1e-6)
    assert set(plain["counts"]) == set(plain["mirrored"]) == set(IDS[4:8])
    assert again["counts"] == plain["counts"]
    assert averaged["counts"] != plain["counts"]
    assert clipped["counts"] != plain["counts"]
    assert set(bench.parts(1)[0]) == set(IDS[:4])
