"""The container does what the README's first command does. Whether it builds only a daemon can tell:
SEGBENCH_DOCKER=1."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def instruction(name: str) -> str:
    """The arguments of the only one of that name."""
    (found,) = re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)
    return found


def test_it_installs_and_runs_what_the_first_command_of_the_readme_does() -> None:
    first = next(
        line
        for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("python3 -m venv")
    )
    *install, run = first.split(" && ")
    built = instruction("RUN").replace("--no-cache-dir ", "").replace('"', "'")
    extra = instruction("ARG").removeprefix("EXTRA=")
    assert built.replace("$EXTRA", extra) == " && ".join(install)
    started = [*json.loads(instruction("ENTRYPOINT")), *json.loads(instruction("CMD"))]
    assert " ".join(started).removeprefix("/segbench/") == run


def test_every_extra_that_its_lines_name_exists_and_its_python_is_a_tested_one() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extra in {"cpu", *re.findall(r"EXTRA=(\w+)", DOCKERFILE)}:
        assert f"\n{extra} = [" in project
    assert re.fullmatch(r"python:3\.1[1-3]-slim", instruction("FROM"))


def test_what_it_copies_is_there_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists(), name
            assert f"!{name}" in ignored, name


@pytest.mark.slow
@pytest.mark.programs
@pytest.mark.skipif(not os.environ.get("SEGBENCH_DOCKER"), reason="builds an image of 3 GB: set SEGBENCH_DOCKER=1")
def test_it_builds_and_answers() -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.skip("there is no Docker daemon")
    subprocess.run(["docker", "build", "-t", "segbench-test", "."], check=True, cwd=ROOT)
    said = subprocess.run(
        ["docker", "run", "--rm", "segbench-test", "list"], check=True, capture_output=True, text=True
    )
    assert "efficientnet_lite0" in said.stdout
