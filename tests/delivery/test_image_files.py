"""Which files are meant, and what their masks are called."""

from pathlib import Path

import pytest

from bench.delivery.image_files import find_images, output_names
from bench.errors import DataError


def touch(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [root / name for name in names]


def test_folders_patterns_and_files_are_found_once_each(tmp_path: Path) -> None:
    a, b, deep, _ = touch(tmp_path, "a.jpg", "b.PNG", "more/c.tif", "notes.txt")
    assert find_images([str(tmp_path)]) == [a, b]
    assert find_images([str(tmp_path / "**/*"), str(a)]) == [a, b, deep]


def test_a_file_that_is_named_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    (path,) = touch(tmp_path, "a[1].jpg")
    assert find_images([str(path)]) == [path]


@pytest.mark.parametrize(
    ("given", "said"), [("lost.jpg", "no such file"), ("*.gif", "no image in"), ("empty", "no image in")]
)
def test_what_stands_for_no_image_is_a_mistake(given: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=said):
        find_images([str(tmp_path / given)])


def test_a_name_is_the_stem_where_no_other_photograph_has_it(tmp_path: Path) -> None:
    first, second, third = touch(tmp_path, "a.jpg", "A.png", "b.jpg")
    assert output_names([first, second, third]) == {first: "a.jpg", second: "A.png", third: "b"}


def test_equal_names_of_two_folders_get_their_folder_and_nothing_ever_collides(tmp_path: Path) -> None:
    photographs = touch(tmp_path, "x/a.jpg", "y/a.jpg", "deep/x/a.jpg", "y/x-a.jpg", "y/a.jpg.png")
    names = output_names(photographs)
    assert names[photographs[1]] == "y-a.jpg"
    assert len({name.casefold() for name in names.values()}) == len(photographs)
