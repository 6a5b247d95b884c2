"""What the sections of an experiment file have in common."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from bench.options import OPTIONS

Share = Annotated[float, Field(ge=0, lt=1, strict=True)]

Count = Annotated[StrictInt, Field(ge=1, le=10**7)]

Seed = Annotated[StrictInt, Field(ge=0, lt=2**31)]


def said_of(name: str, default: Any = ...) -> Any:
    """A field that is an option of a run too, with what `OPTIONS` says of it."""
    return Field(default, description=OPTIONS[name].help)


class Section(BaseModel):
    """Of an experiment file: it cannot be changed, and has no field that is not named here."""

    model_config = ConfigDict(extra="forbid", frozen=True)
