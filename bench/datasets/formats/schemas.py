"""What COCO, VIA and LabelMe files must look like before they are read: types, lengths, names that records can hold.

Lists of items are checked item by item by the readers, so that one odd entry costs one entry.
"""

import math
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bench.datasets.images import PIXEL_LIMIT

_LONGEST_NAME = 200
_LONGEST_PATH = 4096


def _as_id(value: Any) -> str:
    """1, 1.0 and "1" are one id."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("is no id")
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError("is no id")
        value = int(value)
    text = str(value).strip()
    if not text or len(text) > _LONGEST_NAME:
        raise ValueError("is no id")
    return _writable(text)


def _as_side(value: Any) -> int | None:
    """A side in pixels; None where the file does not say one (null, 0, a negative number)."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("is no number of pixels") from error
    if not math.isfinite(number) or not number.is_integer() or number > PIXEL_LIMIT:
        raise ValueError("is no number of pixels")
    return int(number) if number > 0 else None


def _as_name(value: Any) -> str:
    """A class name in one line without blanks around it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("is no name")
    text = " ".join(str(value).split())
    if not text:
        raise ValueError("is empty")
    if len(text) > _LONGEST_NAME:
        raise ValueError(f"has {len(text)} characters; a class name may have {_LONGEST_NAME}")
    return _writable("".join(letter if letter.isprintable() else "?" for letter in text))


def _as_path(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is no file name")
    if len(value) > _LONGEST_PATH:
        raise ValueError("is longer than a path can be")
    return _writable(value)


def _writable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("is no text that can be written as UTF-8") from error
    return text


Id = Annotated[str, BeforeValidator(_as_id)]
Side = Annotated[int | None, BeforeValidator(_as_side)]
Name = Annotated[str, BeforeValidator(_as_name)]
FileName = Annotated[str, BeforeValidator(_as_path)]


class _Item(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class CocoCategory(_Item):
    id: Id
    name: Name


class CocoImage(_Item):
    id: Id
    file_name: FileName
    width: Side = None
    height: Side = None


class CocoAnnotation(_Item):
    image_id: Id
    category_id: Id
    segmentation: Any = None
    bbox: Any = None


class ViaRegion(_Item):
    shape_attributes: dict[str, Any]
    region_attributes: dict[str, Any] | None = None


class ViaEntry(_Item):
    filename: FileName
    regions: dict[str, Any] | list[Any] | None = None


class LabelMeShape(_Item):
    label: Name
    points: list[Any] = Field(default_factory=list)
    shape_type: str | None = None
    mask: str | None = None


class LabelMeFile(_Item):
    imagePath: Annotated[FileName | None, Field(default=None)]  # noqa: N815  the file's own words
    imageHeight: Side = None  # noqa: N815
    imageWidth: Side = None  # noqa: N815
    shapes: list[Any]


Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], content: Any) -> Model | str:
    """The item as its model, or what is wrong with it in a few words."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        location = ".".join(str(part) for part in first["loc"][:2])
        said = first["msg"].removeprefix("Value error, ")
        return f"{location} {said[0].lower()}{said[1:]}" if location else said
    except RecursionError:
        return "it is nested too deeply"
