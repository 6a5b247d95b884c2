"""File names of nnU-Net, Cityscapes and Label Studio: which are images, which masks, which endings are neither."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.datasets.formats.layouts import Pair
from bench.errors import DataError

ENDINGS: Mapping[str, tuple[str, ...]] = {
    "imagestr": ("_0000",),
    "leftimg8bit": ("_leftimg8bit",),
    "gtfine": ("_gtfine_labeltrainids", "_gtfine_labelids"),
    "gtcoarse": ("_gtcoarse_labeltrainids", "_gtcoarse_labelids"),
}
"""Ends of names, by the folder that they stand in, that are no part of an image's name."""

_CITYSCAPES = ("_labelTrainIds", "_labelIds")
_CHANNEL = re.compile(r"_(\d{4})$")
_BRUSH = re.compile(r"^task-\d+-annotation-\d+-by-")


def one_channel(images: list[Path], pair: Pair) -> list[Path]:
    """nnU-Net's case_0000.png: the channel is no part of the name; images of several files cannot be read."""
    if pair.images.name.lower() != "imagestr":
        return images
    further = [path for path in images if (found := _CHANNEL.search(path.stem)) and found[1] != "0000"]
    if further:
        raise DataError(
            f"{further[0]} is a further channel of its picture; only pictures of one file are read: "
            "save the channels as one RGB picture"
        )
    return images


def label_ids(masks: list[Path]) -> list[Path]:
    """Of Cityscapes' several files for each image the one with class ids."""
    for ending in _CITYSCAPES:
        chosen = [path for path in masks if path.stem.endswith(ending)]
        if chosen:
            return chosen
    previews = [path for path in masks if path.stem.endswith("_color")]
    if previews:
        raise DataError(
            f"{previews[0].parent} has the coloured previews of Cityscapes ({previews[0].name}) and not the masks; "
            "put the files that end in _labelIds.png beside them"
        )
    return masks


def refuse_brush(masks: Sequence[Path]) -> None:
    brush = [path for path in masks if _BRUSH.match(path.name)]
    if brush:
        raise DataError(
            f"{brush[0]} and {len(brush) - 1} more are Label Studio's brush export, which names tasks and not images; "
            "export the project as COCO with images instead"
        )
