"""A comparison of levels: the default configuration, and each other value of each hyperparameter in its place.

One factor at a time: each candidate differs from the default configuration in one value, which explains the difference
of their scores. A full or fractional factorial would show interactions too, but few of its trainings would differ from
the default configuration in one value. People ask what another loss would do to the model that they have.
"""

from collections.abc import Mapping
from itertools import zip_longest

from search_spaces.architectures import ARCHITECTURES
from search_spaces.defaults import default_configuration
from search_spaces.hyperparameters import Value
from search_spaces.portfolio import active, whole
from search_spaces.space import HYPERPARAMETERS, OF_BACKBONE, Range, Space


def one_at_a_time(space: Space) -> tuple[dict[str, Value], ...]:
    """The default configuration, then distinct ones with one other value of one hyperparameter.

    They come in rounds, the first other value of each hyperparameter, then the second of each, so that a short budget
    leaves out values of all of them. Of a range both ends are compared. Backbones are compared if the default
    configuration's architecture has one. If it has none, an architecture with a backbone takes the first of the space.
    """
    default = default_configuration(space)
    others = [[(name, value) for value in levels(space, name)[1:]] for name in HYPERPARAMETERS if name in default]
    found = [default]
    for of_round in zip_longest(*others):
        found += [active({**whole(space), name: value}) for name, value in filter(None, of_round)]
    return tuple(found)


def levels(space: Space, name: str) -> tuple[Value, ...]:
    """The compared values of a hyperparameter of the default configuration: its own value, then the others in the order
    of the space."""
    own = default_configuration(space)[name]
    values = getattr(space, name)
    listed = (values.min, values.max) if isinstance(values, Range) else values
    return (own, *(value for value in listed if value != own))


def changed_factor(recipe: Mapping[str, Value], default: Mapping[str, Value]) -> str | None:
    """The one hyperparameter in which `recipe` differs from `default`; None if there is none, or several. A backbone
    that comes or goes with the architecture does not count."""
    names = [name for name in HYPERPARAMETERS if recipe.get(name) != default.get(name)]
    if "architecture" in names and _has_backbone(recipe) != _has_backbone(default):
        names = [name for name in names if name not in OF_BACKBONE]
    return names[0] if len(names) == 1 else None


def _has_backbone(recipe: Mapping[str, Value]) -> bool:
    known = ARCHITECTURES.get(str(recipe.get("architecture")))
    return known is not None and known.has_backbone
