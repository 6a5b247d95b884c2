"""Several runs to one leaderboard: which configurations did well on every data set, and what each search found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench import formats
from bench.analysis.final_evaluation import Finals, RankedCandidate
from bench.analysis.labels import configuration_label, role_title
from bench.analysis.leaderboard import Row, leaderboard, ranked
from bench.analysis.pooled_runs import DataSet, data_sets
from bench.evaluation.ranks import Ranks, compare_ranks
from bench.formats import listing
from bench.records import DEFAULT, FINALIST, ORIGINAL, Candidate, Run

CHOICE = "the search's choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the search of one run found: its best trial by validation IoU, None where none has one."""

    label: str
    dataset: str
    run: Run
    trials: int
    best: Row | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RankTable:
    """Cross-validated IoU by candidate, models of other tools among them (best average rank first, those that were not
    evaluated on every data set last) and data set, None where a candidate was not evaluated. `ranks` counts
    positions among the first `complete` candidates, and is None where fewer than two are in all of at least two data
    sets."""

    candidates: tuple[str, ...]
    datasets: tuple[str, ...]
    scores: tuple[tuple[float | None, ...], ...]
    complete: int
    ranks: Ranks | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Across:
    """`ranking` is that of each data set that has a final evaluation, best first, by the label that the candidate
    has on the whole page."""

    datasets: tuple[DataSet, ...]
    found: tuple[Found, ...]
    ranking: Mapping[str, Mapping[str, RankedCandidate]]
    configurations: RankTable
    roles: RankTable

    def held_on(self, label: str) -> Finals:
        """The final evaluation of a data set that has one."""
        return next(each.held for each in self.datasets if each.label == label and isinstance(each.held, Finals))

    def ranking_on(self, data: DataSet) -> Finals:
        """The final evaluation of a data set that has one, its candidates with the labels of the whole page."""
        assert isinstance(data.held, Finals)
        named = tuple(replace(standing, label=name) for name, standing in self.ranking[data.label].items())
        return replace(data.held, ranking=named)


def across(runs: Sequence[Run]) -> Across:
    """Raises StoreError where runs of one data set do not compare (`bench.analysis.pooled_runs`)."""
    datasets = data_sets(runs)
    held = {each.label: each.held.ranking for each in datasets if isinstance(each.held, Finals)}
    labels = _labels([standing.candidate for ranking in held.values() for standing in ranking])
    ranking = {name: {labels[each.candidate.configuration]: each for each in of} for name, of in held.items()}
    tools = {each.label: _of_other_tools(each.held) for each in datasets if isinstance(each.held, Finals)}
    return Across(
        datasets=datasets,
        found=tuple(_found(label, each.label, run) for each in datasets for label, run in each.runs.items()),
        ranking=ranking,
        configurations=rank_table(
            {name: {label: each.score for label, each in of.items()} | tools[name] for name, of in ranking.items()}
        ),
        roles=rank_table({name: _by_role(of) | tools[name] for name, of in held.items()}),
    )


def _of_other_tools(held: Finals) -> dict[str, float]:
    """Scores of the models of other tools that were given for every image on which the candidates are ranked, by name:
    one name on several data sets is one candidate."""
    return {
        f"{each.label} (other tool)": each.score
        for each in held.external.ranking
        if each.whole and each.score is not None
    }


def rank_table(scores: Mapping[str, Mapping[str, float]]) -> RankTable:
    """From scores by data set and candidate."""
    candidates = list(dict.fromkeys(name for of in scores.values() for name in of))
    rows = {name: tuple(of.get(name) for of in scores.values()) for name in candidates}
    complete = [name for name in candidates if None not in rows[name]]
    ranks = None
    if len(complete) > 1 and len(scores) > 1:
        unordered = compare_ranks(_array(rows, complete))
        complete = [complete[position] for position in unordered.order]
        ranks = compare_ranks(_array(rows, complete))
    others = [name for name in candidates if name not in complete]
    return RankTable(
        candidates=(*complete, *others),
        datasets=tuple(scores),
        scores=tuple(rows[name] for name in (*complete, *others)),
        complete=len(complete),
        ranks=ranks,
    )


def _array(rows: Mapping[str, Sequence[float | None]], names: Sequence[str]) -> np.ndarray:
    """float64 [data sets, candidates]"""
    return np.array([rows[name] for name in names], dtype=np.float64).T


def _by_role(ranking: Sequence[RankedCandidate]) -> dict[str, float]:
    """The finalist that the search had first, chosen before the final evaluation and so without its selection bias, and
    the recipes."""
    finalists = [each for each in ranking if FINALIST in each.candidate.roles]
    chosen = max(finalists, key=lambda each: each.candidate.search_iou or 0.0, default=None)
    known = {CHOICE: chosen} | {
        role: next((each for each in ranking if role in each.candidate.roles), None) for role in (DEFAULT, ORIGINAL)
    }
    return {role: each.score for role, each in known.items() if each}


def _found(label: str, dataset: str, run: Run) -> Found:
    rows = leaderboard(run)
    return Found(label=label, dataset=dataset, run=run, trials=len(rows), best=next(iter(ranked(rows)), None))


def _labels(candidates: Sequence[Candidate]) -> dict[str, str]:
    """By configuration; where two would be called the same, the hyperparameters in which they differ tell them
    apart."""
    roles: dict[str, list[str]] = {}
    by_key = {each.configuration: each for each in candidates}
    for each in candidates:
        roles.setdefault(each.configuration, []).extend(role for role in each.roles if role in (DEFAULT, ORIGINAL))
    short = {
        key: configuration_label(Candidate(name=each.name, roles=(), hyperparameters=each.hyperparameters))
        for key, each in by_key.items()
    }
    for shown in (formats.plain, str):
        short = _told_apart(short, by_key, shown)
    return {
        key: f"{text} ({listing(list(dict.fromkeys(map(role_title, roles[key]))))})" if roles[key] else text
        for key, text in short.items()
    }


def _told_apart(
    labels: Mapping[str, str], candidates: Mapping[str, Candidate], shown: Callable[[object], str]
) -> dict[str, str]:
    alike: dict[str, list[str]] = {}
    for key, label in labels.items():
        alike.setdefault(label, []).append(key)
    return {
        key: " · ".join([label, *_differing(candidates[key], [candidates[other] for other in alike[label]], shown)])
        for key, label in labels.items()
    }


def _differing(one: Candidate, of: Sequence[Candidate], shown: Callable[[object], str]) -> list[str]:
    values = one.hyperparameters
    names = [name for name in values if len({str(each.hyperparameters.get(name)) for each in of}) > 1]
    return [f"{name.replace('_', ' ')} {shown(values[name])}" for name in names]
