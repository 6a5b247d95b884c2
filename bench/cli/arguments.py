"""Arguments that several commands have."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.options import OPTIONS, Option

Command = Callable[..., None]


def with_options(*fields: str) -> Callable[[Command], Command]:
    """The command with an argument for each option of a run, or for those `fields` alone. It gets what was said, by
    flag, as `said`."""

    def wrapped(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [parameter for name, parameter in signature.parameters.items() if name != "said"]
        options = [_parameter(OPTIONS[field]) for field in fields or OPTIONS if OPTIONS[field].flag]

        @functools.wraps(command)
        def told(**arguments: Any) -> None:
            said = {option.name: arguments.pop(option.name) for option in options}
            command(**arguments, said=said)

        first, *others = own  # the experiment, which is no option
        told.__signature__ = signature.replace(parameters=[first, *options, *others])  # type: ignore[attr-defined]
        return told

    return wrapped


def _parameter(option: Option) -> inspect.Parameter:
    """Of a command's signature, as Typer reads it."""
    argument = typer.Option(option.flag, metavar=option.metavar, help=option.help)
    kind: Any = list[option.kind] if option.several else option.kind  # type: ignore[name-defined]
    return inspect.Parameter(
        option.keyword,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=False if option.kind is bool else None,
        annotation=Annotated[kind if option.kind is bool else kind | None, argument],
    )


Results = Annotated[Path, typer.Option("--results", metavar="DIR", help="Where runs are kept.")]

Reports = Annotated[Path, typer.Option("--reports", metavar="DIR", help="Where reports are written.")]

Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON document on stdout, all else on stderr.")]
