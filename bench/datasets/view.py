"""Whole images or patches: the rule by which a run decides, and the size at which patches are compared."""

from collections.abc import Iterable, Sequence

from bench.datasets.vanishing import SIZES, gone
from bench.records import ImageFacts
from search_spaces.views import AUTO, PATCHES, WHOLE

GONE = 0.25
"""Share of the images that show a class in which nothing of it is left of a mask at the network's size."""

LARGER = 2.0
"""Least ratio of the median image's longest side to the network's size; a smaller image has nothing to cut out."""

MOST_BYTES = 2**31
"""Of all images at the evaluation size, five bytes a pixel."""

_BYTES_A_PIXEL = 5


def chosen_views(
    views: Sequence[str], images: Sequence[ImageFacts], num_classes: int, largest: int
) -> tuple[tuple[str, ...], str | None]:
    """`views` as a space lists them, with AUTO replaced, and in one line why; None where a space decides itself.

    The rule: patches if a class has nothing left at `largest` px (the space's largest image size) in more than a
    quarter of the images that show it, and the median image's longest side is at least twice that size; else whole.
    """
    if AUTO not in views:
        return tuple(views), None
    median = _median_side(images)
    shares = [_share_gone(images, number, largest) for number in range(num_classes)]
    worst = max(shares, default=0.0)
    if worst > GONE and median >= LARGER * largest:
        return (PATCHES,), (
            f"view: patches, since foreground is gone in {worst:.0%} of the images that show it at {largest} px, "
            f"and the median image has {median} px; a space with view: [whole] or [whole, patches] decides otherwise"
        )
    return (WHOLE,), None


def size_of_evaluation(views: Sequence[str], images: Sequence[ImageFacts], largest: int) -> int:
    """The side in pixels of the square on which a run compares, where its protocol names none.

    For whole images it is `largest`, the largest image size of the space. For patches it is the largest of the audit's
    sizes that does not exceed the median image's longest side, and at which all images take 2 GB at the most: thin
    objects are compared as near to their own resolution as that allows.
    """
    if PATCHES not in views:
        return largest
    room = [
        size
        for size in SIZES
        if largest <= size <= _median_side(images) and len(images) * size**2 * _BYTES_A_PIXEL <= MOST_BYTES
    ]
    return max(room, default=largest)


def _median_side(images: Sequence[ImageFacts]) -> int:
    longest = sorted(max(image.width, image.height) for image in images)
    return longest[len(longest) // 2]


def _share_gone(images: Iterable[ImageFacts], number: int, size: int) -> float:
    present = [image for image in images if image.survives_from and image.foreground_share[number] > 0]
    return gone(present, number, size) / len(present) if present else 0.0
