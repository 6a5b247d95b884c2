"""Errors that a user can mend: one line each, printed by `bench.cli`, which turns them into exit code 2."""

import difflib
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """Something outside the program is wrong; the message is one line that names the value, the place and the
    choices."""


class DataError(UserError):
    """A data set cannot be used as it is: the message names the file."""


class ExperimentError(UserError):
    """An experiment or a search space asks for something that does not exist or does not fit together."""


class StoreError(UserError):
    """Records cannot be read or written: the message names the path."""


def unknown(kind: str, name: object, choices: Iterable[object], where: str | None = None) -> str:
    """The one wording for a name that is not in its table.

    >>> unknown("loss", "dcie", ["bce", "dice"], "quick.yaml")
    "unknown loss 'dcie' in quick.yaml; choose from bce, dice"
    """
    place = f" in {where}" if where else ""
    return f"unknown {kind} {str(name)!r}{place}; choose from {', '.join(map(str, choices))}"


def closest(name: str, choices: Sequence[str]) -> str:
    """ " (did you mean loss?)" where one of the choices is nearly `name`, else nothing."""
    near = difflib.get_close_matches(name, choices, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
