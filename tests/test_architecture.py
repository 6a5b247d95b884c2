"""Who may import whom."""

import ast
import re
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


FREE = {"bench.clock", "bench.errors", "bench.formats", "bench.options"}
"""What every room may import, and what imports no room."""

FACTS = {"bench.records", "search_spaces"}
NUMBERS = FACTS | {"bench.evaluation"}

MAY_IMPORT = {
    "search_spaces": set(),
    "bench.records": {"search_spaces"},
    "bench.evaluation": FACTS,
    "bench.datasets": NUMBERS,
    "bench.baselines": NUMBERS | {"bench.datasets"},
    "bench.progress": FACTS,
    "bench.tuners": FACTS,
    "bench.analysis": NUMBERS,
    "bench.report": NUMBERS | {"bench.analysis"},
    "bench.engine": NUMBERS | {"bench.datasets"},
    "bench.models": {"search_spaces", "bench.engine"},
    "bench.experiments": FACTS | {"bench.datasets", "bench.engine", "bench.tuners"},
    "bench.delivery": NUMBERS | {"bench.datasets", "bench.engine", "bench.experiments", "bench.analysis"},
    "bench.exchange": NUMBERS | {"bench.datasets", "bench.experiments", "bench.delivery"},
    "bench.run": NUMBERS
    | {"bench.datasets", "bench.baselines", "bench.progress", "bench.tuners", "bench.analysis", "bench.report"}
    | {"bench.engine", "bench.experiments", "bench.delivery"},
    "bench.doctor": NUMBERS | {"bench.datasets", "bench.progress", "bench.engine", "bench.experiments", "bench.run"},
}
"""Room -> the rooms that it may import, each after those that it imports: a run uses the engine and the analysis,
nothing flows backwards. The command line may import all of them."""


def room_of(name: str) -> str:
    """`bench.run` of `bench.run.costs`; `bench` itself of the package alone."""
    parts = name.split(".")
    return parts[0] if parts[0] == "search_spaces" else ".".join(parts[:2])


@pytest.mark.parametrize(
    "name", [name for name in MODULES if room_of(name) not in ("bench", "bench.__main__", "bench.cli")]
)
def test_nothing_flows_backwards(name: str) -> None:
    own = room_of(name)
    allowed = {"bench", own} if own in FREE else {"bench", own, *FREE, *MAY_IMPORT[own]}  # `bench` is its version
    found = {
        room_of(each) for each in imports(ast.walk(parsed(name))) if each.split(".")[0] in ("bench", "search_spaces")
    }
    assert found <= allowed


def test_every_room_has_its_rule_and_no_two_rooms_need_each_other() -> None:
    assert {room_of(name) for name in MODULES} - FREE - set(MAY_IMPORT) == {"bench", "bench.__main__", "bench.cli"}
    rooms = list(MAY_IMPORT)
    assert [room for number, room in enumerate(rooms) if MAY_IMPORT[room] - set(rooms[:number])] == []


OF_SEVERAL_ROOMS = {
    "hostile": "files and machines as nobody would wish them, whatever reads them",
    "architecture": "who may import whom",
    "changes": "what a change costs",
    "container": "the image",
    "documents": "what docs say of the code",
    "crashes": "runs that are killed at every write",
    "packaging": "what is installed",
    "ray_crashes": "the same on a cluster",
}
"""Folders and modules of tests that are not those of one room, and what they hold."""


def test_tests_stand_where_the_code_stands() -> None:
    tests = [path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")]
    rooms = {str(path.parent) for path in tests} - {"."} - set(OF_SEVERAL_ROOMS)
    assert not [
        room for room in rooms if not (ROOT / "bench" / room).is_dir() and room not in ("search_spaces", "benchmarks")
    ]
    alone = {path.stem.removeprefix("test_") for path in tests if str(path.parent) == "."} - set(OF_SEVERAL_ROOMS)
    assert not [name for name in alone if not (ROOT / "bench" / f"{name}.py").is_file()]


def test_only_the_command_line_prints_and_exits() -> None:
    allowed = {"bench.cli", "bench.cli.running", "bench.__main__"}
    for name in MODULES:
        if name not in allowed:
            calls = [node.func for node in ast.walk(parsed(name)) if isinstance(node, ast.Call)]
            assert not {ast.unparse(call) for call in calls} & {"print", "sys.exit", "exit"}, name


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(("bench.analysis", "bench.report."))])
def test_analysis_and_the_parts_of_a_report_write_no_file(name: str) -> None:
    """`bench.report` itself does, once the page is whole."""
    calls = [node.func for node in ast.walk(parsed(name)) if isinstance(node, ast.Call)]
    methods = {call.attr for call in calls if isinstance(call, ast.Attribute)}
    assert not methods & {"write_text", "write_bytes", "mkdir", "unlink", "rename", "replace_file", "to_csv"}
    assert "open" not in {ast.unparse(call) for call in calls}


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(("bench.analysis", "bench.report.s"))])
def test_analysis_and_sections_know_no_html(name: str) -> None:
    texts = [node.value for node in ast.walk(parsed(name)) if isinstance(node, ast.Constant)]
    assert not [
        text for text in texts if isinstance(text, str) and re.search(r"</|<(div|p|b|i|a|br|span|table)\b", text)
    ]


@pytest.mark.parametrize(
    "name",
    [
        "bench.analysis.run_analysis",
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
        "bench.models",
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
