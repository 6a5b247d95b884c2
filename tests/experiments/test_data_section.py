"""The data section of an experiment: what YAML does to names, and fields that belong together."""

from pathlib import Path

import pytest

from bench.errors import ExperimentError
from bench.experiments import load_experiment, load_stored, to_json
from tests.datasets.drawings import write_json


def written(tmp_path: Path, data: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(f"data:\n  path: photos\n{data}")
    return str(path)


def test_every_field_reaches_the_reader_and_survives_storing(tmp_path: Path) -> None:
    text = '  classes: {crack: "#ff0000"}\n  ignore: [255, unsure]\n  images: a/*.jpg\n  masks: b/*.png\n'
    text += "  allow_outside: true\n  mask_resize: thin_lines\n"
    experiment = load_experiment(written(tmp_path, text))
    options = experiment.data.options
    assert (options.classes, options.ignore) == ({"crack": "#ff0000"}, (255, "unsure"))
    assert (options.images, options.masks, options.allow_outside) == ("a/*.jpg", "b/*.png", True)
    assert options.mask_resize == "thin_lines"
    assert load_stored(write_json(tmp_path / "experiment.json", to_json(experiment))) == experiment


@pytest.mark.parametrize("classes", ["{no: 1, crack: 2}", "{a: off}", "{null: 1}"])
def test_names_that_yaml_takes_for_values_ask_for_quotes(tmp_path: Path, classes: str) -> None:
    with pytest.raises(ExperimentError, match="put it in quotes"):
        load_experiment(written(tmp_path, f"  classes: {classes}\n"))


def test_one_pattern_without_the_other_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="give both, or neither"):
        load_experiment(written(tmp_path, "  images: a/*.jpg\n"))


def test_an_unknown_rule_for_masks_names_the_choices(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="unknown rule 'area'; choose from majority, thin_lines"):
        load_experiment(written(tmp_path, "  mask_resize: area\n"))
