"""Tuners against each other: best validation IoU so far on a common clock, over the seeds that each was run with.

"2 x random" is random search given twice the time, its best at 2t drawn at t: the yardstick of Li and others,
"Hyperband: a novel bandit-based approach to hyperparameter optimization", JMLR, 2018.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median

from bench.analysis.leaderboard import Row
from bench.analysis.series import Missing, ProgressLine, progress
from bench.records import Run

RANDOM, DOUBLE = "random", "2 x random"
_POINTS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TunerCurve:
    """`points` are (wall seconds, lowest, median, highest best-so-far IoU over the seeds), from when every seed has a
    score."""

    tuner: str
    points: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TunerScore:
    """At `Tuners.common_s`. `regret` is the mean distance to the best IoU that any study of the run ever found;
    `wins` counts the seeds with which this tuner was first (those level share), of the `shared_seeds` that every
    tuner ran."""

    tuner: str
    seeds: int
    median: float | None
    regret: float | None
    wins: float
    shared_seeds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuners:
    """Compared up to `common_s`, when the shortest study ended: later some tuner would have had more time."""

    curves: tuple[TunerCurve, ...]
    scores: tuple[TunerScore, ...]
    common_s: float
    baseline: float | None


def compare_tuners(run: Run, rows: Sequence[Row]) -> Tuners | Missing:
    found = progress(run, rows)
    if isinstance(found, Missing):
        return found
    studies: dict[str, list[ProgressLine]] = {}
    for line in found.lines:
        studies.setdefault(line.tuner, []).append(line)
    if len(found.lines) < 2:
        return Missing("only one study (tuner and seed) has scores")
    common_s = min(line.spent_s[-1] for line in found.lines)
    clock = [common_s * (step + 1) / _POINTS for step in range(_POINTS)]
    curves = [_curve(tuner, lines, clock, 1) for tuner, lines in studies.items()]
    if RANDOM in studies and len(studies) > 1:
        longest_s = min(line.spent_s[-1] for line in studies[RANDOM])
        curves.append(_curve(DOUBLE, studies[RANDOM], [at for at in clock if 2 * at <= longest_s], 2))
    return Tuners(
        curves=tuple(curve for curve in curves if curve.points),
        scores=_scores(studies, common_s),
        common_s=common_s,
        baseline=found.baseline,
    )


def best_at(line: ProgressLine, at_s: float) -> float | None:
    """The best IoU of the trials that had ended by then."""
    return next(
        (best for best, ended in zip(reversed(line.best), reversed(line.spent_s), strict=True) if ended <= at_s), None
    )


def _curve(tuner: str, lines: Sequence[ProgressLine], clock: Sequence[float], speed: int) -> TunerCurve:
    points = []
    for at in clock:
        values = [value for line in lines if (value := best_at(line, speed * at)) is not None]
        if len(values) == len(lines):
            points.append((at, min(values), median(values), max(values)))
    return TunerCurve(tuner=tuner, points=tuple(points))


def _scores(studies: dict[str, list[ProgressLine]], at_s: float) -> tuple[TunerScore, ...]:
    ever = max(line.best[-1] or 0.0 for lines in studies.values() for line in lines)
    ends = {tuner: {line.seed: best_at(line, at_s) or 0.0 for line in lines} for tuner, lines in studies.items()}
    shared = set.intersection(*(set(own) for own in ends.values()))
    wins = dict.fromkeys(ends, 0.0)
    for seed in shared if len(ends) > 1 else ():
        top = max(own[seed] for own in ends.values())
        first = [tuner for tuner, own in ends.items() if own[seed] == top]
        for tuner in first:
            wins[tuner] += 1 / len(first)
    scores = [
        TunerScore(
            tuner=tuner,
            seeds=len(own),
            median=median(own.values()),
            regret=ever - mean(own.values()),
            wins=wins[tuner],
            shared_seeds=len(shared) if len(ends) > 1 else 0,
        )
        for tuner, own in ends.items()
    ]
    return tuple(sorted(scores, key=lambda one: (one.regret or 0.0, one.tuner)))
