"""Main effects and importance of hyperparameters."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from bench.analysis.design import design
from bench.analysis.effects import effects
from bench.analysis.importance import importances
from bench.analysis.leaderboard import leaderboard
from bench.analysis.series import Missing
from bench.records import COLLAPSED
from tests.report.runs import run, trial

WORTH = {"unet": 0.1, "fpn": 0.0, "a": 0.05, "b": -0.05, "x": 0.2, "y": 0.0, "z": -0.2}


def rows(configurations, ious):
    trials = zip(configurations, ious, strict=True)
    return leaderboard(run(trials=[trial(n, iou, hyperparameters=one) for n, (one, iou) in enumerate(trials)]))


def grid():
    names = ("architecture", "backbone", "loss")
    return [dict(zip(names, values, strict=True)) for values in product(("unet", "fpn"), ("a", "b"), ("x", "y", "z"))]


def drawn(trials, seed=0):
    """A random search of which the truth is WORTH, plain without a backbone, and noise of 0.02."""
    random = np.random.default_rng(seed)
    chosen = [
        {
            "architecture": str(random.choice(["unet", "fpn", "plain"])),
            "loss": str(random.choice(list("xyz"))),
            "learning_rate": 10 ** random.uniform(-4, -3),
        }
        for _ in range(trials)
    ]
    for one in chosen:
        if one["architecture"] != "plain":
            one["backbone"] = str(random.choice(["a", "b"]))
    ious = [
        0.5
        + sum(WORTH.get(str(one.get(name)), 0.0) for name in ("architecture", "backbone", "loss"))
        + random.normal(0, 0.02)
        for one in chosen
    ]
    return rows(chosen, ious)


def values(found, factor):
    return {one.label: one.value for one in found.factors[factor]}


def test_in_a_full_grid_the_difference_of_two_effects_is_the_mean_paired_difference():
    random = np.random.default_rng(0)
    chosen = [one | {"augmentation": strength} for one in grid() for strength in (0.0, 0.5)]
    ious = random.uniform(0.1, 0.6, len(chosen))
    found = effects(rows(chosen, ious))
    score = {tuple(one.values()): iou for one, iou in zip(chosen, ious, strict=True)}
    pairs = [score["unet", *rest] - score["fpn", *rest] for architecture, *rest in score if architecture == "unet"]
    own = values(found, "architecture")
    assert own["unet"] - own["fpn"] == pytest.approx(np.mean(pairs))


def test_effects_are_found_where_trials_are_drawn_and_confounded():
    found = effects(drawn(60))
    assert values(found, "loss") == pytest.approx({"x": 0.2, "y": 0.0, "z": -0.2}, abs=0.02)
    assert values(found, "backbone") == pytest.approx({"a": 0.05, "b": -0.05}, abs=0.02)
    assert values(found, "architecture")["unet"] == pytest.approx(0.1 - 0.1 / 3, abs=0.02)
    assert all(one.low < one.value < one.high for own in found.factors.values() for one in own)
    assert found.explained > 0.9


def test_trials_without_a_backbone_count_for_everything_else():
    made = design(drawn(60))
    assert made.names["backbone"] == ("a", "b")
    assert None in made.levels["backbone"]
    assert made.trials + made.left_out == 60


def test_a_factor_that_always_moves_with_another_has_no_effect_of_its_own():
    """Optimizer and loss are one and the same choice; the architecture is not."""
    chosen = [{"architecture": a, "loss": loss, "optimizer": {"x": "adam", "y": "sgd"}[loss], "learning_rate": r}
              for a, loss, r in product(("unet", "fpn"), "xy", np.linspace(1e-3, 1.9e-3, 8))]  # fmt: skip
    found = effects(rows(chosen, np.random.default_rng(0).uniform(0.2, 0.4, len(chosen))))
    assert set(found.factors) == {"architecture"}


def test_a_level_with_two_trials_is_left_out_with_them():
    rare = [{"architecture": "unet", "loss": "rare", "learning_rate": rate} for rate in (1e-4, 2e-4)]
    common = [one | {"schedule": s} for one in grid() for s in ("cosine", "constant")]
    made = design(rows(common + rare, np.linspace(0.1, 0.5, len(common) + 2)))
    assert made.left_out == 2
    assert "rare" not in made.names["loss"]


def test_of_a_promoted_configuration_the_first_training_counts_which_no_score_has_chosen():
    chosen = [one | {"schedule": s} for one in grid() for s in ("cosine", "constant")]
    trials = [trial(n, 0.1 + n / 100, hyperparameters=one, epochs=3) for n, one in enumerate(chosen)]
    trials += [
        trial(100 + n, 0.5, hyperparameters=one | {"tuner/trial_id": f"{n:04}"}, epochs=9)
        for n, one in enumerate(chosen[:10])
    ]
    made = design(leaderboard(run(trials=trials)))
    assert made.trials == 24
    assert set(made.epochs.tolist()) == {3}
    assert max(made.ious) < 0.5


def test_a_value_that_often_collapses_does_not_look_good_for_it():
    random = np.random.default_rng(0)
    trials = []
    for number in range(60):
        optimizer = ("adam", "sgd")[number % 2]
        fails = optimizer == "sgd" and number % 4 == 1
        one = {"optimizer": optimizer, "loss": "xyz"[number // 2 % 3], "architecture": "unet"}
        made = trial(number, 0.0 if fails else 0.3 + random.normal(0, 0.02), hyperparameters=one)
        trials.append(replace(made, status=COLLAPSED) if fails else made)
    found = values(effects(leaderboard(run(trials=trials))), "optimizer")
    assert found["adam"] > 0.05 > -0.05 > found["sgd"]


@pytest.mark.parametrize("trials", [0, 1, 12, 19])
def test_few_trials_say_nothing(trials):
    missing = effects(drawn(trials))
    assert isinstance(missing, Missing)
    assert missing.reason


def test_importance_finds_what_matters_and_nothing_in_noise_and_the_same_twice():
    made = drawn(60)
    first = importances(run(), made)
    found = {one.title: one for one in first.factors}
    assert next(iter(found)) == "Loss"
    assert found["Loss"].low > 0.5
    assert found["Loss"].beyond_chance
    assert not found["Learning rate"].beyond_chance
    assert importances(run(), made) == first
