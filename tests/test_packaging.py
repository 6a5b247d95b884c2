"""The files around the code agree with each other."""

import re
import tomllib
from pathlib import Path

from bench import __version__
from search_spaces.encoders.packaged_weights import PACKAGES

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements-cpu.lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAME = re.compile(r"[A-Za-z0-9_.-]+")


def normal(requirement: str) -> str:
    """The distribution that a requirement names, spelt in one way."""
    found = NAME.match(requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {normal(line): line.partition("==")[2] for line in lines if line and not line.startswith("#")}


def required() -> set[str]:
    project = PROJECT["project"]
    everything = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    return {normal(line) for line in everything} - {"segbench"}


def test_every_requirement_has_a_tested_version() -> None:
    assert required() <= set(pinned())
    assert all(pinned().values())


def locked() -> dict[str, tuple[str, int]]:
    """Version and number of hashes of each package in the lock file."""
    blocks = re.findall(
        r"^(\S+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})*)$", LOCK.read_text(encoding="utf-8"), re.M
    )
    return {normal(name): (version, hashes.count("--hash")) for name, version, hashes in blocks}


def test_the_lock_file_has_what_the_extra_cpu_needs_at_the_tested_versions_by_hash() -> None:
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    needed = {normal(line) for line in (*project["dependencies"], *extras["cpu"], *extras["weights"])}
    found = locked()
    assert needed - {"segbench", "tensorflow"} <= set(found)
    versions = {
        name: version for name, (version, _) in found.items() if name not in {"setuptools", "wheel"}
    }  # pip freeze leaves them out
    assert versions == {name: pinned()[name] for name in versions}
    assert all(hashes for _, hashes in found.values())
    assert len(found) == LOCK.read_text(encoding="utf-8").count("==")


def test_both_builds_of_tensorflow_have_the_same_version() -> None:
    assert pinned()["tensorflow"] == pinned()["tensorflow-cpu"]


def test_the_extra_weights_has_the_packages_that_the_encoders_read_at_the_tested_version() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert extras["weights"] == [f"{package.name}=={package.version}" for package in PACKAGES.values()]
    assert all("segbench[weights]" in extras[build] for build in ("cpu", "gpu"))


def test_base_requirements_leave_the_build_of_tensorflow_to_the_extras() -> None:
    assert not [line for line in PROJECT["project"]["dependencies"] if line.startswith("tensorflow")]


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    command = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1]
    assert command.endswith(".venv/bin/tox")
    assert command in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_pre_commit_uses_the_tested_ruff() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"ruff==([\d.]+)", hooks)) == {pinned()["ruff"]}


def test_every_yaml_file_of_the_packages_is_installed_with_them() -> None:
    declared = {
        path
        for package, patterns in PROJECT["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package).glob(pattern)
    }
    assert {path for package in ("bench", "search_spaces") for path in (ROOT / package).rglob("*.yaml")} <= declared


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "bench" / "py.typed").is_file()
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"]["bench"]


def test_every_folder_with_code_is_a_package() -> None:
    folders = {path.parent for package in ("bench", "search_spaces") for path in (ROOT / package).rglob("*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


def test_changelog_has_the_version_that_is_being_made() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in changelog or f"## [{__version__}]" in changelog
