"""What the card of a model says of others' rights."""

import pytest

from bench.delivery.card import licences
from bench.records import Member
from search_spaces.backbones import BACKBONES


def _said(**hyperparameters: str) -> str:
    values = {"architecture": "unet", **hyperparameters}
    member = Member(candidate="unet", hyperparameters=values, fold=0, seed=0, weights="members/0.weights.h5")
    return "\n".join(licences([member, member]))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_card_names_the_licence_of_published_weights_once(backbone):
    said = _said(backbone=backbone, encoder_weights="imagenet")
    assert said.count(f"- {backbone}, ImageNet weights: {BACKBONES[backbone].licence}.") == 1


def test_a_file_of_the_users_own_is_not_said_to_have_the_licence_of_the_published_one():
    said = _said(backbone="mit_b0", encoder_weights="/weights/ours.pth")
    assert "- mit_b0, weights of your own `ours.pth`: ask where they come from; those that are published: N" in said


@pytest.mark.parametrize("values", [{"backbone": "mobilenet", "encoder_weights": "none"}, {}])
def test_random_weights_need_no_licence_of_others(values):
    assert f"- {values.get('backbone', 'A network without encoder')}: trained from random weights" in _said(**values)
