"""`init`: the file that it writes is whole, and can be run."""

import jsonschema
import pytest
import yaml

from bench.cli.init import experiment_text, write_experiment
from bench.cli.schema import experiment_schema
from bench.errors import UserError
from bench.experiments import PRESETS, Data, Experiment, Protocol, load_experiment, override
from bench.options import OPTIONS


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
    run_data = override(load_experiment("transfer"), data=str(tmp_path / "my photos"), name="cars")
    assert load_experiment(str(tmp_path / "cars.yaml")) == run_data


def test_nothing_is_overwritten_and_the_name_is_a_yaml_file(tmp_path):
    (tmp_path / "there.yaml").write_text("name: x")
    with pytest.raises(UserError, match="exists: choose another name"):
        write_experiment(tmp_path / "there.yaml", None)
    with pytest.raises(UserError, match="is no YAML file"):
        write_experiment(tmp_path / "there.txt", None)


SCHEMA = jsonschema.Draft202012Validator(experiment_schema())


@pytest.mark.parametrize("preset", PRESETS)
def test_the_schema_takes_every_preset(preset):
    assert list(SCHEMA.iter_errors(yaml.safe_load(PRESETS[preset].read_text()))) == []


@pytest.mark.parametrize("data", [None, "photos"])
def test_the_schema_takes_what_init_writes(data):
    assert list(SCHEMA.iter_errors(yaml.safe_load(experiment_text("mine", data)))) == []


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("space: tranfer", ["space"]),
        ("space: {architecture: [unte]}", ["space"]),
        ("tuners: [rnd]", ["tuners", 0]),
        ("search: sometimes", ["search"]),
        ("bugdet: 8m", []),
        ("protocol: {folds: three}", ["protocol", "folds"]),
        ("protocol: {precision: half}", ["protocol", "precision"]),
        ("data: {mask_resize: majorty}", ["data", "mask_resize"]),
    ],
)
def test_the_schema_finds_a_mistake_where_it_stands(content, place):
    assert [list(error.path) for error in SCHEMA.iter_errors(yaml.safe_load(content))] == [place]


@pytest.mark.parametrize(
    "content", ["space: mine.yaml", "space: {architecture: [unet], learning_rate: {min: 1, max: 2}}"]
)
def test_the_schema_takes_a_space_of_ones_own(content):
    assert list(SCHEMA.iter_errors(yaml.safe_load(content))) == []


FREE_TEXT = {"name", "budget", "cluster", "path", "images", "masks", "ignore", "no_flip", "encoder_weights"}
"""Fields that no table has the names of."""


def kinds(said):
    """What a part of the schema allows, and what that consists of."""
    yield said
    for inner in (*said.get("anyOf", ()), *([said["items"]] if "items" in said else ())):
        yield from kinds(inner)


def test_the_schema_lists_the_names_of_every_field_that_takes_some():
    schema = experiment_schema()
    fields = {name: said for name, said in schema["properties"].items() if name != "space"}
    for section in ("Data", "Protocol", "Space"):
        fields |= schema["$defs"][section]["properties"]
    free = {
        name
        for name, said in fields.items()
        if any(kind.get("type") == "string" and "enum" not in kind for kind in kinds(said))
    }
    assert free == FREE_TEXT


def test_the_schema_says_what_fields_mean():
    sections = experiment_schema()
    protocol = sections["$defs"]["Protocol"]["properties"]
    assert set(protocol) == set(Protocol.model_fields)
    assert protocol["threshold"]["description"].startswith("a pixel of at least this probability is foreground (")
    assert sections["properties"]["search"]["description"].endswith("(docs/decisions/0016-comparison.md)")
    assert sections["properties"]["workers"]["description"] == OPTIONS["workers"].help


def test_the_experiment_names_the_schema_beside_it(tmp_path):
    write_experiment(tmp_path / "cars.yaml", None, tmp_path / "cars.schema.json")
    first, _, rest = (tmp_path / "cars.yaml").read_text().partition("\n")
    assert first == "# yaml-language-server: $schema=cars.schema.json"
    assert rest == experiment_text("cars", None)
