"""`init`: the file that it writes is whole, and can be run."""

import json

import pytest

from bench.cli.init import experiment_text, schema_text, write_experiment
from bench.errors import UserError
from bench.experiments import Data, Experiment, Protocol, load_experiment


def test_the_file_names_every_field(tmp_path):
    text = experiment_text("mine", None)
    for section in (Experiment, Data, Protocol):
        for field in section.model_fields:
            assert f"{field}:" in text, field


def test_the_file_is_the_default_experiment_under_another_name(tmp_path):
    write_experiment(tmp_path / "mine.yaml", None)
    written = load_experiment(str(tmp_path / "mine.yaml"))
    assert written == load_experiment("default").model_copy(update={"name": "mine"})


def test_with_images_of_ones_own_it_does_what_run_data_does(tmp_path):
    write_experiment(tmp_path / "cars.yaml", "my photos")
    written, preset = load_experiment(str(tmp_path / "cars.yaml")), load_experiment("transfer")
    assert written.data.path == str(tmp_path / "my photos")
    assert (written.space, written.search, written.tuners) == (preset.space, preset.search, preset.tuners)
    assert (written.trials, written.budget) == (preset.trials, preset.budget)


def test_nothing_is_overwritten_and_the_name_is_a_yaml_file(tmp_path):
    (tmp_path / "there.yaml").write_text("name: x")
    with pytest.raises(UserError, match="exists: choose another name"):
        write_experiment(tmp_path / "there.yaml", None)
    with pytest.raises(UserError, match="is no YAML file"):
        write_experiment(tmp_path / "there.txt", None)


def test_the_schema_knows_every_field_of_the_protocol():
    schema = json.loads(schema_text())
    assert set(schema["$defs"]["Protocol"]["properties"]) == set(Protocol.model_fields)
