"""Which trials are suspected of having taken a whole session down, and when they may begin."""

import pytest

from bench.engine.spec import TrialSpec
from bench.records import BEGAN, ENDED, AttemptRecord
from bench.run.attempts import OnRecord
from tests.engine.stand_in import StandInExecutor


class Lines:
    """A store that keeps what is appended."""

    def __init__(self):
        self.events = []

    def append(self, record):
        self.events.append(record.event)


def attempt(event: str) -> AttemptRecord:
    return AttemptRecord(
        study_id="search", unit="0001", event=event, attempt=1, at="2026-01-01T00:00:00+00:00", process=1, host="here"
    )


VALUES = {
    "architecture": "unet",
    "backbone": "mobilenet",
    "image_size": 96,
    "batch_size": 8,
    "loss": "bce",
    "optimizer": "adam",
}

SPEC = TrialSpec(study_id="search", trial_id="0001", hyperparameters=VALUES, seed=0, epochs=1)


@pytest.mark.parametrize(
    ("events", "fails"),
    [
        ([BEGAN], False),
        ([BEGAN, BEGAN], True),
        ([BEGAN, ENDED, BEGAN], False),
        ([BEGAN, BEGAN, ENDED, BEGAN], False),
        ([BEGAN, ENDED, BEGAN, BEGAN], True),
    ],
)
def test_attempts_that_were_lost_since_the_last_that_ended_count(events, fails):
    executor = StandInExecutor()
    guarded = OnRecord(executor, Lines(), [attempt(event) for event in events], retries=1)
    guarded.submit(SPEC)
    assert bool(executor.specs) is not fails
    (outcome,) = [event for event in guarded.events() if hasattr(event, "record")]
    assert ("attempts ended with the whole run" in (outcome.record.error or "")) is fails


def test_a_suspected_trial_waits_until_a_machine_is_there():
    class Machines(StandInExecutor):
        there = 2

        @property
        def free_slots(self):
            return self.there - len(self._running)

        def events(self):
            yield from super().events() if self._running else ()

    executor = Machines()
    guarded = OnRecord(executor, Lines(), [attempt(BEGAN)], retries=1)
    other = TrialSpec(study_id="search", trial_id="0002", hyperparameters=SPEC.hyperparameters, seed=0, epochs=1)
    guarded.submit(other)
    guarded.submit(SPEC)
    list(guarded.events())
    executor.there = 0
    list(guarded.events())
    assert executor.specs == [other]
    executor.there = 1
    list(guarded.events())
    assert executor.specs == [other, SPEC]
