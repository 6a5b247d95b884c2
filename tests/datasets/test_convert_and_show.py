import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import DataOptions, open_dataset
from bench.datasets.convert import convert
from bench.datasets.images import decode
from bench.datasets.letterbox import valid_area
from bench.datasets.overlays import SHEET, in_order, overlay, write_overlays
from bench.records import Finding
from tests.datasets.drawings import coco_content, folders, picture, save, square_mask, write_json


def test_a_converted_set_is_read_back_with_the_same_pixels(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for part, seed in (("train", 0), ("val", 1)):
        save(source / part / "a.png", picture(seed=seed), orientation=6)
        save(source / part / "sub/a.png", picture(seed=seed + 5))
        content = coco_content(
            {"category_id": 7, "segmentation": [[3, 2, 7, 2, 7, 6, 3, 6]]},
            {"category_id": 3, "bbox": [9, 8, 3, 2]},
            {"category_id": 3, "segmentation": [[0, 0, 2, 0, 2, 1, 0, 1]]},
        )
        content["images"][0]["file_name"] = "sub/a.png"
        write_json(source / part / "coco.json", content)
    dataset = open_dataset(source, DataOptions())
    assert convert(dataset, tmp_path, DataOptions()) == []
    assert json.loads((tmp_path / "classes.json").read_text()) == {
        "background": 0,
        "dent": 1,
        "scratch": 2,
        "void": 255,
    }
    again = open_dataset(tmp_path, DataOptions(images="*/images/*", masks="*/masks/*"))
    assert again.classes == dataset.classes
    for before, after in zip(dataset.samples, again.samples, strict=True):
        for first, second in zip(decode(before), decode(after), strict=True):
            np.testing.assert_array_equal(first, second)


def test_overlays_show_the_worst_findings_first(tmp_path: Path) -> None:
    dataset = open_dataset(folders(tmp_path / "data", 3), DataOptions())
    findings = [
        Finding(kind="empty_mask", message="", files=("images/a1.png",)),
        Finding(kind="bad_region", message="", files=("images/a2.png",)),
    ]
    order = in_order(dataset.samples, findings)
    assert [(sample.id, kind) for sample, kind in order] == [
        ("images/a2.png", "bad_region"),
        ("images/a1.png", "empty_mask"),
        ("images/a0.png", ""),
    ]
    assert write_overlays(dataset, findings, tmp_path / "shown", most=2) == 2
    assert sorted(path.name for path in (tmp_path / "shown").iterdir()) == [
        "0000_bad_region_images_a2.png.png",
        "0001_empty_mask_images_a1.png.png",
        "contact-sheet.png",
    ]


def test_a_sheet_shows_photographs_and_no_reflection_of_them(tmp_path: Path) -> None:
    dataset = open_dataset(folders(tmp_path / "data", 1), DataOptions())
    write_overlays(dataset, (), tmp_path / "shown", most=1)
    with Image.open(tmp_path / "shown" / SHEET) as sheet:
        tile = np.asarray(sheet)[18:]
    height, width = picture().shape[:2]
    inside = valid_area(height, width, 256)
    assert not inside.all()
    assert (tile[~inside] == 255).all()
    assert (tile[inside] != 255).any(axis=-1).mean() > 0.5


def test_an_overlay_changes_the_annotated_pixels_only() -> None:
    image, mask = picture(), square_mask(value=1)
    drawn = overlay(image, mask)
    np.testing.assert_array_equal(drawn[mask == 0], image[mask == 0])
    assert (drawn[mask > 0] != image[mask > 0]).any(axis=1).all()


@pytest.mark.parametrize("command", [["convert"], ["show", "-o"]])
def test_the_commands_write_into_an_empty_folder_only(tmp_path: Path, command: list[str]) -> None:
    data, output = folders(tmp_path / "data"), tmp_path / "out"
    name, *option = command
    arguments = [sys.executable, "-m", "bench", "data", name, str(data), *option, str(output)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3" in done.stdout
    again = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "is not an empty folder" in again.stderr
