"""What is decided about the masks of a data set, and the names that values or colours have been given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.datasets.dataset import ANY, VOID
from bench.datasets.formats.mask_files import Meaning
from bench.records import Finding

VOID_NAMES = ("void", "ignore", "ignored", "ignore_label")
"""Names in a file of classes (not in an experiment's `classes`) that stand for undecided pixels."""

BACKGROUND_NAMES = ("background", "_background_", "bg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Foreground classes, the meaning of every file, what is to be said, and files that do not fit with the reason."""

    classes: tuple[str, ...]
    meaning_of: Mapping[Path, Meaning]
    findings: tuple[Finding, ...] = ()
    odd: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Class names by value or "#rrggbb". `said_by` is the file that says so, "classes" for the experiment."""

    values: Mapping[str, int | str]
    said_by: str = "classes"

    @property
    def by_colour(self) -> bool:
        return any(is_colour(value) for value in self.values.values())

    @property
    def any_value(self) -> bool:
        return any(str(value).casefold() == ANY for value in self.values.values())

    @property
    def foreground(self) -> tuple[str, ...]:
        return tuple(name for name in self.values if self._id_kind(name) is None)

    def id_of(self, name: str) -> int:
        """Its class id: 0 for background, VOID for void, else its number in the order of the names."""
        special = self._id_kind(name)
        return self.foreground.index(name) + 1 if special is None else special

    def _id_kind(self, name: str) -> int | None:
        value, plain = self.values[name], name.strip().casefold()
        given = self.said_by == "classes" and (str(value).isdecimal() or is_colour(value))
        if plain in BACKGROUND_NAMES and (given or str(value) in ("0", "#000000")):
            return 0
        return VOID if self.said_by != "classes" and plain in VOID_NAMES else None


def is_colour(value: object) -> bool:
    text = str(value)
    return len(text) == 7 and text[0] == "#" and all(letter in "0123456789abcdefABCDEF" for letter in text[1:])
