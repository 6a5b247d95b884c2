"""The portfolio: good recipes of different kind, in the order in which they are tried.

Each is the default configuration with other values of one to three hyperparameters. A search proposes them before its
tuner chooses. A short budget compares only the first few.
"""

import json
from collections.abc import Mapping, Sequence

from search_spaces.architectures import ARCHITECTURES
from search_spaces.defaults import default_configuration
from search_spaces.hyperparameters import Value
from search_spaces.space import HYPERPARAMETERS, OF_BACKBONE, Range, Space

VARIATIONS: tuple[Mapping[str, Value], ...] = (
    {},
    {"architecture": "linknet", "backbone": "efficientnet_lite1"},
    {"backbone": "efficientnet_lite2", "augmentation": 0.75},
    {"architecture": "pspnet"},
    {"backbone": "efficientnet_lite1", "loss": "dice", "learning_rate": 2e-3},
    {"image_size": 288},
    {"architecture": "unet"},
    {"backbone": "efficientnet_lite1", "loss": "tversky"},
    {"architecture": "linknet", "loss": "focal"},
    {"backbone": "efficientnet_lite2", "learning_rate": 5e-4},
    {"architecture": "unet", "backbone": "efficientnet_lite2", "augmentation": 0.75},
    {"architecture": "fpn"},
    {"architecture": "unet", "backbone": "mobilenet"},
    {"architecture": "linknet", "backbone": "mobilenetv2"},
)
"""The values that each changes in the default configuration."""


def portfolio(space: Space) -> tuple[dict[str, Value], ...]:
    """The active values of each variation within `space`, distinct, the default configuration first.

    A variation with a value that the space lacks is left out: half of it would be another recipe.
    """
    found: dict[str, dict[str, Value]] = {}
    for variation in VARIATIONS:
        if all(_has(getattr(space, name), value) for name, value in variation.items()):
            values = active({**whole(space), **variation})
            found.setdefault(json.dumps(values, sort_keys=True), values)
    return tuple(found.values())


def whole(space: Space) -> dict[str, Value]:
    """The default configuration with a backbone, even if its own architecture has none."""
    recipe = default_configuration(space)
    if space.backbone:
        first = {name: _first(getattr(space, name)) for name in OF_BACKBONE if getattr(space, name)}
        recipe = {**first, **recipe}
    return recipe


def active(values: Mapping[str, Value]) -> dict[str, Value]:
    """`values` in the order of a space's fields, without those of a backbone if the architecture has none."""
    takes_backbone = ARCHITECTURES[str(values["architecture"])].has_backbone
    return {
        name: values[name] for name in HYPERPARAMETERS if name in values and (takes_backbone or name not in OF_BACKBONE)
    }


def _first(values: Sequence[Value] | Range) -> Value:
    return values.min if isinstance(values, Range) else values[0]


def _has(values: Sequence[Value] | Range, value: Value) -> bool:
    return values.min <= float(value) <= values.max if isinstance(values, Range) else value in values
