"""The default configuration, which every search tries first, as near as a space allows; and the original baseline."""

import math
from collections.abc import Sequence

from search_spaces.architectures import ARCHITECTURES
from search_spaces.hyperparameters import Value
from search_spaces.space import HYPERPARAMETERS, OF_BACKBONE, Range, Space

DEFAULT: dict[str, Value] = {name: row.default for name, row in HYPERPARAMETERS.items() if row.default is not None}
"""A good start on most data sets. A hyperparameter without a value here (batch size) takes the first one of the
space."""

ORIGINAL_BASELINE: dict[str, Value] = {
    "architecture": "plain_unet",
    "loss": "bce",
    "augmentation": 0.5,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "weight_decay": 0.0,
}
"""The original baseline; hyperparameters that came later have their default."""


def default_configuration(space: Space) -> dict[str, Value]:
    """The active values of the configuration of `space` that is nearest to `DEFAULT`.

    If the space lacks a name, its first one is taken; if it lacks a number, the nearest (learning rates: by ratio), of
    two equally near ones the first.
    """
    recipe = {name: _nearest(name, getattr(space, name)) for name in HYPERPARAMETERS if getattr(space, name)}
    if not ARCHITECTURES[str(recipe["architecture"])].has_backbone:
        recipe = {name: value for name, value in recipe.items() if name not in OF_BACKBONE}
    return recipe


def original_baseline(space: Space) -> dict[str, Value]:
    """The original baseline, with which the project began: a plain U-Net of 16 start filters without pretraining,
    binary cross-entropy, Adam at a constant 1e-3, augmentation at half strength. It has the largest image size and the
    first batch size of the space."""
    whole = {**DEFAULT, "image_size": max(space.image_size), "batch_size": space.batch_size[0], **ORIGINAL_BASELINE}
    return {name: whole[name] for name, row in HYPERPARAMETERS.items() if name in whole and not row.of_backbone}


def _nearest(name: str, values: Sequence[Value] | Range) -> Value:
    wanted = DEFAULT.get(name)
    if isinstance(values, Range):
        return min(max(float(wanted or 0.0), values.min), values.max)
    if wanted in values:
        return values[values.index(wanted)]
    if isinstance(wanted, int | float):
        return min(values, key=lambda value: _distance(name, float(value), float(wanted)))
    return values[0]


def _distance(name: str, value: float, wanted: float) -> float:
    by_ratio = HYPERPARAMETERS[name].kind == "rate" and min(value, wanted) > 0
    return abs(math.log(value / wanted)) if by_ratio else abs(value - wanted)
