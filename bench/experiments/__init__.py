"""An experiment: which data, which search space, which tuners and budget, and the protocol that is equal for all of them.

It is written as YAML (`bench/experiments/` has the presets), checked as a whole before anything runs, and stored with the run in
resolved form, so that a stored experiment can be loaded and run again. Nothing here imports TensorFlow.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, field_validator, model_validator

from bench.datasets.dataset import MASK_RESIZE, DataOptions
from bench.engine.devices import PRECISIONS, XLA
from bench.engine.training.batch_statistics import BATCH_NORM
from bench.errors import ExperimentError, unknown
from bench.experiments.yaml_file import YamlFile, closest, read_yaml, validate
from bench.formats import shortened
from bench.options import OPTIONS
from bench.records.store import read_object
from bench.tuners import ORACLES
from search_spaces import PRESETS as SPACES
from search_spaces.one_at_a_time import one_at_a_time
from search_spaces.space import Space

PRESETS: dict[str, Path] = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}
"""Experiments that come with SegBench, by name."""

SAMPLE = "sample"
"""The data path that stands for the embedded sample set."""

INDEX = "README.md"
"""A file in the folder of reports."""

PARTS = ("train", "val", "test")

SEARCH: dict[str, str] = {
    "auto": "where a budget has room for one beside the portfolio",
    "always": "three tenths of a budget, whatever it is",
    "never": "recipes of the portfolio alone",
    "compare": "no tuner: the default configuration, and each other value of each hyperparameter in its place",
}
"""When tuners search before the final evaluation; without a budget they always do, unless never or compare."""

WITHOUT_TUNERS = ("never", "compare")
"""Of these, those that never ask a tuner."""

CLUSTERS = ("local", "auto")
"""Ray clusters that need no address."""

MOST_WILDCARDS = 8
"""Of a pattern: each more may take the square of the time to be matched."""

LONGEST_BUDGET_S = 366 * 24 * 3600.0

LONGEST_NAME = 100
"""Bytes of a run's name: its folder is written beside its place under a longer one."""

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}

Share = Annotated[float, Field(ge=0, lt=1, strict=True)]
Count = Annotated[StrictInt, Field(ge=1, le=10**7)]
Seed = Annotated[StrictInt, Field(ge=0, lt=2**31)]


DEFAULT_STEPS = 200
"""Of a training where neither the protocol nor a budget says otherwise (docs/decisions/0014-lengths.md)."""


def _said(name: str, default: Any = ...) -> Any:
    """A field that is an option of a run too, with what `OPTIONS` says of it."""
    return Field(default, description=OPTIONS[name].help)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Section):
    """Where the images are, and what their annotations do not say by themselves; see `DataOptions`."""

    path: str = _said("path", SAMPLE)
    classes: Mapping[str, StrictInt | str] = Field(default_factory=dict)
    ignore: tuple[StrictInt | str, ...] = ()
    images: str | None = None
    masks: str | None = None
    split_prefixes: Mapping[str, str] = Field(default_factory=dict)
    skip_unreadable: StrictBool = _said("skip_unreadable", False)
    allow_outside: StrictBool = False
    mask_resize: str = "majority"

    @field_validator("classes", "ignore", mode="before")
    @classmethod
    def _names_are_text(cls, said: object) -> object:
        """YAML reads no, off, yes, on and null as something else than the words that they are."""
        words = [*said, *said.values()] if isinstance(said, Mapping) else said if isinstance(said, list | tuple) else ()
        for word in words:
            if word is None or isinstance(word, bool):
                raise ValueError(
                    f"a name reads as {json.dumps(word)}; YAML takes yes, no, on, off, true, false and null for values: put it in quotes"
                )
        return said

    @field_validator("path")
    @classmethod
    def _path_is_one(cls, path: str) -> str:
        if not path or "\0" in path or len(path) > 4096:
            raise ValueError(f"{shortened(path, 60)!r} is no path")
        try:
            Path(path).expanduser()
        except RuntimeError as error:
            raise ValueError(f"{shortened(path, 60)!r} names a home folder that is not known") from error
        return path

    @field_validator("images", "masks")
    @classmethod
    def _patterns_are_short(cls, pattern: str | None) -> str | None:
        if pattern is not None and (len(pattern) > 400 or pattern.count("*") > MOST_WILDCARDS or "\0" in pattern):
            raise ValueError(f"a pattern has 400 characters and {MOST_WILDCARDS} wildcards at the most")
        return pattern

    @model_validator(mode="after")
    def _patterns_come_in_pairs(self) -> Self:
        if (self.images is None) != (self.masks is None):
            raise ValueError("images and masks are patterns that belong together: give both, or neither")
        return self

    @field_validator("mask_resize")
    @classmethod
    def _rule_exists(cls, rule: str) -> str:
        if rule not in MASK_RESIZE:
            raise ValueError(unknown("rule", rule, MASK_RESIZE))
        return rule

    @field_validator("split_prefixes")
    @classmethod
    def _parts_exist(cls, prefixes: Mapping[str, str]) -> Mapping[str, str]:
        for part in prefixes.values():
            if part not in PARTS:
                raise ValueError(unknown("part", part, PARTS))
        return prefixes

    @property
    def options(self) -> DataOptions:
        return DataOptions(
            classes=self.classes,
            ignore=self.ignore,
            images=self.images,
            masks=self.masks,
            split_prefixes=self.split_prefixes,
            skip_unreadable=self.skip_unreadable,
            allow_outside=self.allow_outside,
            mask_resize=self.mask_resize,
        )


