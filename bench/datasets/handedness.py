"""Classes that a mirror would turn into each other, or into something that does not exist: a left and a right one."""

import re
from collections.abc import Sequence

from bench.errors import DataError, unknown

_SIDE = re.compile(r"(?<![^\W_])(left|right)(?![^\W_])", re.IGNORECASE)


def handed_classes(classes: Sequence[str], named: Sequence[str] | None) -> tuple[str, ...]:
    """The classes that forbid mirroring: those `named` by an experiment (() for none), or by a rule if that is None.

    The rule: two classes whose names differ only in the word left or right, such as "left lung" beside "right_lung".
    Raises DataError for a name that is no class.
    """
    if named is not None:
        for name in named:
            if name not in classes:
                raise DataError(unknown("class", name, classes, "data: no_flip"))
        return tuple(name for name in classes if name in named)
    sides: dict[str, set[str]] = {}
    for name in classes:
        sides.setdefault(_without_side(name), set()).update(found.lower() for found in _SIDE.findall(name))
    return tuple(name for name in classes if _SIDE.search(name) and len(sides[_without_side(name)]) == 2)


def _without_side(name: str) -> str:
    return re.sub(r"[\W_]+", " ", _SIDE.sub("|", name)).strip().lower()
