"""The section `data`: where the images are, and what their annotations do not say by themselves."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, StrictBool, StrictInt, field_validator, model_validator

from bench.datasets.dataset import MASK_RESIZE, DataOptions
from bench.errors import unknown
from bench.experiments.section import Section, said_of
from bench.formats import shortened
from bench.options import SAMPLE

PARTS = ("train", "val", "test")

MOST_WILDCARDS = 8
"""Of a pattern: each more may take the square of the time to be matched."""


class Data(Section):
    """Where the images are, and what their annotations do not say by themselves; see `DataOptions`. No image is
    mirrored if the data has a class of `no_flip` (None: by the rule of `bench.datasets.handedness`)."""

    path: str = said_of("path", SAMPLE)
    classes: Mapping[str, StrictInt | str] = Field(default_factory=dict)
    ignore: tuple[StrictInt | str, ...] = ()
    images: str | None = None
    masks: str | None = None
    split_prefixes: Mapping[str, str] = Field(default_factory=dict)
    skip_unreadable: StrictBool = said_of("skip_unreadable", False)
    allow_outside: StrictBool = False
    mask_resize: str = "majority"
    no_flip: tuple[str, ...] | None = None

    @field_validator("classes", "ignore", "no_flip", mode="before")
    @classmethod
    def _names_are_text(cls, said: object) -> object:
        """YAML reads no, off, yes, on and null as something else than the words that they are."""
        words = [*said, *said.values()] if isinstance(said, Mapping) else said if isinstance(said, list | tuple) else ()
        for word in words:
            if word is None or isinstance(word, bool):
                values = "yes, no, on, off, true, false and null"
                raise ValueError(
                    f"a name reads as {json.dumps(word)}; YAML takes {values} for values: put it in quotes"
                )
        return said

    @field_validator("path")
    @classmethod
    def _path_is_one(cls, path: str) -> str:
        if not path or "\0" in path or len(path) > 4096:
            raise ValueError(f"{shortened(path, 60)!r} is no path")
        try:
            Path(path).expanduser()
        except RuntimeError as error:
            raise ValueError(f"{shortened(path, 60)!r} names a home folder that is not known") from error
        return path

    @field_validator("images", "masks")
    @classmethod
    def _patterns_are_short(cls, pattern: str | None) -> str | None:
        if pattern is not None and (len(pattern) > 400 or pattern.count("*") > MOST_WILDCARDS or "\0" in pattern):
            raise ValueError(f"a pattern has 400 characters and {MOST_WILDCARDS} wildcards at the most")
        return pattern

    @model_validator(mode="after")
    def _patterns_come_in_pairs(self) -> Self:
        if (self.images is None) != (self.masks is None):
            raise ValueError("images and masks are patterns that belong together: give both, or neither")
        return self

    @field_validator("mask_resize")
    @classmethod
    def _rule_exists(cls, rule: str) -> str:
        if rule not in MASK_RESIZE:
            raise ValueError(unknown("rule", rule, MASK_RESIZE))
        return rule

    @field_validator("split_prefixes")
    @classmethod
    def _parts_exist(cls, prefixes: Mapping[str, str]) -> Mapping[str, str]:
        for part in prefixes.values():
            if part not in PARTS:
                raise ValueError(unknown("part", part, PARTS))
        return prefixes

    @property
    def options(self) -> DataOptions:
        return DataOptions(
            classes=self.classes,
            ignore=self.ignore,
            images=self.images,
            masks=self.masks,
            split_prefixes=self.split_prefixes,
            skip_unreadable=self.skip_unreadable,
            allow_outside=self.allow_outside,
            mask_resize=self.mask_resize,
        )