class Protocol(_Section):
    """What is equal for every contestant. Shares are fractions; a pixel of at least the probability `threshold` is foreground;
    `evaluation_size` is the side in pixels of the square on which predictions are compared with masks, None for the largest
    size of the search space. A training is `steps` optimiser steps long (None: 200, or what a budget has room for), whatever the number of
    images; after every `steps_per_epoch` of them, which is called an epoch here, the search scores the validation images.
    Tuners that promote compare trainings of `shortest_steps` at least, each with a whole schedule of its own.
    After the search the best `finalists` distinct configurations and the reference recipes are trained on
    `folds` folds with `final_seeds` seeds each (0 finalists: there are no finals). A trial of the search that has collapsed in
    `collapse_epochs` epochs in a row ends there (0: none does). With several `search_folds` the search trains each configuration on the
    first so many folds and not on the hold-out split: its score is the mean over them, who is clearly behind the best gets no more of them,
    and no models are kept."""

    steps: Count | None = None
    steps_per_epoch: Count = 25
    shortest_steps: Count = 100
    val_share: Share = 0.2
    test_share: Annotated[float, Field(gt=0, lt=1, strict=True)] = 0.2
    split_seed: Seed = 0
    threshold: Annotated[float, Field(gt=0, lt=1, strict=True)] = 0.5
    evaluation_size: Annotated[StrictInt, Field(ge=32, le=2048)] | None = None
    keep_models: Annotated[StrictInt, Field(ge=0, le=10**4)] = 3
    finalists: Annotated[StrictInt, Field(ge=0, le=20)] = 3
    folds: Annotated[StrictInt, Field(ge=2, le=20)] = 3
    final_seeds: Annotated[StrictInt, Field(ge=1, le=20)] = 3
    search_folds: Count = 1
    collapse_epochs: Annotated[StrictInt, Field(ge=0, le=10**7)] = 5
    batch_norm: str = "reestimate"
    precision: str = "auto"
    xla: str = "off"

    @property
    def epochs(self) -> int:
        """Of a training, at least one: `steps`, or `DEFAULT_STEPS`, in epochs."""
        return max(1, round((self.steps or DEFAULT_STEPS) / self.steps_per_epoch))

    @property
    def shortest_epochs(self) -> int:
        """Of the shortest training that is compared, at least one and at most all."""
        return min(self.epochs, max(1, round(self.shortest_steps / self.steps_per_epoch)))

    @field_validator("batch_norm")
    @classmethod
    def _policy_is_known(cls, policy: str) -> str:
        if policy not in BATCH_NORM:
            raise ValueError(unknown("batch_norm policy", policy, BATCH_NORM))
        return policy

    @field_validator("precision")
    @classmethod
    def _precision_is_known(cls, precision: str) -> str:
        if precision not in PRECISIONS:
            raise ValueError(unknown("precision", precision, PRECISIONS))
        return precision

    @field_validator("xla", mode="before")
    @classmethod
    def _xla_is_known(cls, xla: object) -> object:
        said = (
            {True: "on", False: "off"}.get(xla, xla) if isinstance(xla, bool) else xla
        )  # YAML reads on and off as booleans
        if not isinstance(said, str) or said not in XLA:
            raise ValueError(unknown("xla", str(said), XLA))
        return said

    @model_validator(mode="after")
    def _something_is_left_to_train_on(self) -> Self:
        if self.val_share <= 0:
            raise ValueError("val_share must be above 0: the search compares trials on validation images")
        if self.val_share + self.test_share >= 1:
            raise ValueError(f"val_share {self.val_share} and test_share {self.test_share} leave nothing to train on")
        return self

    @model_validator(mode="after")
    def _there_are_so_many_folds(self) -> Self:
        if self.search_folds > self.folds:
            raise ValueError(f"search_folds {self.search_folds} is more than the {self.folds} folds that there are")
        return self


