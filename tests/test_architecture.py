"""Who may import whom."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SLOW = ("tensorflow", "keras", "keras_tuner", "segmentation_models")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for package in ("bench", "search_spaces") for path in (ROOT / package).rglob("*.py")}


def imports(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """The modules of this project that import statements name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def at_module_level(tree: ast.Module) -> Iterator[ast.AST]:
    """Statements that run on import; those in functions and under TYPE_CHECKING do not."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        waiting.extend(ast.iter_child_nodes(node))


def parsed(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [name for name in MODULES if name.split(".")[0] == "search_spaces"])
def test_search_spaces_know_nothing_of_the_bench(name: str) -> None:
    assert not [found for found in imports(ast.walk(parsed(name))) if found.split(".")[0] == "bench"]


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {name: set(imports(at_module_level(parsed(name)))) & set(MODULES) - {name} for name in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


FORBIDDEN = {
    "bench.records": ("bench.run", "bench.report", "bench.analysis", "bench.engine", "bench.datasets", "bench.cli"),
    "bench.evaluation": ("bench.run", "bench.report", "bench.analysis", "bench.engine", "bench.cli"),
    "bench.datasets": ("bench.run", "bench.report", "bench.analysis", "bench.engine", "bench.cli"),
    "bench.analysis": ("bench.run", "bench.report", "bench.engine", "bench.tuners", "bench.cli"),
    "bench.report": ("bench.run", "bench.engine", "bench.tuners", "bench.cli"),
    "bench.tuners": ("bench.run", "bench.report", "bench.analysis", "bench.engine", "bench.cli"),
    "bench.engine": ("bench.run", "bench.report", "bench.analysis", "bench.tuners", "bench.cli"),
    "bench.run": ("bench.cli",),
    "bench.delivery": ("bench.run", "bench.report", "bench.tuners", "bench.cli"),
    "bench.doctor": ("bench.report", "bench.analysis", "bench.tuners", "bench.cli"),
    "bench.exchange": ("bench.run", "bench.report", "bench.tuners", "bench.engine", "bench.cli"),
}
"""Room -> the rooms that nothing in it may import: a run uses the engine and the analysis, nothing flows backwards."""


@pytest.mark.parametrize("room", FORBIDDEN)
def test_nothing_flows_backwards(room: str) -> None:
    backwards = [
        f"{name} -> {found}"
        for name in MODULES
        if name == room or name.startswith(f"{room}.")
        for found in imports(ast.walk(parsed(name)))
        if found.startswith(tuple(f"{other}." for other in FORBIDDEN[room])) or found in FORBIDDEN[room]
    ]
    assert not backwards


def test_only_the_command_line_prints_and_exits() -> None:
    allowed = {"bench.cli", "bench.cli.running", "bench.__main__"}
    for name in MODULES:
        if name not in allowed:
            calls = [node.func for node in ast.walk(parsed(name)) if isinstance(node, ast.Call)]
            assert not {ast.unparse(call) for call in calls} & {"print", "sys.exit", "exit"}, name


@pytest.mark.parametrize(
    "name",
    [
        "bench.records",
        "bench.records.store",
        "bench.report",
        "bench.evaluation.metrics",
        "bench.evaluation.pixel_metrics",
        "bench.evaluation.statistics",
        "bench.experiments",
        "bench.cli.catalogue",
        "bench.datasets",
        "bench.cli",
        "bench.cli.data",
        "bench.cli.delivery",
        "bench.cli.doctor",
        "bench.cli.reporting",
        "bench.cli.running",
        "bench.delivery.deliver",
        "bench.delivery.finished_run",
        "bench.delivery.model",
        "bench.delivery.predicting",
        "bench.doctor.experiment",
        "bench.doctor.software",
        "bench.exchange.layouts",
        "bench.exchange.run_data",
        "bench.exchange.scoring",
        "bench.run",
        "search_spaces.space",
    ],
)
def test_import_loads_no_tensorflow(name: str) -> None:
    code = f"import sys, {name}\nfound = {set(SLOW)} & set(sys.modules)\nassert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_package_itself_loads_nothing_slow_and_knows_what_is_asked_of_it() -> None:
    code = (
        "import sys, bench\nassert not {'tensorflow', 'numpy', 'pandas', 'cv2'} & set(sys.modules)\n"
        "from bench import load_model, load_run\nassert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_list_loads_no_tensorflow() -> None:
    code = (
        "import sys\nfrom bench.cli.catalogue import catalogue\nassert all(catalogue().values())\n"
        f"found = {set(SLOW)} & set(sys.modules)\nassert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
