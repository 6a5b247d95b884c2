"""A search space as a YAML file declares it: names and ranges, checked before anything is built."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from search_spaces.architectures import ARCHITECTURES
from search_spaces.backbones import BACKBONES
from search_spaces.losses import LOSSES
from search_spaces.optimizers import OPTIMIZERS, SCHEDULES

TABLES: dict[str, Mapping[str, object]] = {
    "architecture": ARCHITECTURES,
    "backbone": BACKBONES,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
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
    """The choices that a search has. Every field is a list of values; `augmentation`, `learning_rate` and `weight_decay` may be a
    `Range` instead.

    `image_size` is in pixels, the side of the square that an image is fitted into; `augmentation` is a strength from 0 (none)
    to 1; `encoder_weights` is "imagenet", "none" or the path of a weights file. Architectures without a backbone ignore
    `backbone` and `encoder_weights`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: Names
    backbone: tuple[str, ...] = ()
    encoder_weights: Names = ("none",)
    loss: Names = ("bce_dice",)
    augmentation: tuple[Fraction, ...] | Range = (0.5,)
    image_size: Sizes = (192,)
    batch_size: BatchSizes = (8,)
    optimizer: Names = ("adam",)
    learning_rate: tuple[Positive, ...] | Range = (1e-3,)
    schedule: Names = ("cosine",)
    weight_decay: tuple[NotNegative, ...] | Range = (0.0,)

    @field_validator("architecture", "backbone", "loss", "optimizer", "schedule")
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

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        needing = [name for name in self.architecture if ARCHITECTURES[name].has_backbone]
        if needing and not self.backbone:
            raise ValueError(f"{', '.join(needing)} need a backbone; choose from {', '.join(BACKBONES)}")
        for name in self.architecture:
            multiple = ARCHITECTURES[name].size_multiple
            for size in self.image_size:
                if size % multiple:
                    near = sorted({max(1, size // multiple) * multiple, (size // multiple + 1) * multiple})
                    raise ValueError(
                        f"image_size {size} is impossible for {name}, which needs a multiple of {multiple}; "
                        f"choose {' or '.join(map(str, near))} (96, 192 and 288 suit every architecture)"
                    )
        for part, least, most in (("augmentation", 0, 1), ("learning_rate", 1e-9, 1e3), ("weight_decay", 0, 1e3)):
            values = getattr(self, part)
            if isinstance(values, Range) and not least <= values.min < values.max <= most:
                raise ValueError(f"{part} goes from {least:g} to {most:g}, not from {values.min:g} to {values.max:g}")
        return self

    @property
    def pretrained_backbones(self) -> tuple[tuple[str, str], ...]:
        """The (backbone, encoder_weights) pairs of this space that need a weights file."""
        if not any(ARCHITECTURES[name].has_backbone for name in self.architecture):
            return ()
        return tuple((name, weights) for weights in self.encoder_weights if weights != "none" for name in self.backbone)
