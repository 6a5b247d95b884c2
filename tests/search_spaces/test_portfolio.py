"""The recipes that a search tries before its tuner chooses."""

import json

import pytest

from search_spaces import PRESETS
from search_spaces.defaults import default_configuration
from search_spaces.portfolio import VARIATIONS, portfolio
from search_spaces.space import Range, Space

WIDE = Space(
    architecture=("linknet", "unet_slim", "plain_unet", "unet", "fpn", "pspnet"),
    backbone=("mobilenet", "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "mobilenetv2"),
    encoder_weights=("none", "imagenet"),
    loss=("focal", "dice", "bce_dice", "tversky"),
    augmentation=(0.0, 0.5, 0.75),
    image_size=(96, 192, 288),
    learning_rate=Range(min=1e-4, max=1e-2, sampling="log"),
)
"""Room for all of it, nothing in the order of the recipe."""

SPACES = {
    "wide": WIDE,
    "plain": Space(architecture=("plain_unet",), loss=("bce", "dice")),
    "mixed": Space(architecture=("plain_unet", "unet"), backbone=("resnet18",)),
}


def test_a_space_with_everything_has_every_variation_in_its_order() -> None:
    recipes, default = portfolio(WIDE), default_configuration(WIDE)
    assert (default["architecture"], default["backbone"]) == ("unet_slim", "efficientnet_lite0")
    assert [{**default, **variation} for variation in VARIATIONS] == list(recipes)


@pytest.mark.parametrize("name", SPACES)
def test_recipes_are_distinct_and_the_default_one_is_first(name: str) -> None:
    recipes = portfolio(SPACES[name])
    assert recipes[0] == default_configuration(SPACES[name])
    assert len({json.dumps(recipe, sort_keys=True) for recipe in recipes}) == len(recipes)


def test_a_variation_that_the_space_has_no_room_for_is_left_out_whole() -> None:
    narrow = WIDE.model_copy(update={"backbone": ("efficientnet_lite0", "efficientnet_lite2"), "image_size": (192,)})
    recipes = portfolio(narrow)
    assert all(recipe["backbone"] in narrow.backbone and recipe["image_size"] == 192 for recipe in recipes)
    fitting = [v for v in VARIATIONS if v.get("backbone") in (None, *narrow.backbone) and "image_size" not in v]
    assert len(recipes) == len(fitting) < len(VARIATIONS)
    half = Space(architecture=("unet",), backbone=("mobilenet",), loss=("bce_dice",))
    assert [recipe["loss"] for recipe in portfolio(half)] == ["bce_dice"]


def test_a_range_has_room_for_what_lies_within_it() -> None:
    slow = WIDE.model_copy(update={"learning_rate": Range(min=1e-4, max=1e-3, sampling="log")})
    assert {recipe["learning_rate"] for recipe in portfolio(slow)} == {1e-3, 5e-4}
    assert 2e-3 in {recipe["learning_rate"] for recipe in portfolio(WIDE)}


def test_an_architecture_without_a_backbone_has_none_and_another_beside_it_has() -> None:
    default, other = portfolio(SPACES["mixed"])
    assert default["architecture"] == "plain_unet"
    assert not {"backbone", "encoder_weights"} & set(default)
    assert (other["architecture"], other["backbone"], other["encoder_weights"]) == ("unet", "resnet18", "none")
    assert all("backbone" not in recipe for recipe in portfolio(SPACES["plain"]))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_space_has_several(name: str) -> None:
    from bench.experiments import load_space

    space = load_space(name)
    recipes = portfolio(space)
    assert len(recipes) >= 3
    for recipe in recipes:
        single = {key: (value,) for key, value in recipe.items()}
        assert portfolio(Space.model_validate(single))[0] == recipe  # it can be built as it stands
