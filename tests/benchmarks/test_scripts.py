"""Every script of `benchmarks/` can be imported: what it takes from the project is there."""

import ast
import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))
NOT_OURS = ("torch", "torchvision", "pytorch_lightning", "segmentation_models_pytorch")
"""What some scripts compare with, and the project does not install."""


def named(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(module, name) of each import of the project's own, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("bench", "search_spaces"):
            yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_what_a_script_takes_from_the_project_is_there(script: Path) -> None:
    for module, name in named(ast.parse(script.read_text(encoding="utf-8"))):
        found = importlib.import_module(module)
        assert hasattr(found, name) or importlib.util.find_spec(f"{module}.{name}"), f"{module}.{name}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_can_be_imported(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = script.read_text(encoding="utf-8")
    missing = [name for name in NOT_OURS if f"import {name}" in text and importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    monkeypatch.syspath_prepend(str(script.parent))
    importlib.import_module(script.stem)


def test_the_line_at_which_a_start_is_over_is_one_that_a_run_says() -> None:
    """Otherwise the benchmark would wait for it to the end of the budget."""
    script = ast.parse((ROOT / "benchmarks" / "start.py").read_text(encoding="utf-8"))
    (line,) = (
        ast.literal_eval(node.value)
        for node in script.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MEASURED"
    )
    assert line.removeprefix("note: ") in (ROOT / "bench" / "run" / "stages" / "planning.py").read_text(
        encoding="utf-8"
    )
