"""A configuration: its hyperparameters, the key and the name that it is known by, and what a tuner has noted beside
it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from bench.records.limits import MOST_OF_A_COUNT
from search_spaces.space import HYPERPARAMETERS

HyperparameterValue = str | int | float | bool

NOTED = "tuner/"
"""What Keras Tuner's names begin with that are a tuner's own notes, and no hyperparameters."""

_NUMBERS = tuple(name for name, row in HYPERPARAMETERS.items() if row.kind in ("number", "strength", "rate"))

_COUNTS = (
    *(name for name, row in HYPERPARAMETERS.items() if row.kind == "number"),
    *(f"{NOTED}{noted}" for noted in ("epochs", "initial_epoch", "bracket", "round")),
)


def _fit_their_names(values: Mapping[str, HyperparameterValue]) -> Mapping[str, HyperparameterValue]:
    for name, value in values.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if (name in _NUMBERS and not (is_number and float(value) >= 0)) or (
            name in _COUNTS and not (isinstance(value, int) and is_number and 0 <= value <= MOST_OF_A_COUNT)
        ):
            raise ValueError(f"{name} is {str(value)[:40]!r}")
    return values


Hyperparameters = Annotated[Mapping[str, HyperparameterValue], AfterValidator(_fit_their_names)]
"""Values by name. The names whose values are computed with have numbers of the right kind."""

Key = tuple[str, str]
"""Names a trial within its run: its study and its own id."""


def configuration_of(hyperparameters: Mapping[str, HyperparameterValue]) -> dict[str, HyperparameterValue]:
    """Without what a tuner has noted beside it ("tuner/epochs", "tuner/bracket", ...), which is bookkeeping."""
    return {name: value for name, value in hyperparameters.items() if not name.startswith(NOTED)}


def configuration_key(hyperparameters: Mapping[str, HyperparameterValue]) -> str:
    """Equal for equal configurations: a configuration is known by it, not by its name."""
    return json.dumps(configuration_of(hyperparameters), sort_keys=True)


def configuration_name(hyperparameters: Mapping[str, HyperparameterValue]) -> str:
    """What the files of a configuration are called: sixteen hexadecimal digits."""
    return hashlib.sha256(configuration_key(hyperparameters).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """Where a trial stands with a tuner that promotes: `epochs` is its length in the tuner's unit, `rung` counts from 0
    in its `bracket`, and `parent` is the trial of its study that it was promoted from (None: its first training)."""

    epochs: int | None
    bracket: int
    rung: int | None
    parent: str | None

    @classmethod
    def of(cls, hyperparameters: Mapping[str, HyperparameterValue]) -> "Promotion | None":
        """What such a tuner has noted beside a configuration, in Keras Tuner's words; None for any other tuner's."""
        noted = {name: hyperparameters.get(f"{NOTED}{name}") for name in ("epochs", "bracket", "round", "trial_id")}
        if noted["epochs"] is None and noted["round"] is None and noted["trial_id"] is None:
            return None
        return cls(
            epochs=None if noted["epochs"] is None else int(noted["epochs"]),
            bracket=int(noted["bracket"] or 0),
            rung=None if noted["round"] is None else int(noted["round"]),
            parent=None if noted["trial_id"] is None else str(noted["trial_id"]),
        )


class Configured:
    """A record of one configuration."""

    __slots__ = ()
    hyperparameters: Mapping[str, HyperparameterValue]

    @property
    def configuration(self) -> str:
        """Equal for equal configurations."""
        return configuration_key(self.hyperparameters)


class Proposed(Configured):
    """A configuration that a tuner has proposed."""

    __slots__ = ()
    study_id: str
    trial_id: str

    @property
    def key(self) -> Key:
        """Names the trial within its run."""
        return self.study_id, self.trial_id

    @property
    def promotion(self) -> Promotion | None:
        return Promotion.of(self.hyperparameters)
