"""What is said of an option is said once: on the command line, in an experiment's schema and where a run is resumed."""

import pytest
import typer.main

from bench.cli import app
from bench.experiments import Data, Experiment
from bench.options import OPTIONS, given

FIELDS = {**Data.model_fields, **Experiment.model_fields}


def test_every_option_is_a_field_and_describes_it() -> None:
    assert {name: FIELDS[name].description for name in OPTIONS} == {name: each.help for name, each in OPTIONS.items()}


def test_every_option_that_has_a_flag_is_on_the_command_line_in_the_same_words() -> None:
    run = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    said = {flag: (parameter.help, parameter.metavar) for parameter in run.params for flag in parameter.opts}
    for option in OPTIONS.values():
        if option.flag:
            assert said[option.flag] == (option.help, option.metavar)


def test_what_is_said_is_known_by_flag_or_by_field_and_what_says_nothing_is_left_out() -> None:
    said = {"data": "photos", "seeds": 0, "tuner": [], "trials": None, "skip_unreadable": False, "learning_curve": True}
    assert dict(given(said)) == {"path": "photos", "seeds": 0, "learning_curve": True}
    with pytest.raises(TypeError, match="colour is no option of a run"):
        dict(given({"colour": "red"}))


def test_what_a_resumed_run_may_change_is_no_part_of_what_it_is() -> None:
    free = {name for name, option in OPTIONS.items() if option.may_change}
    assert free == {"trials", "budget", "workers", "cluster", "retries", "learning_curve", "single"}
    assert free <= set(Experiment.model_fields)
