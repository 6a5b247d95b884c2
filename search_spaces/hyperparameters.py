"""Facts about a hyperparameter: one row, beside the field of `Space` that declares it.

Defaults, factors of a report, the identity of a compiled graph and the cost of a training follow from the rows. No
other code lists hyperparameters.
"""

from dataclasses import dataclass
from typing import Literal

Value = str | int | float

Kind = Literal["name", "file", "number", "strength", "rate"]
"""How values are compared: by name; by the last part of a path; numbers one by one; strengths from 0 to 1; rates by
their ratio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameter:
    """`default` is the default configuration's value; a space may have only a near one (None: the first that it lists).

    - `in_graph`: a compiled graph depends on the value, or on whether it is above 0. With "not" it is a variable of the
      graph, set before each trial.
    - `costs`: it makes a step more expensive without another graph.
    - `of_backbone`: only an architecture with a backbone has it.
    - `tuned_finely`: configurations that differ in its value alone count as one kind.
    - `limits`: the bounds of a `Range` of it."""

    title: str
    kind: Kind
    default: Value | None = None
    in_graph: Literal["not", "value", "above 0"] = "not"
    costs: bool = False
    of_backbone: bool = False
    tuned_finely: bool = False
    limits: tuple[float, float] | None = None
