"""What a record may hold, whoever wrote it: kinds of fields with their bounds, and limits of every value of a file.

A record comes with a run, and a run may come from anywhere. After `bench.records.store.load` nothing needs to expect a
number that is none, a count below zero or a text that cannot be written.
"""

import math
from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field

MOST = 2**53
"""Numbers of a record are below it: up to there every program keeps them exactly."""

LONGEST_TEXT = 2**16
"""Characters. The longest text is the commands of a run that was resumed often."""

DEEPEST = 16
"""Lists and objects within each other."""

MOST_FOLDS = 1000

MOST_OF_A_COUNT = 10**7
"""Of epochs, pixels of a side, images of a batch."""

Whole = Annotated[int, Field(strict=True, ge=0, lt=MOST)]
Fold = Annotated[int, Field(strict=True, ge=0, lt=MOST_FOLDS)]
Side = Annotated[int, Field(strict=True, ge=1, le=10**6)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Seconds = Annotated[float, Field(strict=True, ge=0, lt=MOST, allow_inf_nan=False)]
Fraction = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]


def _is_moment(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is no time such as 2026-01-31T12:00:00+00:00") from None
    return text


Moment = Annotated[str, Field(max_length=40), AfterValidator(_is_moment)]


def _is_name_of_a_file(text: str) -> str:
    parts = text.split("/")
    if not text or "\\" in text or "\0" in text or any(part in ("", ".", "..") for part in parts):
        raise ValueError("is no name of a file inside the run's folder")
    return text


def _is_part_of_a_name(text: str) -> str:
    if not text.isprintable() or "/" in _is_name_of_a_file(text):
        raise ValueError("is no name that a file may have")
    return text


Identifier = Annotated[str, Field(max_length=200), AfterValidator(_is_part_of_a_name)]
"""Of a study or a trial: files are called by it."""

Inside = Annotated[str, Field(max_length=4096), AfterValidator(_is_name_of_a_file)]
"""A path inside the run's folder."""


def one_of(choices: Collection[str]) -> AfterValidator:
    """A text that is one of `choices`."""

    def is_known(text: str) -> str:
        if text not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return text

    return AfterValidator(is_known)


def excess(content: Any) -> tuple[tuple[Any, ...], str] | None:
    """What no record and no experiment may hold: the place of the value and what is wrong with it; None where all is
    well. Walks without recursion."""
    waiting: list[tuple[Any, tuple[Any, ...]]] = [(content, ())]
    while waiting:
        value, place = waiting.pop()
        if isinstance(value, dict):
            inside = list(value.items())
        elif isinstance(value, list | tuple):
            inside = list(enumerate(value))
        else:
            wrong = _of_value(value)
            if wrong:
                return place, wrong
            continue
        if inside and len(place) >= DEEPEST:
            return place[:3], "is nested too deeply"
        for key, each in inside:
            wrong = _of_value(key)
            if wrong:
                return place, f"a name in it {wrong}"
            waiting.append((each, (*place, key)))
    return None


def field(place: Collection[Any]) -> str:
    """A place in a record in words: `curve.3.val_iou`; of long names the beginning."""
    return ".".join(str(part)[:60] for part in place) or "the record"


def _of_value(value: Any) -> str | None:
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, float):
        return None if math.isfinite(value) else f"is {value}, which is no finite number"
    if isinstance(value, int) and abs(value) >= MOST:
        return f"is a whole number of {value.bit_length()} bits, and may have {MOST.bit_length() - 1}"
    return None


def _of_text(text: str) -> str | None:
    if len(text) > LONGEST_TEXT:
        return f"has {len(text)} characters, and may have {LONGEST_TEXT}"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "is no text that can be written as UTF-8"
    return None
