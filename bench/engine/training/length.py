"""How long a training is: as many epochs as it was given, or as many as end in the time that it has."""

from collections.abc import Sequence

LONGER = 4 / 3
"""A training whose length is fitted is at most so many times as long as it was planned to be."""

RECENT = 4
"""Epochs whose mean pace says what the next ones take."""


class Length:
    """Of a training of `epochs` epochs of `steps` optimiser steps, and where in its learning-rate schedule each step
    stands. A schedule always comes to its end: where the length changes under way, what is left of the schedule is
    spread over the steps that are left."""

    def __init__(self, epochs: int, steps: int) -> None:
        self.epochs = self.planned = epochs
        self._steps = steps
        self._from_step, self._from_progress = 0, 0.0

    @property
    def longest(self) -> int:
        """Epochs, whatever is fitted."""
        return int(LONGER * self.planned)

    def progress(self, step: int) -> float:
        """Of step number `step`, from 0: 0 at the beginning, 1 after the last one."""
        left = self.epochs * self._steps - self._from_step
        return self._from_progress + (1.0 - self._from_progress) * (step - self._from_step) / left

    def fit(self, elapsed_s: Sequence[float], first_pace_s: float, seconds: float) -> None:
        """Changes the length to what ends `seconds` after the training's beginning, at the pace of the last epochs.
        `elapsed_s` are seconds after which each epoch so far ended; `first_pace_s` is what the first one took without
        what it took to begin."""
        over = len(elapsed_s)
        recent = min(RECENT, over - 1)
        pace_s = (elapsed_s[-1] - elapsed_s[-1 - recent]) / recent if recent else first_pace_s
        fits = int(max(0.0, seconds - elapsed_s[-1]) / max(pace_s, 1e-9))
        epochs = min(over + fits, self.longest)
        if epochs != self.epochs and over < self.epochs:
            step = over * self._steps
            self._from_step, self._from_progress = step, self.progress(step)
            self.epochs = epochs
