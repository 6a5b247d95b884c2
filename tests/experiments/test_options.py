"""What is said of an option is said once: on the command line, in an experiment's schema and where a run is resumed."""

import typer.main

from bench.cli import app
from bench.experiments import Data, Experiment
from bench.options import OPTIONS

FIELDS = {**Data.model_fields, **Experiment.model_fields}
NAMES = {"path": "data", "tuners": "tuner", "seeds": "seed"}
"""Fields whose option has another name."""


def test_every_option_is_a_field_and_describes_it() -> None:
    assert {name: FIELDS[name].description for name in OPTIONS} == {name: each.help for name, each in OPTIONS.items()}


def test_the_command_line_says_the_same() -> None:
    run = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    said = {parameter.name: (parameter.help, parameter.metavar) for parameter in run.params}
    for name, option in OPTIONS.items():
        if name != "retries":  # in the file alone
            assert said[NAMES.get(name, name)] == (option.help, option.metavar)


def test_what_a_resumed_run_may_change_is_no_part_of_what_it_is() -> None:
    free = {name for name, option in OPTIONS.items() if option.may_change}
    assert free == {"trials", "budget", "workers", "cluster", "retries", "learning_curve", "single"}
    assert free <= set(Experiment.model_fields)