class Experiment(_Section):
    """One experiment: a study for each tuner with each seed, where `search` (a name of `SEARCH`) wants one. `trials` is per study (None: until the budget ends); `budget` is the
    wall time of the whole run, delivery included, such as "10m". `workers` processes train at once (None: one for each GPU, or one for the CPU);
    a trial whose process died is tried again `retries` times. `cluster` is where Ray runs: "local" (started on this machine), "auto"
    (running on it), HOST:PORT or ray://HOST:PORT; None or "none": nowhere, trials run on this machine without Ray. With `learning_curve` the
    first of the finals is trained again on shares of the training images."""

    name: Annotated[str, Field(max_length=100)] = _said("name")
    space: Space
    data: Data = Data()
    tuners: Annotated[tuple[str, ...], Field(min_length=1)] = _said("tuners", ("random",))
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)] = _said("seeds", (0,))
    search: str = "always"
    trials: Count | None = _said("trials", 12)
    budget: str | None = _said("budget", None)
    workers: Count | None = _said("workers", None)
    cluster: str | None = _said("cluster", None)
    retries: Annotated[StrictInt, Field(ge=0, le=10)] = _said("retries", 1)
    learning_curve: StrictBool = _said("learning_curve", False)
    protocol: Protocol = Protocol()

    @field_validator("name")
    @classmethod
    def _name_is_a_folder_name(cls, name: str) -> str:
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(
                f"{shortened(name, 60)!r} cannot name a run's folder; use letters, digits, '-', '_' and '.'"
            )
        if len(name.encode()) > LONGEST_NAME:
            raise ValueError(
                f"{shortened(name, 60)!r} has {len(name.encode())} bytes; a run's name may have {LONGEST_NAME}"
            )
        if name.casefold() == INDEX.casefold():
            raise ValueError(f"{name!r} is what the list of reports is called")
        return name

    @field_validator("tuners")
    @classmethod
    def _tuners_are_known(cls, tuners: tuple[str, ...]) -> tuple[str, ...]:
        for tuner in tuners:
            if tuner not in ORACLES:
                raise ValueError(f"{unknown('tuner', tuner, ORACLES)}{closest(tuner, list(ORACLES))}")
        return tuners

    @field_validator("tuners", "seeds")
    @classmethod
    def _studies_are_distinct(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        repeated = [value for value in values if values.count(value) > 1]
        if repeated:
            raise ValueError(f"{repeated[0]} is named twice")
        return values

    @field_validator("search")
    @classmethod
    def _search_is_known(cls, search: str) -> str:
        if search not in SEARCH:
            raise ValueError(unknown("search", search, SEARCH))
        return search

    @field_validator("budget", mode="before")
    @classmethod
    def _budget_is_a_duration(cls, budget: object) -> object:
        try:
            if budget is not None:
                parse_duration(str(budget))
        except ExperimentError as error:
            raise ValueError(str(error)) from error
        return budget

    @field_validator("cluster")
    @classmethod
    def _cluster_is_an_address(cls, cluster: str | None) -> str | None:
        if cluster is None or cluster == "none":
            return None
        if cluster not in CLUSTERS and not re.fullmatch(r"(ray://)?[^\s/@]+:\d{1,5}", cluster):
            choices = (*CLUSTERS, "HOST:PORT", "ray://HOST:PORT", "none")
            raise ValueError(unknown("cluster", cluster, choices))
        return cluster

    @model_validator(mode="after")
    def _search_ends(self) -> Self:
        if self.trials is None and self.budget is None and self.search != "compare":
            raise ValueError("the search needs an end: set trials, budget, or both")
        return self

    @model_validator(mode="after")
    def _one_way_to_end_a_trial_early(self) -> Self:
        promoting = [tuner for tuner in self.tuners if ORACLES[tuner].promotes]
        if promoting and self.protocol.search_folds > 1:
            others = ", ".join(name for name, kind in ORACLES.items() if not kind.promotes)
            raise ValueError(
                f"tuner {promoting[0]} stops trials by rungs and cannot race on folds: set search_folds to 1, or choose from {others}"
            )
        return self

    @model_validator(mode="after")
    def _the_curve_has_its_finals(self) -> Self:
        if self.learning_curve and not self.protocol.finalists:
            raise ValueError("learning_curve trains the first of the finals again: set finalists above 0")
        return self

    @model_validator(mode="after")
    def _a_comparison_has_its_finals(self) -> Self:
        if self.search == "compare" and not self.protocol.finalists:
            raise ValueError("search: compare is a final evaluation and nothing else: set finalists above 0")
        if self.search == "compare" and len(one_at_a_time(self.space)) < 2:
            raise ValueError("search: compare has nothing to compare: the space has one value of each hyperparameter")
        return self

    @property
    def budget_s(self) -> float | None:
        return None if self.budget is None else parse_duration(self.budget)


def load_experiment(name_or_path: str) -> Experiment:
    """The preset of that name, or the experiment in that YAML file. Raises ExperimentError, one line, for any mistake in it.

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


def override(
    experiment: Experiment,
    *,
    data: str | None = None,
    tuners: Sequence[str] = (),
    trials: int | None = None,
    budget: str | None = None,
    seed: int | None = None,
    name: str | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    skip_unreadable: bool = False,
    learning_curve: bool = False,
) -> Experiment:
    """`experiment` with what the command line says instead; None and empty leave it as it is.

    A budget without a number of trials means: as many trials as fit. Other data give the run another name, unless it has one.
    """
    if experiment.search == "compare" and (tuners or trials is not None):
        asked = "--tuner" if tuners else "--trials"
        raise ExperimentError(
            f"command line: {asked} asks for a search, and {experiment.name} has search: compare, which has none; "
            f"leave it out, or choose another experiment than {experiment.name}"
        )
    changed: dict[str, Any] = experiment.model_dump()
    changed["space"] = experiment.space
    if data is not None:
        changed["data"]["path"] = data
        if data != experiment.data.path:
            changed["name"] = f"{experiment.name}-{_folder_name(data)}"
    if skip_unreadable:
        changed["data"]["skip_unreadable"] = True
    if learning_curve:
        changed["learning_curve"] = True
    if budget is not None:
        changed |= {"budget": budget, "trials": None}
    given = {
        "tuners": tuple(tuners) or None,
        "search": "always" if tuners or trials is not None else None,
        "trials": trials,
        "name": name,
        "workers": workers,
        "cluster": cluster,
        "seeds": None if seed is None else (seed,),
    }
    changed |= {key: value for key, value in given.items() if value is not None}
    return validate(Experiment, changed, place="command line")


def to_json(experiment: Experiment) -> dict[str, object]:
    """The resolved experiment as plain JSON; `load_stored` reads it back equal."""
    return experiment.model_dump(mode="json")


def parse_duration(text: str) -> float:
    """Seconds, from "90s", "10m", "1.5h" or several of them ("1h30m"). Raises ExperimentError."""
    if len(text) > 40:
        raise ExperimentError(f"{text[:40]!r}... is not a duration; write it like 90s, 10m or 1.5h")
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smh])\s*", text)
    if not parts or not re.fullmatch(r"(\s*\d+(\.\d+)?\s*[smh])+\s*", text):
        raise ExperimentError(f"{text!r} is not a duration; write it like 90s, 10m or 1.5h")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds <= 0:
        raise ExperimentError(f"{text!r} is no time at all; write a budget like 90s, 10m or 1.5h")
    if seconds > LONGEST_BUDGET_S:
        raise ExperimentError(f"{text!r} is more than a year; write a budget like 90s, 10m or 1.5h")
    return seconds


def _find(kind: str, name_or_path: str, presets: Mapping[str, Path], where: str | None = None) -> Path:
    if name_or_path in presets:
        return presets[name_or_path]
    path = Path(name_or_path).expanduser()
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
    return os.path.normpath(file.path.parent / Path(path).expanduser())


def _folder_name(path: str) -> str:
    """A path's last part with the characters that a run's name may have."""
    return re.sub(r"[^\w.-]+", "-", Path(path).resolve().name).strip("-.") or "data"
