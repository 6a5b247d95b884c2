"""A search space as a YAML file declares it: names and ranges, checked before anything is built."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from search_spaces.architectures import ARCHITECTURES
from search_spaces.backbones import BACKBONES
from search_spaces.class_weights import CLASS_WEIGHTS
from search_spaces.hyperparameters import Hyperparameter, Value
from search_spaces.losses import LOSSES
from search_spaces.optimizers import OPTIMIZERS, SCHEDULES
from search_spaces.views import AUTO, VIEWS, WHOLE

TABLES: dict[str, Mapping[str, object]] = {
    "architecture": ARCHITECTURES,
    "backbone": BACKBONES,
    "loss": LOSSES,
    "class_weights": CLASS_WEIGHTS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "view": VIEWS,
}


class Range(BaseModel):
    """All values from `min` to `max`; with `sampling: log` each decade is as likely as any other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: float
    max: float
    sampling: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.min < self.max:
            raise ValueError(f"min {self.min} is not below max {self.max}")
        if self.sampling == "log" and self.min <= 0:
            raise ValueError(f"min {self.min} must be above 0 with sampling: log")
        return self


Names = Annotated[tuple[str, ...], Field(min_length=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Sizes = Annotated[tuple[Annotated[int, Field(ge=32, le=2048)], ...], Field(min_length=1)]
BatchSizes = Annotated[tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(min_length=1)]


class Space(BaseModel):
    """The choices of a search. Every field is a list of values, or a `Range` if its type allows one, with its row of
    `HYPERPARAMETERS` beside it. The configurations of a space do not have its empty fields.

    - `image_size` is in pixels: the side of the square that an image is fitted into, or of the windows through which it
      is seen, by `view`.
    - `augmentation` is a strength from 0 (none) to 1.
    - `encoder_weights` is "imagenet", "none", the path of a weights file, or "run:NAME" for the encoder of the network
      that an earlier run delivered.
    - `frozen_start` is the fraction of a training in which pretrained layers are frozen.
    - `foreground_oversampling` is the fraction of a batch that is drawn from images with foreground, equally for each
      class.

    Architectures without a backbone ignore `backbone`, `encoder_weights` and `frozen_start`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: Annotated[
        Names, Hyperparameter(title="Architecture", kind="name", default="unet_slim", in_graph="value")
    ]
    backbone: Annotated[
        tuple[str, ...],
        Hyperparameter(title="Backbone", kind="name", default="efficientnet_lite0", in_graph="value", of_backbone=True),
    ] = ()
    encoder_weights: Annotated[
        Names, Hyperparameter(title="Encoder weights", kind="file", default="imagenet", of_backbone=True)
    ] = ("none",)
    frozen_start: Annotated[
        tuple[Fraction, ...] | Range,
        Hyperparameter(title="Frozen start", kind="strength", in_graph="above 0", of_backbone=True, limits=(0, 1)),
    ] = ()
    loss: Annotated[Names, Hyperparameter(title="Loss", kind="name", default="bce_dice")] = ("bce_dice",)
    class_weights: Annotated[Names, Hyperparameter(title="Class weights", kind="name", default="none")] = ("none",)
    augmentation: Annotated[
        tuple[Fraction, ...] | Range,
        Hyperparameter(title="Augmentation strength", kind="strength", default=0.5, limits=(0, 1)),
    ] = (0.5,)
    foreground_oversampling: Annotated[
        tuple[Fraction, ...] | Range,
        Hyperparameter(title="Foreground oversampling", kind="strength", limits=(0, 1)),
    ] = ()
    image_size: Annotated[
        Sizes, Hyperparameter(title="Image size (px)", kind="number", default=192, in_graph="value")
    ] = (192,)
    view: Annotated[Names, Hyperparameter(title="View", kind="name", default=WHOLE, costs=True)] = (AUTO,)
    batch_size: Annotated[BatchSizes, Hyperparameter(title="Batch size", kind="number", costs=True)] = (8,)
    optimizer: Annotated[Names, Hyperparameter(title="Optimizer", kind="name", default="adam", in_graph="value")] = (
        "adam",
    )
    learning_rate: Annotated[
        tuple[Positive, ...] | Range,
        Hyperparameter(title="Learning rate", kind="rate", default=1e-3, tuned_finely=True, limits=(1e-9, 1e3)),
    ] = (1e-3,)
    schedule: Annotated[Names, Hyperparameter(title="Learning-rate schedule", kind="name", default="cosine")] = (
        "cosine",
    )
    weight_decay: Annotated[
        tuple[NotNegative, ...] | Range,
        Hyperparameter(
            title="Weight decay", kind="rate", default=0.0, in_graph="above 0", tuned_finely=True, limits=(0, 1e3)
        ),
    ] = (0.0,)

    @field_validator("architecture", "backbone", "loss", "class_weights", "optimizer", "schedule", "view")
    @classmethod
    def _names_are_known(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        table = TABLES[info.field_name or ""]
        for name in names:
            if name not in table:
                raise ValueError(f"unknown {info.field_name} {name!r}; choose from {', '.join(table)}")
        return names

    @field_validator("*")
    @classmethod
    def _values_are_distinct(cls, values: object) -> object:
        if isinstance(values, tuple) and len(set(values)) < len(values):
            raise ValueError(f"a value is named twice in {list(values)}")
        return values

    @field_validator("view")
    @classmethod
    def _auto_stands_alone(cls, views: tuple[str, ...]) -> tuple[str, ...]:
        if AUTO in views and len(views) > 1:
            raise ValueError(
                f"view {AUTO} chooses one of the others and stands alone; choose [{AUTO}], or others without it"
            )
        return views

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        needing = [name for name in self.architecture if ARCHITECTURES[name].has_backbone]
        if needing and not self.backbone:
            raise ValueError(f"{', '.join(needing)} need a backbone; choose from {', '.join(BACKBONES)}")
        for name in needing:
            finest = ARCHITECTURES[name].finest
            if coarse := [each for each in self.backbone if BACKBONES[each].finest > finest]:
                raise ValueError(
                    f"backbone {coarse[0]} is impossible for {name}, which needs a map of 1/{finest} of the image, and "
                    f"{coarse[0]} has none; choose another backbone or another architecture"
                )
        for name in self.architecture:
            multiple = ARCHITECTURES[name].size_multiple
            for size in self.image_size:
                if size % multiple:
                    near = sorted({max(1, size // multiple) * multiple, (size // multiple + 1) * multiple})
                    raise ValueError(
                        f"image_size {size} is impossible for {name}, which needs a multiple of {multiple}; "
                        f"choose {' or '.join(map(str, near))} (96, 192 and 288 suit every architecture)"
                    )
        for part, row in HYPERPARAMETERS.items():
            values = getattr(self, part)
            least, most = row.limits or (-math.inf, math.inf)
            if isinstance(values, Range) and not least <= values.min < values.max <= most:
                raise ValueError(f"{part} goes from {least:g} to {most:g}, not from {values.min:g} to {values.max:g}")
        return self

    @property
    def pretrained_backbones(self) -> tuple[tuple[str, str], ...]:
        """The (backbone, encoder_weights) pairs of this space that need a weights file."""
        if not any(ARCHITECTURES[name].has_backbone for name in self.architecture):
            return ()
        return tuple((name, weights) for weights in self.encoder_weights if weights != "none" for name in self.backbone)


HYPERPARAMETERS: dict[str, Hyperparameter] = {
    name: next(row for row in field.metadata if isinstance(row, Hyperparameter))
    for name, field in Space.model_fields.items()
}
"""Name -> its row, in the order of every table."""

OF_BACKBONE = tuple(name for name, row in HYPERPARAMETERS.items() if row.of_backbone)
"""What an architecture without a backbone does not have."""

Part = tuple[str, Value | None]
"""A hyperparameter's name, and what of its value counts; None where a configuration lacks it."""


def graph_identity(values: Mapping[str, Value]) -> tuple[Part, ...]:
    """What two configurations must have in common to share a compiled graph."""
    return tuple((name, _in_graph(row, values.get(name))) for name, row in HYPERPARAMETERS.items() if _is_in_graph(row))


def cost_identity(values: Mapping[str, Value]) -> tuple[Part, ...]:
    """What two configurations must have in common for their steps to cost the same."""
    return tuple(
        (name, _in_graph(row, values.get(name)) if _is_in_graph(row) else values.get(name))
        for name, row in HYPERPARAMETERS.items()
        if _is_in_graph(row) or row.costs
    )


def _is_in_graph(row: Hyperparameter) -> bool:
    return row.in_graph != "not"


def _in_graph(row: Hyperparameter, value: Value | None) -> Value | None:
    return float(value or 0) > 0 if row.in_graph == "above 0" else value
