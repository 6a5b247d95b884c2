"""An experiment as a whole."""

import re
from typing import Annotated, Any, Self

from pydantic import Field, StrictBool, StrictInt, field_validator, model_validator

from bench.errors import ExperimentError, closest, unknown
from bench.experiments.data import Data
from bench.experiments.durations import parse_duration
from bench.experiments.protocol import Protocol
from bench.experiments.section import Count, Section, Seed, said_of
from bench.formats import shortened
from bench.tuners import ORACLES
from search_spaces.one_at_a_time import one_at_a_time
from search_spaces.space import Space

INDEX = "README.md"
"""A file in the folder of reports."""

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

LONGEST_NAME = 100
"""Bytes of a run's name: its folder is written beside its place under a longer one."""


class Experiment(Section):
    """One experiment: a study for each tuner with each seed, if `search` (a name of `SEARCH`) asks for one.

    - `trials` is the number for each study (None: until the budget ends).
    - `budget` is the wall time of the whole run, delivery included, such as "10m".
    - `workers` processes train at once (None: one for each GPU, or one for the CPU).
    - `retries`: how often a trial is tried again after its process died.
    - `cluster` is the address of Ray: "local" (started on this machine), "auto" (already running here), HOST:PORT or
      ray://HOST:PORT. With None or "none" trials run on this machine without Ray.
    - `learning_curve`: the leader of the final evaluation is trained again on fractions of the training images.
    - `single`: the delivered model is one network, trained again on all development images."""

    name: Annotated[str, Field(max_length=100)] = said_of("name")
    space: Space
    data: Data = Data()
    tuners: Annotated[tuple[str, ...], Field(min_length=1)] = said_of("tuners", ("random",))
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)] = said_of("seeds", (0,))
    search: str = "always"
    trials: Count | None = said_of("trials", 12)
    budget: str | None = said_of("budget", None)
    workers: Count | None = said_of("workers", None)
    cluster: str | None = said_of("cluster", None)
    retries: Annotated[StrictInt, Field(ge=0, le=10)] = said_of("retries", 1)
    learning_curve: StrictBool = said_of("learning_curve", False)
    single: StrictBool | None = said_of("single", None)
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
            conflict = f"tuner {promoting[0]} stops trials by rungs and cannot race on folds"
            raise ValueError(f"{conflict}: set search_folds to 1, or choose from {others}")
        return self

    @model_validator(mode="after")
    def _the_curve_has_its_finals(self) -> Self:
        if self.learning_curve and not self.protocol.finalists:
            raise ValueError("learning_curve trains the leader of the final evaluation again: set finalists above 0")
        if self.single and not self.protocol.finalists:
            raise ValueError("single trains the best of the final evaluation again: set finalists above 0")
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
