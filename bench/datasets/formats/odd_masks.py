"""Files that stand where masks should and are none, and masks whose values were changed."""

from collections.abc import Sequence
from pathlib import Path

from bench.datasets.formats.mask_looks import MaskLook
from bench.errors import DataError

_BYTE = 256
_SHOWN = 8


def without_photographs(looks: Sequence[MaskLook]) -> tuple[list[MaskLook], dict[Path, str]]:
    """The masks that are no photographs, and a message for each that is. Raises DataError if all are."""
    photographs = [look.path for look in looks if look.photograph]
    said = (
        "is a photograph, or a drawing laid over one: hardly two of its pixels that touch are equal; "
        "export the masks themselves (class ids, or black and white), "
        "or say where they are with data: {images: GLOB, masks: GLOB}"
    )
    if photographs and len(photographs) == len(looks):
        more = f" (and so are the {len(looks) - 1} others)" if len(looks) > 1 else ""
        raise DataError(f"mask {photographs[0]} {said}{more}")
    return [look for look in looks if not look.photograph], {path: f"mask {path} {said}" for path in photographs}


def refuse_upper_byte(looks: Sequence[MaskLook], values: Sequence[int]) -> None:
    """Raises DataError if all `values` that the masks hold beside 0 are multiples of 256.

    Multiples of 257 are 8 bit stretched to 16, and are read as such.
    """
    if max(values, default=0) < _BYTE or any(value % _BYTE for value in values):
        return
    holder = next(look.path for look in looks if max(values) in look.counts)
    shown = ", ".join(map(str, values[:_SHOWN]))
    raise DataError(
        f"mask {holder} and others hold the values {shown}, all of them multiples of {_BYTE}: "
        f"values of 8 bit that were moved to the upper byte of 16; divide them by {_BYTE} and save masks with 8 bit"
    )
