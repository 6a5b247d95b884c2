"""`python -m bench predict`: photographs to files."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bench.cli import app
from tests.delivery import made
from tests.delivery.masks_read import read_mask

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, picture in enumerate(made.photographs()):
        Image.fromarray(picture).save(folder / f"photo{number}.png")
    return folder


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_every_photograph_gets_a_mask_of_its_own_size_as_predict_gives_it(small, small_model, photos, tmp_path) -> None:
    code, said, _ = run(small, photos, "-o", tmp_path / "masks")
    assert (code, said) == (0, f"5 masks in {tmp_path / 'masks'}\n")
    for number, picture in enumerate(made.photographs()):
        mask = read_mask(tmp_path / "masks" / f"photo{number}.png")
        assert mask.shape == picture.shape[:2]
        np.testing.assert_array_equal(mask, small_model.predict(picture))
        assert 0.02 < (mask == 1).mean() < 0.98
    assert len(list((tmp_path / "masks").iterdir())) == 5


def test_a_run_is_known_by_its_name_too(small, photos, tmp_path) -> None:
    code, *_ = run("made-up", photos / "photo0.png", "-o", tmp_path / "m", "--results", small.parent)
    assert code == 0
    assert (tmp_path / "m" / "photo0.png").is_file()


def test_a_rotated_photograph_gets_an_upright_mask(small, small_model, tmp_path) -> None:
    picture = Image.fromarray(made.photographs()[0])
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.png", exif=exif)
    assert run(small, tmp_path / "turned.png", "-o", tmp_path / "m")[0] == 0
    expected = small_model.predict(np.rot90(made.photographs()[0], -1).copy())
    np.testing.assert_array_equal(read_mask(tmp_path / "m" / "turned.png"), expected)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "I;16"])
def test_photographs_of_any_mode_are_read(mode: str, small, tmp_path) -> None:
    grey = made.photographs()[0][..., 0]
    if mode == "I;16":
        Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "p.png")
    else:
        Image.fromarray(grey).convert(mode).save(tmp_path / "p.png")
    assert run(small, tmp_path / "p.png", "-o", tmp_path / "m")[0] == 0
    assert read_mask(tmp_path / "m" / "p.png").shape == grey.shape


def test_everything_on_request(small, small_model, photos, tmp_path) -> None:
    out = tmp_path / "out"
    wishes = ("--overlays", "--areas", "--probabilities", "--polygons")
    assert run(small, photos, "-o", out, *wishes, "coco")[0] == 0
    picture = made.photographs()[2]
    kept = np.load(out / "probabilities" / "photo2.npz")["probabilities"]
    np.testing.assert_allclose(kept, small_model.probabilities(picture), atol=1e-3)
    assert Image.open(out / "overlays" / "photo2.jpg").size == picture.shape[1::-1]
    rows = list(csv.DictReader((out / "areas.csv").open()))
    assert [int(row["pixels"]) for row in rows] == [
        int((small_model.predict(p) == 1).sum()) for p in made.photographs()
    ]
    content = json.loads((out / "polygons.json").read_text())
    assert [image["file_name"] for image in content["images"]] == [f"photo{number}.png" for number in range(5)]
    assert run(small, photos, "-o", out, "--force", "--polygons", "labelme")[0] == 0
    named = json.loads((out / "labelme" / "photo2.json").read_text())["imagePath"]
    assert (out / "labelme" / named).resolve() == (photos / "photo2.png").resolve()


def test_masks_as_scored_are_squares_with_nothing_beside_them(small, photos, tmp_path) -> None:
    assert run(small, photos, "-o", tmp_path / "m", "--as-scored")[0] == 0
    assert {read_mask(path).shape for path in (tmp_path / "m").iterdir()} == {(made.EVALUATION_SIZE,) * 2}
    code, _, errors = run(small, photos, "-o", tmp_path / "n", "--as-scored", "--areas")
    assert code == 2
    assert "without overlays, areas" in errors


def test_what_cannot_be_read_is_named_and_skipped_with_exit_code_1(small, photos, tmp_path) -> None:
    (photos / "photo1.png").write_bytes((photos / "photo1.png").read_bytes()[:200])
    (photos / "notes.png").write_text("no picture")
    code, said, errors = run(small, photos, "-o", tmp_path / "m")
    assert code == 1
    assert said == f"4 masks in {tmp_path / 'm'}\n"
    assert f"skipped: cannot read image {photos / 'photo1.png'}: " in errors
    assert f"skipped: cannot read image {photos / 'notes.png'}: not an image" in errors
    assert "2 of 6 images skipped" in errors
    assert {path.name for path in (tmp_path / "m").iterdir()} == {f"photo{number}.png" for number in (0, 2, 3, 4)}


def test_nothing_is_overwritten_without_force_nor_a_photograph_with_it(small, photos, tmp_path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "photo3.png").write_text("mine")
    code, _, errors = run(small, photos, "-o", tmp_path / "m")
    assert code == 2
    assert f"{tmp_path / 'm' / 'photo3.png'} would be overwritten; give --force" in errors
    assert (tmp_path / "m" / "photo3.png").read_text() == "mine"
    assert len(list((tmp_path / "m").iterdir())) == 1
    assert run(small, photos, "-o", tmp_path / "m", "--force")[0] == 0
    before = (photos / "photo0.png").read_bytes()
    code, _, errors = run(small, photos, "-o", photos, "--force")
    assert code == 2
    assert "masks would lie among the photographs of" in errors
    (tmp_path / "m" / "overlays").mkdir()
    shutil.copy(photos / "photo0.png", tmp_path / "m" / "overlays" / "photo0.jpg")
    code, _, errors = run(small, tmp_path / "m" / "overlays", "-o", tmp_path / "m", "--overlays", "--force")
    assert code == 2
    assert "would replace the photograph" in errors
    assert (photos / "photo0.png").read_bytes() == before


def test_photographs_of_one_stem_get_two_masks(small, photos, tmp_path) -> None:
    Image.fromarray(made.photographs()[1]).save(photos / "photo0.jpg")
    assert run(small, photos / "photo0.*", "-o", tmp_path / "m")[0] == 0
    assert {path.name for path in (tmp_path / "m").iterdir()} == {"photo0.png.png", "photo0.jpg.png"}


@pytest.mark.parametrize(
    ("model_argument", "said"),
    [
        ("nowhere", "nowhere holds no model"),
        ("bare", "bare has no model: none was delivered yet, and no run works on it; continue it with run --resume"),
        (
            "busy",
            "a run does that at its end, and process 7 on here since 2026-01-01 works on it",
        ),
    ],
)
def test_what_is_no_model_is_said_in_one_line(model_argument: str, said: str, photos, tmp_path) -> None:
    for name in ("bare", "busy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    (tmp_path / "busy" / ".owner").write_text("process 7 on here since 2026-01-01")
    code, _, errors = run(tmp_path / model_argument, photos, "-o", tmp_path / "m")
    assert code == 2
    assert said in errors
    assert errors.count("\n") == 1


def test_an_unknown_format_of_polygons_names_the_choices(small, photos, tmp_path) -> None:
    code, _, errors = run(small, photos, "-o", tmp_path / "m", "--polygons", "svg")
    assert (code, errors) == (2, "error: unknown format of polygons 'svg'; choose from coco, labelme\n")
