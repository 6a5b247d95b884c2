"""Predictions of two models beside each other, and the picture of the markdown page."""

from collections.abc import Iterator, Sequence

import numpy as np

from bench import formats
from bench.analysis.pictures import overlays
from bench.analysis.predictions import Gallery, Predicted
from bench.analysis.run_analysis import Analysis
from bench.analysis.series import Missing
from bench.formats import plural
from bench.report.blocks import Block, Figure, Heading, Viewer, paragraph
from bench.report.figures.overlays import draw_overlays
from bench.report.figures.photos import mask_png, mask_step, webp

MOST_BYTES = 480_000
"""Of all pictures and masks together, as text in the page; of many images an even spread is shown."""


def predictions(found: Analysis) -> Iterator[Block]:
    shown = found.gallery
    if isinstance(shown, Missing):
        return
    yield Heading("Predictions", anchor="predictions")
    data, count = _data(shown)
    how = (
        "Out of fold: no model is shown on an image that it was trained on."
        if shown.out_of_fold
        else "On validation images, by which the search chose: single trainings of the search, "
        "not of the final evaluation."
    )
    some = "" if count == len(shown.ids) else f" {count} of {plural(len(shown.ids), 'image')} are shown, evenly spread."
    yield paragraph(
        f"{how}{some} IoU is of the image alone{', the mean over its classes' if len(shown.classes) > 1 else ''}.",
        quiet=True,
    )
    yield Viewer(data)


def brief(found: Analysis) -> Iterator[Block]:
    shown = found.gallery
    if isinstance(shown, Missing):
        return
    picture = overlays(shown)
    if isinstance(picture, Missing):
        return
    scores = [f"{case.title.lower()} {formats.rounded(case.iou)}" for case in picture.cases]
    yield Heading("Predictions")
    yield Figure(
        "predictions",
        "Worst, median and best prediction",
        f"{picture.label} {'out of fold ' if shown.out_of_fold else ''}on {plural(picture.num_images, 'image')} with "
        f"foreground, IoU of the image alone: "
        f"{formats.listing(scores)}. "
        "White outlines the truth; light grey is padding and is not counted.",
        lambda: draw_overlays(picture),
        photo=True,
    )


def _data(shown: Gallery) -> tuple[dict[str, object], int]:
    """What the viewer reads, and how many images are in it."""
    num_classes = len(shown.classes)
    pictures = [webp(image) for image in shown.images]
    truths = [mask_png(_counting(shown, shown.truth[row], row), num_classes) for row in range(len(shown.ids))]
    masks = [
        [
            None if mask is None else mask_png(_counting(shown, mask, row), num_classes)
            for row, mask in enumerate(model.masks)
        ]
        for model in shown.models
    ]
    rows = _rows(
        [
            len(pictures[row]) + len(truths[row]) + sum(len(own[row] or "") for own in masks)
            for row in range(len(shown.ids))
        ]
    )
    images = [
        {
            "name": shown.ids[row],
            "image": pictures[row],
            "truth": truths[row],
            "share": formats.percent(shown.shares[row]),
            "smallest": None if shown.smallest[row] is None else _rounded(shown.smallest[row], 6),
        }
        for row in rows
    ]
    models = [
        {
            "label": model.label,
            "masks": [own[row] for row in rows],
            "iou": [_rounded(model.iou(row)) for row in rows],
            **_by_class(model, rows, num_classes),
        }
        for model, own in zip(shown.models, masks, strict=True)
    ]
    return {"classes": list(shown.classes), "step": mask_step(num_classes), "images": images, "models": models}, len(
        rows
    )


def _by_class(model: Predicted, rows: Sequence[int], num_classes: int) -> dict[str, object]:
    if num_classes < 2:
        return {}
    return {"by_class": [[_rounded(iou) for iou in model.ious[row]] for row in rows]}


def _counting(shown: Gallery, mask: np.ndarray, row: int) -> np.ndarray:
    """A mask with nothing in the padding."""
    return np.where(shown.valid[row], mask, 0).astype(np.uint8)


def _rows(sizes: Sequence[int]) -> list[int]:
    """As many images as fit into MOST_BYTES, evenly spread, in order."""
    count = len(sizes)
    for kept in range(count, 0, -1):
        rows = [round(place * (count - 1) / max(1, kept - 1)) for place in range(kept)]
        if sum(sizes[row] for row in rows) <= MOST_BYTES or kept == 1:
            return rows
    return []


def _rounded(value: float | None, places: int = 4) -> float | None:
    return None if value is None else round(formats.settled(value), places)
