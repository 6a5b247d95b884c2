"""docs/data.md says what the tables in the code say."""

import re
from pathlib import Path

import yaml

from bench.datasets import FORMATS
from bench.datasets.formats.class_files import CLASS_FILES
from bench.datasets.formats.foreign import FOREIGN
from bench.datasets.formats.layouts import BESIDE, IMAGE_FOLDERS, MASK_FOLDERS
from bench.datasets.formats.via import CLASS_ATTRIBUTES
from bench.datasets.headers import LARGE, PERCENTILES
from bench.datasets.images import PIXEL_LIMIT
from bench.experiments import Data

PAGE = (Path(__file__).parents[2] / "docs/data.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())


def test_the_table_has_every_format_in_their_order_and_all_its_columns() -> None:
    table = PAGE.split("## Formats")[1].split("\n\n")[1].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert rows[0] == ["format", "what is looked for", "how to export it", "what is not read"]
    assert sorted(row[0] for row in rows[2:]) == sorted(FORMATS)
    assert all(len(row) == 4 and all(row) for row in rows)


def test_every_folder_name_is_on_the_page() -> None:
    images, masks = (
        re.findall(r"`([^`]+)`", line) for line in WORDS.split("Images: ")[1].split(". In any case")[0].split("Masks: ")
    )
    assert [name.lower() for name in images[0].split()] == list(IMAGE_FOLDERS)
    assert [name.lower() for name in masks[0].split()] == list(MASK_FOLDERS)
    assert "annot" in BESIDE


def test_the_example_is_an_experiments_data_section_with_every_field() -> None:
    example = yaml.safe_load(PAGE.split("```yaml")[1].split("```")[0])["data"]
    assert set(example) == set(Data.model_fields)
    assert Data(**example).options.ignore == (255,)


def test_names_and_numbers_of_the_page_are_those_of_the_code() -> None:
    assert all(name.split()[0] in WORDS for name in FOREIGN)
    assert all(f"`{name}`" in WORDS for name in CLASS_FILES)
    assert ", ".join(CLASS_ATTRIBUTES) in WORDS
    assert f"{PIXEL_LIMIT // 10**6} million pixels" in WORDS
    assert f"from {LARGE // 10**6} million on" in WORDS
    assert "the {} and {} percentile".format(*PERCENTILES) in WORDS
