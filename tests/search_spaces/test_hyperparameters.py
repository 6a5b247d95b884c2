"""The rows beside the fields of a space, and what follows from them."""

import pytest

from search_spaces.defaults import default_configuration, original_baseline
from search_spaces.portfolio import active, whole
from search_spaces.space import HYPERPARAMETERS, OF_BACKBONE, Range, Space, cost_identity, graph_identity

VALUES = {
    "architecture": "unet",
    "backbone": "mobilenet",
    "encoder_weights": "imagenet",
    "frozen_start": 0.1,
    "loss": "bce",
    "class_weights": "none",
    "augmentation": 0.5,
    "foreground_oversampling": 0.5,
    "image_size": 96,
    "view": "whole",
    "batch_size": 8,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "schedule": "cosine",
    "weight_decay": 1e-4,
}
OTHERS = {
    "architecture": "fpn",
    "backbone": "vgg16",
    "encoder_weights": "none",
    "frozen_start": 0.0,
    "loss": "dice",
    "class_weights": "inverse_frequency",
    "augmentation": 0.0,
    "foreground_oversampling": 0.0,
    "image_size": 192,
    "view": "patches",
    "batch_size": 16,
    "optimizer": "sgd",
    "learning_rate": 1e-2,
    "schedule": "constant",
    "weight_decay": 0.0,
}


def test_every_field_of_a_space_has_a_row_with_a_title_of_its_own() -> None:
    assert list(HYPERPARAMETERS) == list(Space.model_fields) == list(VALUES)
    assert len({row.title for row in HYPERPARAMETERS.values()}) == len(HYPERPARAMETERS)
    assert OF_BACKBONE == ("backbone", "encoder_weights", "frozen_start")


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_a_graph_is_shared_by_what_is_set_before_each_trial(name: str) -> None:
    other = VALUES | {name: OTHERS[name]}
    compiled = name in ("architecture", "backbone", "image_size", "optimizer", "weight_decay", "frozen_start")
    assert (graph_identity(other) != graph_identity(VALUES)) is compiled
    assert (cost_identity(other) != cost_identity(VALUES)) is (compiled or name in ("batch_size", "view"))


def test_two_weight_decays_share_a_graph() -> None:
    assert graph_identity(VALUES | {"weight_decay": 0.1}) == graph_identity(VALUES)


def test_a_space_that_does_not_name_a_newer_hyperparameter_has_configurations_without_it() -> None:
    space = Space(architecture=("unet", "plain_unet"), backbone=("mobilenet",), encoder_weights=("imagenet",))
    newer = {"frozen_start", "foreground_oversampling"}
    assert not newer & set(default_configuration(space))
    assert not newer & set(original_baseline(space))
    assert graph_identity(default_configuration(space)) == graph_identity(
        default_configuration(space) | {"frozen_start": 0.0}
    )


def test_a_newer_hyperparameter_is_off_in_the_default_recipe_of_a_space_that_begins_with_off() -> None:
    space = Space(
        architecture=("unet", "plain_unet"),
        backbone=("mobilenet",),
        frozen_start=(0.0, 0.1),
        foreground_oversampling=Range(min=0.0, max=0.5),
    )
    recipe = default_configuration(space)
    assert (recipe["frozen_start"], recipe["foreground_oversampling"]) == (0.0, 0.0)
    assert "frozen_start" not in active(whole(space) | {"architecture": "plain_unet"})


def test_an_older_record_without_a_hyperparameter_still_has_an_identity() -> None:
    values = {name: value for name, value in VALUES.items() if name not in ("weight_decay", "optimizer")}
    assert cost_identity(values) == cost_identity(values | {"weight_decay": 0.0})
