"""Python, the installed packages, and what TensorFlow sees. Each is asked without this process importing TensorFlow."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement

from bench.doctor import Finding
from bench.engine.devices import visible_gpus
from bench.formats import listing
from bench.records.environment import current_versions

TOGETHER_BROKEN = (("tensorflow", "tensorflow-cpu"), ("opencv-python", "opencv-python-headless"))
"""Distributions that write into one folder: whichever came last has overwritten parts of the other."""

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"

_ASK = f"""
import json, os
os.environ.setdefault({ONEDNN!r}, "1")
import tensorflow as tf
try:
    from tensorflow.python.util import _pywrap_util_port
    onednn = bool(_pywrap_util_port.IsMklEnabled())
except (ImportError, AttributeError):
    onednn = None
gpus = tf.config.list_physical_devices("GPU")
names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus]
print(json.dumps({{"version": tf.__version__, "gpus": names, "onednn": onednn}}))
"""
_PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFlow:
    """What a process that imports it says: names of its GPUs, and whether oneDNN computes (None: it does not say)."""

    version: str
    gpus: tuple[str, ...]
    onednn: bool | None


def ask_tensorflow() -> TensorFlow | str:
    """Asks in a process of its own; in one line why there is no answer."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "PYTHONSAFEPATH": "1"}
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"importing TensorFlow took more than {_PATIENCE_S:.0f} s"
    if ended.returncode:
        last = ended.stderr.strip().splitlines()[-1:] or [f"the process ended with code {ended.returncode}"]
        return last[0]
    said = json.loads(ended.stdout.strip().splitlines()[-1])
    return TensorFlow(version=said["version"], gpus=tuple(said["gpus"]), onednn=said["onednn"])


def packages(
    requirements: Sequence[str] | None,
    version_of: Callable[[str], str | None],
    *,
    python: str = platform.python_version(),
) -> Iterator[Finding]:
    """Whether what SegBench requires is installed in versions that fit. `requirements` are those of its distribution,
    None where it is not installed; `version_of` gives that of a distribution, None where it is missing."""
    versions = ", ".join(f"{name} {version}" for name, version in current_versions().items())
    broken = [
        (requirement, version_of(requirement.name))
        for requirement in map(Requirement, requirements or ())
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    ]
    wrong = [
        (requirement, version)
        for requirement, version in broken
        if version is None or not requirement.specifier.contains(version, prereleases=True)
    ]
    problem = mend = None
    if requirements is None:
        problem, mend = (
            "segbench is not installed, so nothing says what it needs",
            "pip install -c constraints.txt -e '.[cpu]'",
        )
    elif wrong:
        said = [
            f"{each.name} {version or 'is missing'}" + (f", not {each.specifier}" if version else "")
            for each, version in wrong
        ]
        problem = listing(said)
        mend = "pip install " + " ".join(f"'{each.name}{each.specifier}'" for each, _ in wrong)
    yield Finding(subject="packages", found=f"Python {python}; {versions}", problem=problem, mend=mend)
    for first, second in TOGETHER_BROKEN:
        if version_of(first) and version_of(second):
            keep = second if first == "opencv-python" else "segbench[cpu]"
            yield Finding(
                subject="packages",
                found=f"{first} and {second}",
                problem="both are installed and overwrite each other",
                mend=f"pip uninstall -y {first} {second} && pip install '{keep}'",
            )


def requirements_of(distribution: str = "segbench") -> Sequence[str] | None:
    try:
        return metadata.requires(distribution) or ()
    except metadata.PackageNotFoundError:
        return None


def installed_version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def devices(
    answer: TensorFlow | str,
    gpus: Sequence[tuple[str, int | None]] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Finding]:
    """What computes, and whether oneDNN does on a CPU; `gpus` are those that the driver lists."""
    gpus = visible_gpus(environment) if gpus is None else gpus
    if isinstance(answer, str):
        gone = "No module named 'tensorflow'" in answer
        yield Finding(
            subject="TensorFlow",
            found="none" if gone else "cannot be imported",
            problem="TensorFlow is not installed" if gone else answer,
            mend=f"pip install 'segbench[{'gpu' if gpus else 'cpu'}]'" + ("" if gone else " in a new environment"),
        )
        return
    unseen = len(gpus) > len(answer.gpus)
    yield Finding(
        subject="TensorFlow",
        found=f"{answer.version} on {', '.join(answer.gpus) or 'the CPU'}",
        problem=f"nvidia-smi lists {len(gpus)} GPUs and TensorFlow sees {len(answer.gpus)}" if unseen else None,
        mend="pip uninstall -y tensorflow-cpu && pip install 'segbench[gpu]'" if unseen else None,
    )
    if not answer.gpus:
        off = answer.onednn is False
        chosen = environment.get(ONEDNN) is not None
        yield Finding(
            subject="oneDNN",
            found={True: "on", False: "off", None: "TensorFlow does not say"}[answer.onednn],
            problem=f"{ONEDNN}={environment[ONEDNN]} is set, and training steps take longer"
            if off and chosen
            else None,
            mend=f"unset {ONEDNN}" if off and chosen else None,
        )
