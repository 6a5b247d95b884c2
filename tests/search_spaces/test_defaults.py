"""The configuration that every search tries first."""

import pytest

from bench.experiments import load_space
from search_spaces import PRESETS
from search_spaces.defaults import DEFAULT, default_configuration
from search_spaces.space import Range, Space


def test_a_space_that_has_the_whole_recipe_begins_with_it() -> None:
    space = Space(
        architecture=("unet", "unet_slim"),
        backbone=("efficientnet_lite1", "efficientnet_lite0"),
        encoder_weights=("none", "imagenet"),
        loss=("bce", "bce_dice"),
        image_size=(96, 192),
        view=("patches", "whole"),
        batch_size=(16, 8),
        schedule=("constant", "cosine"),
    )
    assert default_configuration(space) == {**DEFAULT, "batch_size": 16}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_space_has_all_of_the_recipe_that_it_can(name: str) -> None:
    space, recipe = load_space(name), default_configuration(load_space(name))
    for part, wanted in DEFAULT.items():
        listed = getattr(space, part)
        if isinstance(listed, tuple) and part in recipe:
            assert recipe[part] == wanted or wanted not in listed


def test_imagenet_weights_are_taken_wherever_the_space_has_them() -> None:
    space = Space(
        architecture=("linknet", "unet"), backbone=("vgg16", "mobilenet"), encoder_weights=("none", "imagenet")
    )
    recipe = default_configuration(space)
    assert (recipe["architecture"], recipe["backbone"], recipe["encoder_weights"]) == ("linknet", "vgg16", "imagenet")


def test_an_architecture_without_a_backbone_has_no_encoder_weights() -> None:
    recipe = default_configuration(Space(architecture=("plain_unet", "linknet"), backbone=("mobilenet",)))
    assert recipe["architecture"] == "plain_unet"
    assert not {"backbone", "encoder_weights"} & set(recipe)


def test_a_name_that_the_space_lacks_is_its_first_one() -> None:
    space = Space(architecture=("plain_unet",), loss=("focal", "dice"), optimizer=("sgd",))
    recipe = default_configuration(space)
    assert (recipe["loss"], recipe["optimizer"]) == ("focal", "sgd")


@pytest.mark.parametrize(
    ("name", "values", "nearest"),
    [
        ("image_size", (64, 224, 128), 224),
        ("augmentation", (0.0, 0.4, 1.0), 0.4),
        ("augmentation", (0.75, 0.25), 0.75),  # equally near: the first
        ("augmentation", Range(min=0.6, max=1.0), 0.6),
        ("learning_rate", (1e-4, 5e-3), 5e-3),  # 5 times as large is nearer than a tenth
        ("learning_rate", Range(min=1e-4, max=5e-4, sampling="log"), 5e-4),
        ("learning_rate", Range(min=1e-4, max=1e-2, sampling="log"), 1e-3),
        ("weight_decay", (1e-2, 1e-4), 1e-4),
        ("weight_decay", Range(min=1e-5, max=1e-2, sampling="log"), 1e-5),
    ],
)
def test_a_number_that_the_space_lacks_is_the_nearest_one(name: str, values: object, nearest: float) -> None:
    assert default_configuration(Space.model_validate({"architecture": ("plain_unet",), name: values}))[name] == nearest
