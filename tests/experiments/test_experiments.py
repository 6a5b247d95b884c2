"""An experiment is checked as a whole before anything runs, and a mistake is one line that says where
and what is allowed."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from bench.errors import ExperimentError
from bench.experiments import (
    DEFAULT_STEPS,
    PRESETS,
    Experiment,
    Protocol,
    load_experiment,
    load_space,
    load_stored,
    override,
    parse_duration,
    to_json,
)
from search_spaces import PRESETS as SPACES

SPACE = "space: {architecture: [unet], backbone: [mobilenet]}\n"


def written(folder: Path, text: str, name: str = "my.yaml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def mistake(folder: Path, text: str) -> str:
    """What is said about an experiment file, without the folder that it is in."""
    with pytest.raises(ExperimentError) as caught:
        load_experiment(written(folder, text))
    said = str(caught.value)
    assert "\n" not in said
    return said.replace(f"{folder}/", "")


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return load_experiment(written(tmp_path, SPACE))


@pytest.mark.parametrize("name", PRESETS)
def test_preset_is_valid_and_named_after_its_file(name: str) -> None:
    assert load_experiment(name).name == name


@pytest.mark.parametrize("name", PRESETS)
def test_preset_starts_with_a_comment_that_says_what_it_is(name: str) -> None:
    first = PRESETS[name].read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    assert len(first) > 10


@pytest.mark.parametrize("name", SPACES)
def test_every_search_space_that_comes_along_is_valid(name: str) -> None:
    assert load_space(name).architecture


def test_what_is_left_out_has_defaults(experiment: Experiment) -> None:
    assert experiment.name == "my"
    assert (experiment.tuners, experiment.seeds, experiment.trials, experiment.budget) == (("random",), (0,), 12, None)
    assert experiment.data.path == "sample"
    assert experiment.protocol.batch_norm == "reestimate"


@pytest.mark.parametrize(
    ("steps", "steps_per_epoch", "shortest_steps", "epochs", "shortest_epochs"),
    [
        (200, 25, 100, 8, 4),
        (None, 25, 100, DEFAULT_STEPS // 25, 4),
        (60, 25, 100, 2, 2),  # the shortest is never longer than the whole
        (3, 25, 1, 1, 1),  # at least an epoch
    ],
)
def test_lengths_in_steps_are_epochs_of_so_many_steps(
    steps: int | None, steps_per_epoch: int, shortest_steps: int, epochs: int, shortest_epochs: int
) -> None:
    protocol = Protocol(steps=steps, steps_per_epoch=steps_per_epoch, shortest_steps=shortest_steps)
    assert (protocol.epochs, protocol.shortest_epochs) == (epochs, shortest_epochs)


def test_experiment_cannot_be_changed(experiment: Experiment) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        experiment.trials = 3  # type: ignore[misc]


def test_number_in_scientific_notation_is_a_number(tmp_path: Path) -> None:
    text = "space: {architecture: [plain_unet], learning_rate: {min: 1e-4, max: 1e-2, sampling: log}}\n"
    rate = load_experiment(written(tmp_path, text)).space.learning_rate
    assert (rate.min, rate.max) == (0.0001, 0.01)  # type: ignore[union-attr]


def test_stored_experiment_is_read_back_equal(tmp_path: Path) -> None:
    text = (
        SPACE + "tuners: [random, hyperband]\nseeds: [0, 3]\ndata: {classes: {dent: 1}, split_prefixes: {a_: train}}\n"
    )
    before = load_experiment(written(tmp_path, text))
    stored = tmp_path / "experiment.json"
    stored.write_text(json.dumps(to_json(before)))
    assert load_stored(stored) == before


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    written(tmp_path, "architecture: [plain_unet]\n", "space.yaml")
    loaded = load_experiment(written(tmp_path, "space: space.yaml\ndata: {path: photos}\n"))
    assert loaded.space.architecture == ("plain_unet",)
    assert loaded.data.path == str(tmp_path / "photos")


def test_budget_alone_ends_a_search(tmp_path: Path) -> None:
    loaded = load_experiment(written(tmp_path, SPACE + "trials: null\nbudget: 1.5h\n"))
    assert (loaded.trials, loaded.budget_s) == (None, 5400)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("1h30m", 5400), ("2 m", 120), ("0.5s", 0.5)]
)
def test_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "10x", "-5m", "10m later", "0s", "nan s", "1e3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ExperimentError, match="10m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "tuner: [random]",
            "my.yaml:2: unknown key 'tuner' (did you mean tuners?); choose from budget, cluster, data, learning_curve,",
        ),
        ("protocol:\n  steps: 3\n  step: 4", "my.yaml:4: unknown key 'step' in protocol (did you mean steps?);"),
        ("tuners: [randm]", "my.yaml:2: tuners: unknown tuner 'randm'; choose from random, grid, bayesian, hyperband"),
        ("tuners: random", "my.yaml:2: tuners: must be a list, such as [a, b], not 'random'"),
        ("tuners: [grid, grid]", "my.yaml:2: tuners: grid is named twice"),
        ("tuners: []", "my.yaml:2: tuners: must be a list of at least 1, not []"),
        ("seeds:\n  - 0\n  - -1", "my.yaml:4: seeds.1: must be at least 0, not -1"),
        ("trials: twelve", "my.yaml:2: trials: must be a whole number, not 'twelve'"),
        ("trials: true", "my.yaml:2: trials: must be a whole number, not true"),
        ("trials: 0", "my.yaml:2: trials: must be at least 1, not 0"),
        ("search: often", "my.yaml:2: search: unknown search 'often'; choose from auto, always, never"),
        ("protocol: {shortest_steps: 0}", "my.yaml:2: protocol.shortest_steps: must be at least 1, not 0"),
        ("protocol: {epochs: 9}", "my.yaml:2: unknown key 'epochs' in protocol"),
        ("trials: null", "my.yaml: the search needs an end: set trials, budget, or both"),
        ("trials: 1\ntrials: 2", "my.yaml:3: trials is set twice"),
        ("budget: 10", "my.yaml:2: budget: '10' is not a duration; write it like 90s, 10m or 1.5h"),
        ("name: a/b", "my.yaml:2: name: 'a/b' cannot name a run's folder;"),
        ("protocol:", "my.yaml:2: protocol: must be a section with keys of its own, not empty"),
        ("protocol: {val_share: 0.6, test_share: 0.5}", "my.yaml:2: protocol: val_share 0.6 and test_share 0.5 leave"),
        ("protocol: {test_share: 0.0}", "my.yaml:2: protocol.test_share: must be above 0, not 0.0"),
        ("protocol: {val_share: 0}", "my.yaml:2: protocol: val_share must be above 0"),
        ("protocol: {threshold: 1.5}", "my.yaml:2: protocol.threshold: must be below 1, not 1.5"),
        (
            "protocol: {batch_norm: kras}",
            "my.yaml:2: protocol.batch_norm: unknown batch_norm policy 'kras'; choose from ",
        ),
        ("protocol: {search_folds: 4}", "my.yaml:2: protocol: search_folds 4 is more than the 3 folds that there are"),
        ("protocol: {search_folds: 0}", "my.yaml:2: protocol.search_folds: must be at least 1, not 0"),
        (
            "tuners: [random, asha]\nprotocol: {search_folds: 2}",
            "my.yaml: tuner asha stops trials by rungs and cannot race on folds: set search_folds to 1, or choose from "
            "random, grid,",
        ),
        ("data: {path: 3}", "my.yaml:2: data.path: must be text, not 3"),
        ("data: {skip_unreadable: maybe}", "my.yaml:2: data.skip_unreadable: must be true or false, not 'maybe'"),
        ("data: {classes: [dent]}", "my.yaml:2: data.classes: must be a mapping, such as {key: value}, not ['dent']"),
        (
            "data: {split_prefixes: {a_: tran}}",
            "my.yaml:2: data.split_prefixes: unknown part 'tran'; choose from train,",
        ),
        ("tuners: [random", "my.yaml:3: malformed YAML: "),
        ("\tx: 1", "my.yaml:2: malformed YAML: "),
    ],
)
def test_mistake_is_one_line_with_place_and_choices(tmp_path: Path, text: str, said: str) -> None:
    assert mistake(tmp_path, f"{SPACE}{text}\n").startswith(said)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (
            "architecture: [unett]\n  backbone: [mobilenet]",
            "my.yaml:2: space.architecture: unknown architecture 'unett'",
        ),
        ("architecture: [unet]", "my.yaml:1: space: unet need a backbone; choose from "),
        (
            "architecture: [plain_unet]\n  learning_rate: {min: 1e-3, mx: 1}",
            "my.yaml:3: unknown key 'mx' in space.learning_rate (did you mean max?); choose from max, min, sampling",
        ),
        ("architecture: [plain_unet]\n  learning_rate: 1e-3", "my.yaml:3: space.learning_rate: must be a list"),
        (
            "architecture: [plain_unet]\n  image_size: [100]",
            "my.yaml:1: space: image_size 100 is impossible for plain_unet",
        ),
        ("loss: [bce]", "my.yaml:1: space: architecture is missing"),
    ],
)
def test_mistake_in_a_search_space_is_one_line(tmp_path: Path, space: str, said: str) -> None:
    assert mistake(tmp_path, f"space:\n  {space}\n").startswith(said)


def test_mistake_in_a_search_space_of_its_own_names_that_file(tmp_path: Path) -> None:
    written(tmp_path, "architecture: [plain_unet]\nloss: [dcie]\n", "space.yaml")
    assert mistake(tmp_path, "space: space.yaml\n").startswith(
        "space.yaml:2: loss: unknown loss 'dcie'; choose from bce, dice"
    )


def test_unknown_search_space_is_said_where_it_is_named(tmp_path: Path) -> None:
    assert mistake(tmp_path, "name: x\nspace: nope\n").startswith(
        "my.yaml:2: space: unknown search space 'nope'; choose from"
    )


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "just text\n", "- a\n- list\n"])
def test_file_without_keys_is_refused(tmp_path: Path, text: str) -> None:
    assert mistake(tmp_path, text).startswith("my.yaml holds no keys")


def test_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ExperimentError, match=r"cannot read .*my\.yaml: it is not UTF-8 text"):
        load_experiment(str(tmp_path / "my.yaml"))


def test_unknown_preset_comes_with_the_choices() -> None:
    with pytest.raises(
        ExperimentError, match=r"unknown experiment 'defalt'; choose from .*default.* \(did you mean default\?\)"
    ):
        load_experiment("defalt")


def test_missing_file_and_folder_come_with_the_presets(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"nowhere\.yaml does not exist; the presets are .*default"):
        load_experiment(str(tmp_path / "nowhere.yaml"))
    with pytest.raises(ExperimentError, match=r"is a folder; the presets are .*default"):
        load_experiment(str(tmp_path))


def test_command_line_overrides_what_it_names_and_nothing_else(experiment: Experiment) -> None:
    changed = override(experiment, tuners=["grid"], trials=3, seed=0, name="mine")
    assert changed == experiment.model_copy(update={"tuners": ("grid",), "trials": 3, "seeds": (0,), "name": "mine"})
    assert override(experiment) == experiment


def test_budget_on_the_command_line_lifts_the_number_of_trials(experiment: Experiment) -> None:
    assert override(experiment, budget="10m").trials is None
    assert override(experiment, budget="10m", trials=5).trials == 5


def test_other_data_give_the_run_another_name(experiment: Experiment) -> None:
    assert override(experiment, data="/somewhere/car damage").name == "my-car-damage"
    assert override(experiment, data="/somewhere/car damage", name="cars").name == "cars"
    assert override(experiment, data="sample").name == "my"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tuners": ["nope"]}, "command line: tuners: unknown tuner 'nope'; choose from random"),
        ({"trials": 0}, "command line: trials: must be at least 1, not 0"),
        ({"seed": -1}, "command line: seeds.0: must be at least 0, not -1"),
        ({"budget": "soon"}, "command line: budget: 'soon' is not a duration"),
        ({"name": "../up"}, "command line: name: '../up' cannot name a run's folder"),
    ],
)
def test_mistake_on_the_command_line_is_one_line(experiment: Experiment, changes: dict[str, object], said: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        override(experiment, **changes)
    assert str(caught.value).startswith(said)


def test_a_learning_curve_needs_finals(tmp_path: Path) -> None:
    said = mistake(tmp_path, f"{SPACE}\nlearning_curve: true\nprotocol: {{finalists: 0}}\n")
    assert said.endswith("learning_curve trains the leader of the final evaluation again: set finalists above 0")


def test_a_single_network_needs_finals(tmp_path: Path) -> None:
    said = mistake(tmp_path, f"{SPACE}\nsingle: true\nprotocol: {{finalists: 0}}\n")
    assert said.endswith("single trains the best of the final evaluation again: set finalists above 0")


COMPARE = "search: compare\ntrials: null\nspace: {architecture: [plain_unet], loss: [bce, dice]}\n"


def test_a_comparison_needs_neither_trials_nor_a_budget(tmp_path: Path) -> None:
    loaded = load_experiment(written(tmp_path, COMPARE))
    assert (loaded.search, loaded.trials, loaded.budget) == ("compare", None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (COMPARE + "protocol: {finalists: 0}\n", "search: compare is a final evaluation and nothing else"),
        (COMPARE.replace("[bce, dice]", "[dice]"), "the space has one value of each hyperparameter"),
        (COMPARE.replace("compare", "compre"), "unknown search 'compre'; choose from auto, always, never, compare"),
    ],
)
def test_a_comparison_that_compares_nothing_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ExperimentError, match=said):
        load_experiment(written(tmp_path, text))


@pytest.mark.parametrize(("asked", "option"), [({"tuners": ["tpe"]}, "--tuner"), ({"trials": 3}, "--trials")])
def test_a_comparison_asked_for_a_search_says_that_it_has_none(asked: dict[str, object], option: str) -> None:
    with pytest.raises(ExperimentError, match=f"{option} asks for a search, and compare has search: compare"):
        override(load_experiment("compare"), **asked)
