"""`python -m bench data split`: the very folds of a run, as other tools read them."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner, Result

from bench.cli import app
from bench.datasets import DataOptions, Dataset, open_dataset
from bench.datasets.audit import audit, fingerprint
from bench.datasets.images import decode
from bench.exchange.layouts import LAYOUTS
from bench.exchange.run_data import experiment_of
from bench.records import Run
from bench.records.store import load
from tests.datasets.drawings import picture, save
from tests.exchange.finished import data_set, finished_run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_set(tmp_path_factory.mktemp("data"), classes=2, void=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Run:
    return load(finished_run(tmp_path_factory.mktemp("run"), data, ("dent", "scratch")))


def split(data: Path, run: Run, output: Path, tool: str = "folders") -> Result:
    words = ["data", "split", str(data), "--run", run.directory, "-o", str(output), "--for", tool]
    return CliRunner().invoke(app, words)


def written(data: Path, run: Run, output: Path, tool: str) -> dict:
    """The file that every layout has, of a split that came to its end."""
    result = split(data, run, output, tool)
    assert result.exit_code == 0, result.output
    return json.loads(next(output.rglob("split.json")).read_text())


def decoded(run: Run, data: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    dataset: Dataset = open_dataset(data, experiment_of(run).data.options)
    return {sample.id: decode(sample) for sample in dataset.samples}


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_the_fingerprint_is_that_of_the_audit(run: Run, data: Path) -> None:
    options = experiment_of(run).data.options
    dataset = open_dataset(data, options)
    assert fingerprint(dataset, options) == audit(dataset, options)[1].fingerprint == run.dataset.fingerprint


@pytest.mark.parametrize("tool", LAYOUTS)
def test_every_layout_says_the_folds_of_the_run_and_nothing_is_in_two_parts(
    tool: str, run: Run, data: Path, tmp_path: Path
) -> None:
    said = written(data, run, tmp_path / "out", tool)
    folds = [{said["ids"][name] for name in fold} for fold in said["folds"]]
    assert folds == [set(fold) for fold in run.split.folds]
    assert {said["ids"][name] for name in said["test"]} == set(run.split.test)
    assert {said["ids"][name] for name in said["search"]["val"]} == set(run.split.val)
    assert said["fingerprint"] == run.dataset.fingerprint
    names = [name.casefold() for part in (*said["folds"], said["test"]) for name in part]
    assert len(set(names)) == len(names) == len(said["ids"])


def test_folders_hold_each_image_once_upright_with_its_class_ids(run: Run, data: Path, tmp_path: Path) -> None:
    said = written(data, run, tmp_path, "folders")
    known = decoded(run, data)
    for number, fold in enumerate((*said["folds"], said["test"]), start=1):
        part = tmp_path / (f"fold_{number}" if number <= len(said["folds"]) else "test")
        assert {path.stem for path in (part / "images").iterdir()} == set(fold)
        for name in fold:
            image, mask = known[said["ids"][name]]
            np.testing.assert_array_equal(pixels(part / "images" / f"{name}.png"), image)
            np.testing.assert_array_equal(pixels(part / "masks" / f"{name}.png"), mask)
    assert json.loads((tmp_path / "classes.json").read_text())["scratch"] == 2


def test_nnunet_finds_cases_channels_splits_and_void_as_its_ignore_label(run: Run, data: Path, tmp_path: Path) -> None:
    said = written(data, run, tmp_path / "raw", "nnunet")
    root = tmp_path / "raw" / "Dataset501_small"
    content = json.loads((root / "dataset.json").read_text())
    assert content["labels"] == {"background": 0, "dent": 1, "scratch": 2, "ignore": 3}
    assert (
        content["numTraining"] == len(list((root / "imagesTr").iterdir())) == len(list((root / "labelsTr").iterdir()))
    )
    splits = json.loads((root / "splits_final.json").read_text())
    assert [set(each["val"]) for each in splits] == [set(fold) for fold in said["folds"]]
    cases = {name for fold in said["folds"] for name in fold}
    for each in splits:
        assert set(each["train"]) == cases - set(each["val"])
    known = decoded(run, data)
    for name in (*cases, *said["test"]):
        part = "Ts" if name in said["test"] else "Tr"
        image, mask = known[said["ids"][name]]
        np.testing.assert_array_equal(pixels(root / f"images{part}" / f"{name}_0000.png"), image)
        np.testing.assert_array_equal(pixels(root / f"labels{part}" / f"{name}.png"), np.where(mask == 255, 3, mask))


def test_a_folder_that_is_called_as_nnunet_wants_it_is_the_data_set_itself(
    run: Run, data: Path, tmp_path: Path
) -> None:
    result = split(data, run, tmp_path / "Dataset007_cars", "nnunet")
    assert (tmp_path / "Dataset007_cars" / "dataset.json").is_file()
    assert "nnUNetv2_plan_and_preprocess -d 007" in result.stdout


def test_ultralytics_outlines_enclose_exactly_the_pixels_of_each_class(run: Run, data: Path, tmp_path: Path) -> None:
    said = written(data, run, tmp_path, "yolo")
    known = decoded(run, data)
    again = open_dataset(tmp_path, DataOptions())
    assert again.classes == ("dent", "scratch")
    assert len(again.samples) == len(said["ids"])
    for sample in again.samples:
        image, mask = known[said["ids"][sample.image_path.stem]]
        for found, expected in zip(decode(sample), (image, np.where(mask == 255, 0, mask)), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_ultralytics_has_a_yaml_a_fold_whose_paths_exist(run: Run, data: Path, tmp_path: Path) -> None:
    said = written(data, run, tmp_path, "yolo")
    for number, fold in enumerate(said["folds"], start=1):
        content = yaml.safe_load((tmp_path / f"fold_{number}.yaml").read_text())
        assert content["names"] == {0: "dent", 1: "scratch"}
        assert {path.stem for path in (tmp_path / content["val"]).iterdir()} == set(fold)
        trained = {path.stem for folder in content["train"] for path in (tmp_path / folder).iterdir()}
        assert trained == {name for other in said["folds"] for name in other} - set(fold)
        assert {path.stem for path in (tmp_path / content["test"]).iterdir()} == set(said["test"])
    lines = (tmp_path / "val.txt").read_text().splitlines()
    assert {Path(line).stem for line in lines} == set(said["search"]["val"])
    assert all((tmp_path / line).is_file() for line in lines)


def test_smp_has_a_table_of_images_masks_and_parts(run: Run, data: Path, tmp_path: Path) -> None:
    said = written(data, run, tmp_path, "smp")
    rows = list(csv.DictReader((tmp_path / "folds.csv").open(encoding="utf-8")))
    assert {row["part"] for row in rows} == {"fold_1", "fold_2", "fold_3", "test"}
    assert [row["image"] for row in rows if row["part"] == "test"] == [f"images/{name}.png" for name in said["test"]]
    known = decoded(run, data)
    for row in rows:
        image, mask = known[said["ids"][Path(row["image"]).stem]]
        np.testing.assert_array_equal(pixels(tmp_path / row["image"]), image)
        np.testing.assert_array_equal(pixels(tmp_path / row["mask"]), mask)


def mistake(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_other_data_are_refused_in_one_line_and_nothing_is_written(run: Run, data: Path, tmp_path: Path) -> None:
    other = data_set(tmp_path / "other", classes=2, void=True)
    save(other / "images" / "p 5.png", picture(40, 26, seed=99))
    said = mistake(split(other, run, tmp_path / "out"))
    assert f"{other} is not the data of run small" in said
    assert run.dataset.fingerprint[:12] in said
    (other / "images" / "p 5.png").unlink()
    (other / "masks" / "p 5.png").unlink()
    assert "images/p 5.png is missing" in mistake(split(other, run, tmp_path / "out"))
    assert "not in" in mistake(split(tmp_path / "nowhere", run, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("part", ["train", "val", "test", "folds"])
def test_an_image_of_the_split_that_the_data_have_not_is_refused_in_one_line(
    run: Run, data: Path, tmp_path: Path, part: str
) -> None:
    """The split is a stranger's."""
    directory = tmp_path / "results" / "small"
    shutil.copytree(run.directory, directory)
    content = json.loads((directory / "split.json").read_text())
    names = content[part][0] if part == "folds" else content[part]
    names[0] = "/etc/passwd"
    (directory / "split.json").write_text(json.dumps(content))
    said = mistake(split(data, load(directory), tmp_path / "out"))
    assert f"split.json names the image '/etc/passwd', which {data} has not" in said
    assert not (tmp_path / "out").exists()


def test_an_image_that_is_searched_on_and_in_no_fold_has_a_name_too(run: Run, data: Path, tmp_path: Path) -> None:
    directory = tmp_path / "results" / "small"
    shutil.copytree(run.directory, directory)
    content = json.loads((directory / "split.json").read_text())
    name = content["folds"][0].pop()
    (directory / "split.json").write_text(json.dumps(content))
    search = written(data, load(directory), tmp_path / "out", "folders")["search"]
    assert len(search["train"]) == len(content["train"])
    assert name in content["train"] or name in content["val"]


def test_a_tool_that_is_not_known_and_a_folder_that_is_not_empty_are_refused(
    run: Run, data: Path, tmp_path: Path
) -> None:
    assert "choose from folders, nnunet, yolo, smp" in mistake(split(data, run, tmp_path / "out", "mmseg"))
    (tmp_path / "there.txt").touch()
    assert "is not an empty folder" in mistake(split(data, run, tmp_path))
