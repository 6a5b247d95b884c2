"""The design of a comparison: one factor at a time around the default configuration."""

import json

import pytest

from bench.experiments import load_space
from search_spaces import PRESETS
from search_spaces.defaults import default_configuration
from search_spaces.one_at_a_time import changed_factor, levels, one_at_a_time
from search_spaces.space import HYPERPARAMETERS, OF_BACKBONE, Range, Space

SPACES = {
    **{name: load_space(name) for name in PRESETS},
    "without a backbone": Space(architecture=("plain_unet",), loss=("bce", "dice"), image_size=(32, 64)),
    "both": Space(architecture=("plain_unet", "unet"), backbone=("resnet18", "mobilenet")),
    "one value each": Space(architecture=("plain_unet",)),
}


@pytest.mark.parametrize("name", SPACES)
def test_each_candidate_differs_from_the_default_recipe_in_exactly_one_factor(name: str) -> None:
    default, *others = one_at_a_time(SPACES[name])
    assert default == default_configuration(SPACES[name])
    assert changed_factor(default, default) is None
    for other in others:
        factor = changed_factor(other, default)
        assert factor is not None
        differing = {each for each in HYPERPARAMETERS if other.get(each) != default.get(each)}
        follows = set(OF_BACKBONE) if factor == "architecture" else set()
        assert differing - follows == {factor}
        single = {key: (value,) for key, value in other.items()}
        assert default_configuration(Space.model_validate(single)) == other  # it can be built as it stands


@pytest.mark.parametrize("name", SPACES)
def test_every_level_of_every_factor_is_there_once(name: str) -> None:
    space = SPACES[name]
    default, *others = one_at_a_time(space)
    assert len({json.dumps(each, sort_keys=True) for each in (default, *others)}) == 1 + len(others)
    for factor in default:
        values = getattr(space, factor)
        wanted = {values.min, values.max} if isinstance(values, Range) else set(values)
        found = [each[factor] for each in others if changed_factor(each, default) == factor]
        assert len(found) == len(set(found))
        assert {default[factor], *found} == wanted | {default[factor]}


def test_rounds_spread_what_a_short_budget_leaves_out_over_the_factors() -> None:
    default, *others = one_at_a_time(load_space("compare"))
    order = [(factor, each[factor]) for each in others if (factor := changed_factor(each, default))]
    assert order[:6] == [
        ("architecture", "unet"), ("backbone", "efficientnet_lite1"), ("loss", "dice"), ("augmentation", 0.0),
        ("image_size", 96), ("learning_rate", 5e-4),
    ]  # fmt: skip
    assert [factor for factor, _ in order[6:12]] == [factor for factor, _ in order[:6]]
    assert order[-2:] == [("architecture", "fpn"), ("loss", "bce")]
    assert len(others) == 4 + 2 + 4 + 3 + 2 + 2


def test_a_range_is_compared_at_both_ends_that_are_not_the_default() -> None:
    space = Space(architecture=("plain_unet",), learning_rate=Range(min=1e-3, max=4e-3, sampling="log"))
    assert levels(space, "learning_rate") == (1e-3, 4e-3)
    around = space.model_copy(update={"learning_rate": Range(min=1e-4, max=1e-2, sampling="log")})
    assert levels(around, "learning_rate") == (1e-3, 1e-4, 1e-2)


def test_a_backbone_comes_with_an_architecture_that_has_one_and_is_no_factor_of_its_own() -> None:
    default, other = one_at_a_time(SPACES["both"])
    assert (default["architecture"], "backbone" in default) == ("plain_unet", False)
    assert (other["architecture"], other["backbone"]) == ("unet", "resnet18")
    assert changed_factor({**other, "loss": "dice"}, default) is None  # two at once are none
