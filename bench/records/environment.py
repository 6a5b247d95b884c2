"""Where a run takes place, for the record."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import psutil

from bench.records import Environment

PACKAGES = (
    "segbench",
    "tensorflow",
    "tensorflow-cpu",
    "keras",
    "keras-tuner",
    "segmentation-models",
    "albumentations",
    "opencv-python-headless",
    "numpy",
    "optuna",
    "scikit-learn",
)
"""Distributions whose version can change a result."""

CONTROL_GROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where Linux says, in its second and in its first version of control groups, how much memory a container may have."""


def current_environment(device: str, precision: str) -> Environment:
    """The machine and the versions of this process; `device` is what the workers compute on, in words."""
    return Environment(
        versions=current_versions(),
        python=platform.python_version(),
        platform=platform.platform(),
        device=device,
        precision=precision,
        cores=os.cpu_count() or 1,
        memory_bytes=memory_limit(),
        commit=_commit(),
    )


def memory_limit() -> int:
    """Bytes that the processes here may hold together: the machine's memory, or what its control group (a container's)
    leaves of it."""
    said = [file.read_text().strip() for file in CONTROL_GROUP_LIMITS if file.is_file()]
    return min([psutil.virtual_memory().total, *(int(limit) for limit in said if limit.isdigit())])  # else "max"


def current_versions() -> dict[str, str]:
    """Installed versions of `PACKAGES`, by name."""
    return {name: version for name in PACKAGES if (version := _version(name)) is not None}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of this checkout, with "+changes" where files differ from it; None outside a checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", "bench", "search_spaces")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+changes" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()
