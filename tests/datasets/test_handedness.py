"""Which classes forbid mirrored images."""

import pytest

from bench.datasets.handedness import handed_classes
from bench.errors import DataError


@pytest.mark.parametrize(
    ("classes", "handed"),
    [
        (("left lung", "right_lung", "heart"), ("left lung", "right_lung")),
        (("Lung-Left", "lung-right"), ("Lung-Left", "lung-right")),
        (("left", "right"), ("left", "right")),
        (("left lung", "right kidney"), ()),
        (("cleft", "upright"), ()),
        (("left lung", "lung"), ()),
    ],
)
def test_a_left_and_a_right_class_of_one_name_forbid_a_mirror(classes, handed) -> None:
    assert handed_classes(classes, None) == handed


def test_an_experiment_may_name_them_or_say_that_there_are_none() -> None:
    assert handed_classes(("arrow", "sign"), ["arrow"]) == ("arrow",)
    assert handed_classes(("left lung", "right lung"), []) == ()


def test_a_name_that_is_no_class_is_one_line_with_the_choices() -> None:
    with pytest.raises(DataError, match="unknown class 'arow' in data: no_flip; choose from arrow, sign"):
        handed_classes(("arrow", "sign"), ["arow"])
