"""The commands. The only place that prints errors and sets exit codes: 0 done, 2 a mistake that the user can mend, 3 a
run that ended without a model, 130 Ctrl-C.

`--help` answers at once because whatever is slow to import is imported inside the commands.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bench import __version__
from bench.cli import data, delivery, doctor, experiment_files, models, other_tools, reporting, running
from bench.cli.exit_codes import INTERRUPTED, MENDABLE
from bench.cli.output import forget_odd_numbers, make_output_unfailing
from bench.errors import UserError
from bench.formats import printable

_USAGE_ERROR: Any = typer.BadParameter.__bases__[0]
"""Click's error for a command line that makes no sense; Typer brings its own Click, under a private name."""

LONGEST_LINE = 1500
"""Characters of an error; names of files and values of a stranger may be longer."""


def _in_a_line(text: str) -> str:
    """What a terminal may be shown: one line, without control characters, of bounded length."""
    said = printable(" ".join(text.split()))
    return said if len(said) <= LONGEST_LINE else f"{said[:LONGEST_LINE]}..."


class _Commands(typer.core.TyperGroup):
    """Says a user's mistake in one line on stderr, whichever command it was made in."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            said = _in_a_line(str(error))
        except OSError as error:
            if error.errno is None:  # none of the system's
                raise
            said = _in_a_line(f"cannot use {error.filename or 'a file'}: {error.strerror}")
        typer.echo(f"error: {said}", err=True)
        raise typer.Exit(MENDABLE)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Which segmentation model suits a small, imbalanced data set?

    [bold]Examples[/]

    \b
    python -m bench run                               the sample set, 9 minutes
    python -m bench run --data photos --budget 15m    your own images
    python -m bench run --resume --name default       resume an interrupted run
    python -m bench report                            report on the newest run
    python -m bench predict RUN new-photos -o masks   use the model of a run
    python -m bench list                              all that can be named""",
)

data_app = typer.Typer(no_args_is_help=True, help="Audit, draw, convert or split a data set, or write the sample set.")

app.add_typer(data_app, name="data")

for command in (
    running.run,
    reporting.report,
    delivery.predict,
    delivery.export,
    delivery.verify,
    doctor.doctor,
    models.models,
    other_tools.score,
    other_tools.export_records,
    experiment_files.init,
):
    app.command()(command)
app.command(name="list")(experiment_files.list_names)
for of_data in (data.audit, data.convert, data.show, data.sample, other_tools.split):
    data_app.command()(of_data)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"segbench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Its help is the app's own."""


COMMAND = "segbench"


def main() -> None:
    """The entry point of `python -m bench` and of `segbench`."""
    forget_odd_numbers()
    make_output_unfailing()
    is_command = Path(sys.argv[0]).stem == COMMAND
    if not is_command and {"--install-completion", "--show-completion"} & set(sys.argv[1:2]):
        said = f"a shell completes the command {COMMAND}, not python -m bench; try {COMMAND} {sys.argv[1]}"
        typer.echo(f"error: {said}", err=True)
        sys.exit(MENDABLE)
    try:
        code = app(prog_name=COMMAND if is_command else "python -m bench", standalone_mode=False)
    except _USAGE_ERROR as error:  # a misspelt option: in one line, like every other mistake
        said = _in_a_line(error.format_message())
        if said:  # without a command the help was shown, which says it all
            typer.echo(f"error: {said} (see --help)", err=True)
        code = MENDABLE
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    sys.exit(code)
