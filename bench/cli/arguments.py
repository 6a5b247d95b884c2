"""Arguments that several commands have."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.options import OPTIONS


def option(field: str, *names: str, **more: Any) -> Any:
    """The option for a field of an experiment, in the words of `OPTIONS`."""
    known = OPTIONS[field]
    return typer.Option(*names, metavar=known.metavar, help=known.help, **more)


Results = Annotated[Path, typer.Option("--results", metavar="DIR", help="Where runs are kept.")]

Reports = Annotated[Path, typer.Option("--reports", metavar="DIR", help="Where reports are written.")]

Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON document on stdout, all else on stderr.")]
