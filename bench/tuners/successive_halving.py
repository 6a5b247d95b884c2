"""Oracles that train many configurations briefly and the best of them longer: Hyperband and ASHA.

A promoted trial is a trial of its own: the configuration of its parent, trained again from the start, with a
learning-rate schedule of its new length. Its values say so in Keras Tuner's words: "tuner/trial_id" (the parent),
"tuner/initial_epoch" (always 0) and "tuner/epochs" (its length, in the unit of whoever makes the oracle),
"tuner/bracket" and "tuner/round" (from 0).
"""

import math
from collections.abc import Callable
from typing import Any

import keras_tuner as kt

from bench.tuners.keras_tuner import Configuration, PatchedOracle, proposed

FACTOR = 3
"""One of so many goes on, and trains so many times as long."""


class Hyperband(PatchedOracle, kt.oracles.HyperbandOracle):
    """Hyperband (Li et al. 2018), without an end. A trial goes on as soon as it is sure to be among the best of its
    round.

    Keras Tuner promotes one trial less for each that failed, names the newest bracket in the values of every promoted
    trial, and in an exhausted space leaves its rounds unfinished. Here a failed or collapsed trial is one of those that
    would be thrown out anyway; a round that has fewer trials than places passes all of them on; every bracket comes to
    its end.
    """

    def __init__(self, *, epochs: int, **settings: Any) -> None:
        super().__init__(max_epochs=epochs, factor=FACTOR, hyperband_iterations=None, **settings)
        self._exhausted = False

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        self._remove_completed_brackets()
        while True:
            for bracket in self._brackets:
                values = self._next_of(bracket)
                if values:
                    entry = {"past_id": values.get("tuner/trial_id"), "id": trial_id}
                    bracket["rounds"][values["tuner/round"]].append(entry)
                    return proposed(values)
            if self._exhausted:
                return {"status": "IDLE"} if self.ongoing_trials else proposed(None)
            self._increment_bracket_num()
            self._start_new_bracket()

    def _next_of(self, bracket: dict[str, Any]) -> Configuration | None:
        number, rounds = bracket["bracket_num"], bracket["rounds"]
        epochs = [self._get_epochs(number, round_num) for round_num in range(len(rounds))]
        if len(rounds[0]) < self._get_size(number, 0) and not self._exhausted:
            values = self._draw()
            if values:
                return _first(values, epochs, bracket=number)
            self._exhausted = True
        for round_num in range(1, len(rounds)):
            best = self._sure_of_promotion(bracket, round_num)
            if best is not None:
                return _promoted(best, epochs)
        return None

    def _sure_of_promotion(self, bracket: dict[str, Any], round_num: int) -> Any | None:
        """The best trial of the round before that has no place in `round_num` yet, if those still to come cannot take
        it."""
        before, here = bracket["rounds"][round_num - 1], bracket["rounds"][round_num]
        trials = [self.trials[entry["id"]] for entry in before]
        taken = {entry["past_id"] for entry in here}
        candidates = [trial for trial in trials if self.may_go_on(trial) and trial.trial_id not in taken]
        ended = sum(trial.status != "RUNNING" for trial in trials)
        to_come = self._size_at_most(bracket, round_num - 1) - ended
        if not candidates or len(here) + to_come >= self._get_size(bracket["bracket_num"], round_num):
            return None
        return max(candidates, key=lambda trial: trial.score)

    def _size_at_most(self, bracket: dict[str, Any], round_num: int) -> int:
        """How many trials a round can still come to hold: its places, or fewer if fewer can be handed up."""
        planned = int(self._get_size(bracket["bracket_num"], round_num))
        if round_num == 0:
            return len(bracket["rounds"][0]) if self._exhausted else planned
        before = bracket["rounds"][round_num - 1]
        ended = [self.trials[entry["id"]] for entry in before if self.trials[entry["id"]].status != "RUNNING"]
        lost = sum(not self.may_go_on(trial) for trial in ended)
        return min(planned, self._size_at_most(bracket, round_num - 1) - lost)

    def _remove_completed_brackets(self) -> None:
        def is_open(bracket: dict[str, Any]) -> bool:
            last = len(bracket["rounds"]) - 1
            return len(bracket["rounds"][last]) < self._size_at_most(bracket, last)

        self._brackets: list[dict[str, Any]] = [bracket for bracket in self._brackets if is_open(bracket)]


class Asha(PatchedOracle, kt.Oracle):
    """Asynchronous successive halving, the form that promotes (Li et al. 2020, "A System for Massively Parallel
    Hyperparameter Tuning", algorithm 2). It never waits: whoever is among the best third of the trials that have ended
    in its rung goes on, else a new configuration starts in the lowest one.

    Rungs end at epochs / 3^k, rounded, as long as that is at least one epoch. A failed or collapsed trial counts among
    those that ended, as the worst, so it takes no promotion away. When the space is exhausted and nothing is under way,
    thirds are rounded up: someone gets to the highest rung, however small the space.
    """

    def __init__(self, *, epochs: int, **settings: Any) -> None:
        super().__init__(**settings)
        halvings = next(k for k in range(epochs) if epochs < FACTOR ** (k + 1))
        self._epochs = [round(epochs / FACTOR**k) for k in range(halvings, -1, -1)]

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        values = self._promotion(math.floor)
        if values is None and (drawn := self._draw()):
            values = _first(drawn, self._epochs, bracket=0)
        if values is None:
            if self.ongoing_trials:
                return {"status": "IDLE"}
            values = self._promotion(math.ceil)
        return proposed(values)

    def _promotion(self, rounded: Callable[[float], int]) -> Configuration | None:
        trials = list(self.trials.values())
        promoted = {trial.hyperparameters.values.get("tuner/trial_id") for trial in trials}
        for rung in reversed(range(len(self._epochs) - 1)):
            ended = [t for t in trials if t.hyperparameters.values["tuner/round"] == rung and t.status != "RUNNING"]
            able = [trial for trial in ended if self.may_go_on(trial)]
            best = sorted(able, key=lambda trial: -trial.score)[: rounded(len(ended) / FACTOR)]
            for trial in best:
                if trial.trial_id not in promoted:
                    return _promoted(trial, self._epochs)
        return None


def _first(values: Configuration, epochs: list[int], *, bracket: int) -> Configuration:
    """A new configuration's trial in the lowest of the rungs that end at `epochs`."""
    return values | {
        "tuner/epochs": epochs[0],
        "tuner/initial_epoch": 0,
        "tuner/bracket": bracket,
        "tuner/round": 0,
    }


def _promoted(parent: Any, epochs: list[int]) -> Configuration:
    """The trial that trains the configuration of `parent` again, as long as the next of the rungs that end at
    `epochs`."""
    values: Configuration = dict(parent.hyperparameters.values)
    rung = values["tuner/round"] + 1
    return values | {
        "tuner/trial_id": parent.trial_id,
        "tuner/epochs": epochs[rung],
        "tuner/initial_epoch": 0,
        "tuner/round": rung,
    }
