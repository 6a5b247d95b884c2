"""What each level does to the default configuration's score: a comparison of one factor at a time, from the paired
differences of the final evaluation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.final_evaluation import LEAST_FOLDS, Finals, RankedCandidate
from bench.analysis.series import Missing
from bench.evaluation.statistics import LEVEL, Difference, holm
from bench.records import DEFAULT, Candidate, HyperparameterValue, Run
from search_spaces.one_at_a_time import changed_factor
from search_spaces.space import HYPERPARAMETERS


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedLevel:
    """One value of a factor. `difference` is its IoU out of fold minus that of the default configuration, paired on
    images and trainings; None of the default's own value. `p` is corrected by Holm for all levels of the run; `clear`
    is p below 0.05, and never with one seed each, where chance in training is unknown."""

    label: str
    standing: RankedCandidate
    difference: Difference | None = None
    p: float | None = None
    clear: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedLevels:
    """By factor its levels: numbers in order, names best first, the default's own value among them. Each score rests on
    `trainings`, of `seeds` seeds. `left_out` has why a level is not here, by its candidate's name."""

    default: RankedCandidate
    factors: Mapping[str, tuple[ComparedLevel, ...]]
    trainings: int
    seeds: int
    left_out: Mapping[str, str]


def compared_levels(run: Run, held: Finals) -> ComparedLevels | Missing | None:
    """None where the final evaluation was no comparison of levels."""
    if run.finals is None or not run.finals.balanced:
        return None
    default = held.of_role(DEFAULT)
    left_out = dict(_left_out(run.finals.candidates, held))
    if default is None:
        return Missing(f"the default configuration is not among the candidates: {left_out.get(DEFAULT, 'not planned')}")
    own = default.candidate.hyperparameters
    beside = {each.candidate.name: changed_factor(each.candidate.hyperparameters, own) for each in held.ranking}
    others = [each for each in held.ranking if beside[each.candidate.name] and each.to_default]
    if not others:
        return Missing("no level beside the default configuration was trained on as many folds")
    corrected = holm([each.to_default.p for each in others if each.to_default])
    several = held.comparison.num_trainings > 1
    found: dict[str, list[ComparedLevel]] = {}
    for each, p in zip(others, corrected, strict=True):
        factor = beside[each.candidate.name] or ""
        level = ComparedLevel(
            label=_label(each.candidate.hyperparameters[factor]),
            standing=each,
            difference=each.to_default,
            p=p,
            clear=several and p < 1 - LEVEL,
        )
        found.setdefault(factor, []).append(level)
    return ComparedLevels(
        default=default,
        factors={
            factor: _in_order(factor, [ComparedLevel(label=_label(own[factor]), standing=default), *found[factor]])
            for factor in HYPERPARAMETERS
            if factor in found
        },
        trainings=held.record.folds * len(held.seeds),
        seeds=len(held.seeds),
        left_out=left_out,
    )


def _left_out(planned: Sequence[Candidate], held: Finals) -> Iterator[tuple[str, str]]:
    standing = {each.candidate.name for each in held.ranking}
    for each in planned:
        if each.name not in standing:
            yield each.name, held.out.get(each.name, f"no time for {LEAST_FOLDS} folds")


def _label(value: HyperparameterValue) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).rsplit("/", 1)[-1]


def _in_order(factor: str, found: Sequence[ComparedLevel]) -> tuple[ComparedLevel, ...]:
    def place(level: ComparedLevel) -> float:
        value = level.standing.candidate.hyperparameters[factor]
        return float(value) if isinstance(value, int | float) else -level.standing.score

    return tuple(sorted(found, key=place))
