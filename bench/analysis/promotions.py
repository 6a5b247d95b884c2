"""Trials that belong together: a tuner that promotes continues one trial's training in another (`tuner/trial_id`
names the former)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.records import EpochRecord, Key, TrialRecord


@dataclass(frozen=True, slots=True)
class Training:
    """Of one trial: `line` are the trials that it was promoted from and itself, the first in front; `whole` goes on
    to the last one that it was promoted to."""

    line: tuple[TrialRecord, ...]
    whole: tuple[TrialRecord, ...]

    @property
    def beginning(self) -> Key:
        """Equal for all trials of one training."""
        return self.line[0].key

    @property
    def curve(self) -> tuple[EpochRecord, ...]:
        return tuple(epoch for trial in _behind(self.whole) for epoch in trial.curve)

    @property
    def epochs(self) -> int:
        return sum(trial.epochs_run for trial in _behind(self.line))

    @property
    def train_s(self) -> float | None:
        return _sum(trial.train_s for trial in _behind(self.line))

    @property
    def wall_s(self) -> float | None:
        return _sum(trial.wall_s for trial in _behind(self.line))


def trainings(trials: Iterable[TrialRecord]) -> dict[Key, Training]:
    """By trial."""
    known = {trial.key: trial for trial in trials}
    lines = {key: _line(trial, known) for key, trial in known.items()}
    whole = {line[0].key: line for line in sorted(lines.values(), key=len)}
    return {key: Training(line, whole[line[0].key]) for key, line in lines.items()}


def _line(trial: TrialRecord, known: Mapping[Key, TrialRecord]) -> tuple[TrialRecord, ...]:
    line = [trial]
    while (promotion := line[0].promotion) and (parent := known.get((trial.study_id, str(promotion.parent)))):
        line.insert(0, parent)
    return tuple(line)


def _behind(line: Sequence[TrialRecord]) -> Sequence[TrialRecord]:
    """Those whose epochs the last one has behind it: where its parent's state was gone it trained them all itself."""
    for place in reversed(range(1, len(line))):
        if line[place].epochs_run >= line[place].epochs_planned:
            return line[place:]
    return line


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
