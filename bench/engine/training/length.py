"""How long a training is: as many epochs as it was given, or as many as end in the time that it has."""

from collections.abc import Sequence

LONGER, LEAST_LONGEST = 2, 12
"""A training whose length is fitted is at most so many times as long as it was planned to be, or so many epochs: a plan
is made of a few steps, on a machine that may have been busy then."""

RECENT = 4
"""Epochs whose mean pace says what the next ones take."""


class Length:
    """Of a training of `epochs` epochs of `steps` optimiser steps, and where in its learning-rate schedule each step
    stands: that of a training of this length, from when it is known."""

    def __init__(self, epochs: int, steps: int) -> None:
        self.epochs, self._steps = epochs, steps
        self.longest = max(LONGER * epochs, LEAST_LONGEST)

    def progress(self, step: int) -> float:
        """Of step number `step`, from 0: 0 at the beginning, 1 after the last one."""
        return step / (self.epochs * self._steps)

    def fit(self, elapsed_s: Sequence[float], first_pace_s: float, seconds: float) -> None:
        """Changes the length to what ends `seconds` after the training's beginning, at the pace of the last epochs.
        `elapsed_s` are seconds after which each epoch so far ended; `first_pace_s` is what the first one took without
        what it took to begin."""
        over = len(elapsed_s)
        recent = min(RECENT, over - 1)
        pace_s = (elapsed_s[-1] - elapsed_s[-1 - recent]) / recent if recent else first_pace_s
        fits = int(max(0.0, seconds - elapsed_s[-1]) / max(pace_s, 1e-9))
        self.epochs = min(over + fits, max(over, self.longest))
