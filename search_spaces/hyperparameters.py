"""What the project must know of a hyperparameter: one row, beside the field of `Space` that declares it.

Defaults, factors of a report, the identity of a compiled graph and the cost of a training follow from the rows; nothing else lists
hyperparameters.
"""

from dataclasses import dataclass
from typing import Literal

Value = str | int | float

Kind = Literal["name", "file", "number", "strength", "rate"]
"""How values are told apart: by name; by the last part of a path; numbers one by one; strengths from 0 to 1; rates by their ratio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameter:
    """`default` is the default configuration's value, as near as a space has it (None: the first that it lists). `in_graph` says what of it
    a compiled graph depends on: its value, or whether it is above 0; what is "not" is a variable of the graph, set before each trial.
    `costs`: it makes a step dearer without another graph. `of_backbone`: only an architecture with a backbone has it. `tuned_finely`: two values of it
    are no two models to choose between. A `Range` of it stays within `limits`."""

    title: str
    kind: Kind
    default: Value | None = None
    in_graph: Literal["not", "value", "above 0"] = "not"
    costs: bool = False
    of_backbone: bool = False
    tuned_finely: bool = False
    limits: tuple[float, float] | None = None
