"""Rows by one factor at a time: how the trials with this loss, this backbone, this image size did.

Groups are neither equal in number nor paired: what stands here describes the trials. `effects.py` sets the other
factors apart.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.analysis.leaderboard import Row, counted
from bench.formats import power
from bench.records import COMPLETED, TROUBLES, HyperparameterValue, Status
from search_spaces.hyperparameters import Kind
from search_spaces.space import HYPERPARAMETERS

Hyperparameters = Mapping[str, HyperparameterValue]

Bin = tuple[float, str]
"""Where a level stands among the others (equal: by score) and what it is called."""

NOT_SET: Bin = (float("inf"), "not applicable")
"""The level of trials without the factor, such as the backbone of an architecture that has none."""


MOST_EXACT = 6
"""So many round numbers are compared one by one; more of them, and draws from a range, are grouped."""


def _by_name(value: object) -> Bin:
    return 0.0, str(value)


def _by_file_name(value: object) -> Bin:
    """Names, and paths by their last part."""
    return _by_name(str(value).rsplit("/", 1)[-1])


def _by_number(value: object) -> Bin:
    return (float(value), f"{value:g}") if isinstance(value, int | float) else _by_name(value)


def _by_quarter(value: object) -> Bin:
    """Strengths 0-1: none at all, then quarters that hold their upper end."""
    if not isinstance(value, int | float):
        return _by_name(value)
    if value == 0:
        return -1.0, "0 (none)"
    for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 0.75)):
        if value <= high:
            return low, f"{low:g} to {high:g}"
    return 0.75, "0.75 to 1"


def _by_third_of_a_decade(value: object) -> Bin:
    """Rates on a logarithmic scale: 1-2, 2-5, 5-10 of each decade, lower end included."""
    if not isinstance(value, int | float) or value <= 0:
        return _by_name(value)
    mantissa, exponent = (float(part) for part in f"{value:.9e}".split("e"))
    low, high = next(edges for edges in ((5, 10), (2, 5), (1, 2)) if mantissa >= edges[0])
    start = low * 10**exponent
    return start, f"{power(start)} to {power(high * 10**exponent)}"


@dataclass(frozen=True, slots=True)
class Factor:
    """`bin` names a value's level, and groups numbers of which there are many."""

    title: str
    bin: Callable[[object], Bin]


_BIN_OF: Mapping[Kind, Callable[[object], Bin]] = {
    "name": _by_name,
    "file": _by_file_name,
    "number": _by_number,
    "strength": _by_quarter,
    "rate": _by_third_of_a_decade,
}

FACTORS = {name: Factor(row.title, _BIN_OF[row.kind]) for name, row in HYPERPARAMETERS.items()}
"""What trials are compared by: a hyperparameter's name, its heading and how its values are grouped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The trials that share one value of a factor. `ious` are those of the ranked ones and of those that were stopped
    as collapsed or pruned, best first: without these a value would look good that often collapses or falls behind."""

    label: str
    ious: tuple[float, ...]
    ended: Mapping[Status, int]
    """How many ended in which way."""

    @property
    def lost(self) -> int:
        """How many did not complete."""
        return sum(self.ended.get(status, 0) for status in TROUBLES)

    @property
    def trials(self) -> int:
        """Those that have an IoU here."""
        return len(self.ious)

    @property
    def best(self) -> float | None:
        return self.ious[0] if self.ious else None

    @property
    def median(self) -> float | None:
        return median(self.ious) if self.ious else None


def compare(rows: Sequence[Row]) -> dict[str, tuple[Level, ...]]:
    """Levels by factor, numbers in order and names by their best IoU. A factor of which one value was tried is left
    out."""
    return _compared(
        [row.trial.hyperparameters for row in rows], lambda at, label: _level(label, [rows[n] for n in at])
    )


def compare_candidates(scored: Sequence[tuple[Hyperparameters, float]]) -> dict[str, tuple[Level, ...]]:
    """The same of candidates of a final evaluation, each with its IoU out of fold."""

    def level(at: Sequence[int], label: str) -> Level:
        ious = tuple(sorted((scored[n][1] for n in at), reverse=True))
        return Level(label=label, ious=ious, ended={COMPLETED: len(at)})

    return _compared([values for values, _ in scored], level)


def _compared(
    tried: Sequence[Hyperparameters], level: Callable[[Sequence[int], str], Level]
) -> dict[str, tuple[Level, ...]]:
    """`level` makes a level of the positions of those that share a value, and its label."""
    compared = {name: _levels(_bins(tried, name), level) for name in FACTORS}
    labels = {name: [each.label for each in levels if each.label != NOT_SET[1]] for name, levels in compared.items()}
    return {name: levels for name, levels in compared.items() if len(labels[name]) > 1}


def _levels(keys: Sequence[Bin], level: Callable[[Sequence[int], str], Level]) -> tuple[Level, ...]:
    groups: dict[Bin, list[int]] = {}
    for position, key in enumerate(keys):
        groups.setdefault(key, []).append(position)
    levels = {key: level(group, key[1]) for key, group in groups.items()}
    return tuple(levels[key] for key in sorted(levels, key=lambda key: (key[0], -(levels[key].best or 0.0), key[1])))


def bins(rows: Sequence[Row], factor: str) -> tuple[Bin, ...]:
    """The level of each row; which numbers are grouped depends on how many different ones the rows have."""
    return _bins([row.trial.hyperparameters for row in rows], factor)


def _bins(tried: Sequence[Hyperparameters], factor: str) -> tuple[Bin, ...]:
    values = [each.get(factor) for each in tried]
    bin_of = _by_number if _are_few_round_numbers(values) else FACTORS[factor].bin
    return tuple(NOT_SET if value is None else bin_of(value) for value in values)


def _are_few_round_numbers(values: Sequence[object]) -> bool:
    different = set(values) - {None}
    return len(different) <= MOST_EXACT and all(
        isinstance(value, int | float) and float(f"{value:.2g}") == value for value in different
    )


def _level(label: str, rows: Sequence[Row]) -> Level:
    scored = (row.iou for row in rows if row.compares and row.iou is not None)
    return Level(
        label=label,
        ious=tuple(sorted(scored, reverse=True)),
        ended=counted(rows),
    )
