"""An experiment from a preset, a YAML file, a run's folder or the command line."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.datasets.dataset import at_home
from bench.errors import ExperimentError, closest, unknown
from bench.experiments.experiment import Experiment
from bench.experiments.yaml_file import YamlFile, read_yaml, validate
from bench.options import SAMPLE, given
from bench.records.store import read_object
from search_spaces import PRESETS as SPACES
from search_spaces.space import Space

PRESETS: dict[str, Path] = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}
"""Experiments that come with SegBench, by name."""


def load_experiment(name_or_path: str) -> Experiment:
    """The preset of that name, or the experiment in that YAML file. Raises ExperimentError, one line, for a mistake in
    it.

    A path in the file (of data, of a search space) is relative to the file's own folder.
    """
    file = read_yaml(_find("experiment", name_or_path, PRESETS))
    content: dict[str, Any] = {"name": file.path.stem, "space": "default", **file.content}
    if isinstance(content["space"], str):
        content["space"] = load_space(content["space"], beside=file)
    data = content.get("data")
    if isinstance(data, dict) and isinstance(data.get("path"), str) and data["path"] != SAMPLE:
        content["data"] = data | {"path": _beside(file, data["path"])}
    return validate(Experiment, content, file=file)


def load_space(name_or_path: str, *, beside: YamlFile | None = None) -> Space:
    """The search space of that name, or in that YAML file (relative to the experiment that names it)."""
    where = None
    if beside:
        where = f"{beside.place(['space'])}: space"
        name_or_path = _beside(beside, name_or_path) if _is_path(name_or_path) else name_or_path
    file = read_yaml(_find("search space", name_or_path, SPACES, where))
    return validate(Space, file.content, file=file)


def load_stored(path: Path) -> Experiment:
    """The experiment that a run was started with, from its experiment.json."""
    return validate(Experiment, read_object(path), place=str(path))


def override(experiment: Experiment, **said: Any) -> Experiment:
    """`experiment` with the values of the command line, by flag or field (`bench.options`). None, empty and False
    change nothing.

    With a budget and no number of trials, as many trials run as fit. Other data give the run another name, unless the
    command line names it.
    """
    new = dict(given(said))
    searches = [flag for flag, field in (("--tuner", "tuners"), ("--trials", "trials")) if field in new]
    if experiment.search == "compare" and searches:
        name = experiment.name
        raise ExperimentError(
            f"command line: {searches[0]} asks for a search, and {name} has search: compare, which has none; "
            f"leave it out, or choose another experiment than {name}"
        )
    follows: dict[str, Any] = {"search": "always"} if searches else {}
    if "budget" in new:
        follows["trials"] = None
    if new.get("path", experiment.data.path) != experiment.data.path:
        follows["name"] = f"{experiment.name}-{_folder_name(str(new['path']))}"
    changed: dict[str, Any] = experiment.model_dump() | {"space": experiment.space} | follows
    for field, value in new.items():
        section = next(each for each in (changed, changed["data"], changed["protocol"]) if field in each)
        several = isinstance(section[field], tuple)
        section[field] = value if not several else tuple(value) if isinstance(value, list | tuple) else (value,)
    return validate(Experiment, changed, place="command line")


def to_json(experiment: Experiment) -> dict[str, object]:
    """The resolved experiment as plain JSON; `load_stored` reads it back equal."""
    return experiment.model_dump(mode="json")


def _find(kind: str, name_or_path: str, presets: Mapping[str, Path], where: str | None = None) -> Path:
    if name_or_path in presets:
        return presets[name_or_path]
    path = at_home(Path(name_or_path))
    if path.is_file():
        return path
    if path.is_dir() or _is_path(name_or_path):
        what = "is a folder" if path.is_dir() else "does not exist"
        said = f"{kind} file {path} {what}; the presets are {', '.join(presets)}"
    else:
        near = closest(name_or_path, list(presets))
        said = f"{unknown(kind, name_or_path, presets)}{near}, or give the path of a YAML file"
    raise ExperimentError(f"{where}: {said}" if where else said)


def _is_path(name_or_path: str) -> bool:
    return Path(name_or_path).suffix in {".yaml", ".yml"} or "/" in name_or_path or os.sep in name_or_path


def _beside(file: YamlFile, path: str) -> str:
    """`path` as the file means it: relative to the folder that the file is in."""
    return os.path.normpath(file.path.parent / at_home(Path(path)))


def _folder_name(path: str) -> str:
    """A path's last part with the characters that a run's name may have."""
    return re.sub(r"[^\w.-]+", "-", Path(path).resolve().name).strip("-.") or "data"
