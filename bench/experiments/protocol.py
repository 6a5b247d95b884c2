"""The section `protocol`: what is equal for every candidate."""

from typing import Annotated, Self

from pydantic import Field, StrictInt, field_validator, model_validator

from bench.engine.devices import PRECISIONS, XLA
from bench.engine.training.batch_statistics import BATCH_NORM
from bench.errors import unknown
from bench.experiments.section import Count, Section, Seed, Share

DEFAULT_STEPS = 200
"""Of a training where neither the protocol nor a budget says otherwise (docs/decisions/0014-lengths.md)."""


class Protocol(Section):
    """What is equal for every candidate. Shares are fractions.

    Data and scores: a pixel is foreground if its probability is at least `threshold`; the delivered model has a
    threshold of its own, chosen out of fold. Predictions are compared with
    masks on a square of `evaluation_size` pixels a side (None: the largest size of the search space).

    Length: a training has `steps` optimiser steps (None: 200, or what a budget has room for), whatever the number of
    images. `steps_per_epoch` of them are called an epoch; after each the search scores the validation images. Tuners
    that promote compare trainings of `shortest_steps` at least, each with its own whole schedule.

    Search: a trial that has collapsed in `collapse_epochs` epochs in a row ends (0: none does). With several
    `search_folds` each configuration is trained on that many folds, not on the hold-out split, and its score is their
    mean. A configuration that is clearly behind the best gets no more folds. No models are kept then.

    Final evaluation: the best `finalists` distinct configurations, the default configuration and the original baseline
    are trained on `folds` folds with `final_seeds` seeds each (0 finalists: there is no final evaluation)."""

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
        # YAML reads on and off as booleans.
        said = {True: "on", False: "off"}.get(xla, xla) if isinstance(xla, bool) else xla
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
