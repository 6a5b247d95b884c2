"""What the batch normalisation statistics are when a model is validated: the protocol's `batch_norm`, for every
architecture.

`docs/decisions/0001-batch-normalisation.md` has the measurement behind the default; `benchmarks/batch_norm.py` makes it
again.
"""

import numpy as np

from search_spaces.batch_normalization import KERAS_MOMENTUM

BATCH_NORM: dict[str, str] = {
    "reestimate": "mean over training images as they are, taken with the weights that are validated",
    "epoch_mean": "mean over the steps of the last epoch: costs nothing, lags by half an epoch",
    "keras": "Keras's moving average, momentum 0.99: for comparison, stale on small data",
}
"""Policy -> what validation runs on."""

STATISTICS_IMAGES = 32
"""Images that `reestimate` averages over, at the most."""


def statistics_rows(rows: np.ndarray) -> np.ndarray:
    """The rows of the pixel cache to average over: a draw, the same for every trial. Ids in order would be a class
    first, where file names begin with it."""
    return np.random.default_rng(0).permutation(rows)[:STATISTICS_IMAGES]


def step_momentum(policy: str, step: int) -> float:
    """The share of the old statistics to keep at training step `step` of an epoch, counted from 0."""
    return step / (step + 1) if policy == "epoch_mean" else KERAS_MOMENTUM
