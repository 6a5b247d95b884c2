"""What documents say of the code is so: files that they name are there, and docs/architecture.md knows each module."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bench", "search_spaces")
MODULES = {path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

FROM_THE_ROOT = re.compile(r"^(bench|benchmarks|search_spaces|tests|docs)/")
NAMED = re.compile(r"`([\w./*-]+(?:\.py|\.md|\.yaml|\.j2|/))`")
"""A file or a folder, as these documents write them."""

OF_A_RUN = ("results/", "reports/", "tables/", "leaderboard.md")
"""How names begin of what a run leaves, which is not there without one."""


def rows() -> Iterator[tuple[list[Path], list[Path]]]:
    """Of each row of "Where things are": the paths in its first column, and those that its second one names. A name
    stands where the first of its row does, unless it begins with a folder of the repository."""
    table = ARCHITECTURE.partition("## Where things are")[2].partition("\n## ")[0]
    for line in table.splitlines():
        if not line.startswith("| `"):
            continue
        _, first, second, _ = line.split("|")
        names = NAMED.findall(first)
        base = Path(names[0].rstrip("/")).parent
        inside = Path(names[0]) if names[0].endswith("/") else base
        yield (
            [Path(name) if FROM_THE_ROOT.match(name) else base / name for name in names],
            [Path(name) if FROM_THE_ROOT.match(name) else inside / name for name in NAMED.findall(second)],
        )


def test_every_path_of_the_table_of_rooms_is_there() -> None:
    named = [path for first, second in rows() for path in (*first, *second)]
    assert len(named) > len(MODULES) / 2
    assert [str(path) for path in named if not any(ROOT.glob(str(path)))] == []


def test_every_module_stands_in_the_table_of_rooms() -> None:
    """By its own name, or by that of a folder."""
    first = {path for paths, _ in rows() for path in paths}
    missing = [path for path in MODULES if path.name != "__init__.py" and not {path, *path.parents} & first]
    assert sorted(map(str, missing)) == []


def test_every_stage_of_the_picture_is_a_module() -> None:
    picture = ARCHITECTURE.partition("```mermaid")[2].partition("```")[0]
    said = [name for label in re.findall(r'\["([\w.]+(?:, [\w.]+)*)', picture) for name in label.split(", ")]
    assert len(said) > 12
    places = [ROOT / "bench" / Path(*name.split(".")) for name in said]
    assert [str(place) for place in places if not (place.is_dir() or place.with_suffix(".py").is_file())] == []


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "docs/architecture.md", "docs/glossary.md"])
def test_every_file_that_a_document_names_is_there(document: str) -> None:
    """From the root of the repository, or somewhere below it."""
    names = [name.rstrip("/") for name in NAMED.findall((ROOT / document).read_text(encoding="utf-8"))]
    names = [name for name in names if not name.startswith(OF_A_RUN)]
    assert names
    folders = [ROOT / name for name in (*PACKAGES, "benchmarks", "docs", "tests")]
    assert [
        name for name in names if not (ROOT / name).exists() and not any(any(at.rglob(name)) for at in folders)
    ] == []


def test_every_link_of_a_document_leads_to_a_file() -> None:
    documents = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), ROOT / "results" / "README.md"]
    links = [
        (document, target)
        for document in documents
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8"))
        if "://" not in target
    ]
    assert links
    assert [(str(document), target) for document, target in links if not (document.parent / target).exists()] == []
