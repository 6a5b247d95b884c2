"""What the card of a model says of others' rights."""

import pytest

from bench.delivery.card import licence
from search_spaces.backbones import BACKBONES


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_card_knows_the_licence_of_every_backbone(backbone):
    assert "not known" not in licence(backbone)


def test_the_licence_of_another_backbone_is_not_guessed():
    assert licence("swin_t") == "licence not known here; ask where the file came from"
