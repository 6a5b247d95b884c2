"""Which model to take, how good it is and how sure that is: the answer of a run, from its numbers alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.final_evaluation import Finals, NoFinals, RankedBaseline, RankedCandidate
from bench.analysis.labels import configuration_label
from bench.analysis.leaderboard import REFERENCES, Metrics, score_interval
from bench.analysis.scored_trainings import out_of_fold, trainings_of
from bench.analysis.search_result import SearchResult
from bench.evaluation.metrics import pool, summarise
from bench.evaluation.resampling import SEED, counts_array
from bench.evaluation.statistics import Comparison, Difference, Interval, compare
from bench.records import (
    COMPLETED,
    DEFAULT,
    FAILED,
    OUT_OF_FOLD,
    Candidate,
    ClassCounts,
    DeliveryRecord,
    Evaluation,
    Run,
    Status,
    configuration_key,
)

CLEAR, TIED, SINGLE = "clear winner", "no clear winner", "only candidate"
UNCONFIRMED, UNUSABLE, NOTHING = "not confirmed", "not usable", "no result"
"""Kinds of answers. SINGLE: the budget allowed one candidate, with which nothing is compared. UNCONFIRMED: the search
has a best trial, and no final evaluation compares it. UNUSABLE: the best model is not clearly ahead of the best
baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The model to take. `iou` is its score on images that it was not trained on: out of fold, or on validation where
    the search alone scored it. Costs are None where they were not measured; `delivery` is set where it is the
    delivered model."""

    label: str
    hyperparameters: Mapping[str, object]
    is_default: bool
    iou: float | None
    interval: Interval | None
    test: float | None
    test_interval: Interval | None
    metrics: Metrics
    latency_s: float | None
    num_params: int | None
    delivery: DeliveryRecord | None = None

    @property
    def is_refit(self) -> bool:
        """Whether it is one network of all development images, whose `iou` is that of its recipe on folds."""
        return self.delivery is not None and self.delivery.refit


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`kind` is one of the constants above. `tied` are candidates that do not differ significantly from the leader,
    itself left out. `closest` is the best other candidate, with the leader's lead over it. `baseline` is the best
    predictor without a model, with its IoU where the choice was scored and the choice's lead. `detectable` spans the
    minimum detectable differences from the leader (80 % power). `reason` says why there is no choice."""

    kind: str
    choice: Choice | None
    leader: RankedCandidate | None = None
    tied: tuple[RankedCandidate, ...] = ()
    closest: tuple[RankedCandidate, Difference] | None = None
    baseline: tuple[str, float, Difference | None] | None = None
    detectable: tuple[float, float] | None = None
    reason: str = ""


def decide(run: Run, held: Finals | NoFinals, searched: SearchResult) -> Decision:
    if isinstance(held, Finals):
        return _of_finals(run, held)
    return _of_search(run, searched)


def delivered(run: Run) -> Choice | None:
    """The delivered model with the scores that it has on images which it did not see; None where the run delivers
    none."""
    record = run.delivery
    if record is None:
        return None
    scored = _evaluation(OUT_OF_FOLD, record.out_of_fold)
    on_test = _evaluation("test", record.test)
    first = record.members[0].hyperparameters if record.members else {}
    return Choice(
        label=delivery_label(record),
        hyperparameters=first,
        is_default=_is_default(run, record),
        iou=_pooled_iou(run, record.out_of_fold),
        interval=score_interval(scored),
        test=_pooled_iou(run, record.test),
        test_interval=score_interval(on_test),
        metrics=_metrics(run, record.out_of_fold),
        latency_s=record.latency_s,
        num_params=None,
        delivery=record,
    )


def _is_default(run: Run, record: DeliveryRecord) -> bool:
    """Whether all its networks are of the default configuration."""
    candidates = run.finals.candidates if run.finals else ()
    default = {each.configuration for each in candidates if DEFAULT in each.roles}
    return bool(record.members) and {configuration_key(each.hyperparameters) for each in record.members} <= default


def delivery_label(record: DeliveryRecord) -> str:
    if record.refit:
        return "Delivered network, trained on all development images"
    networks = len({(each.candidate, each.fold, each.seed) for each in record.members})
    return "Delivered model" if networks == 1 else f"Delivered ensemble of {networks} networks"


def lead_of_delivery(run: Run, choice: Choice, other: RankedCandidate | None, held: Finals) -> Difference | None:
    """How far the delivered model is ahead of a candidate, paired by image, on the images that both were scored on;
    None without any."""
    if other is None or choice.delivery is None:
        return None
    own = out_of_fold(trainings_of(run, other.candidate), held.seeds)
    known = choice.delivery.out_of_fold
    images = [name for name in known if own and all(name in each.counts for each in own)]
    if not images:
        return None
    own = [replace(each, counts={name: each.counts[name] for name in images}) for each in own]
    ahead = _evaluation(OUT_OF_FOLD, {name: known[name] for name in images})
    found = _compared([[ahead] * len(own), own])
    return found.differences[0] if found else None


def _of_finals(run: Run, held: Finals) -> Decision:
    leader = held.ranking[0]
    tied = tuple(each for each in held.ranking if each.group == 1 and each is not leader)
    default = held.of_role(DEFAULT)
    taken = default if default is not None and default in tied else leader
    choice = delivered(run) or _choice(taken)
    best = max(held.references, key=lambda each: each.score, default=None)
    usable = best is None or _is_ahead(best, held)
    return Decision(
        kind=_kind(held) if usable else UNUSABLE,
        choice=choice,
        leader=leader,
        tied=tied,
        closest=_closest(held),
        baseline=None if best is None else (best.label, best.score, best.leader_ahead),
        detectable=_detectable(held),
    )


def _kind(held: Finals) -> str:
    if len(held.ranking) == 1:
        return SINGLE
    return CLEAR if held.winner else TIED


def _is_ahead(best: RankedBaseline, held: Finals) -> bool:
    """Beyond chance; with one training each, whose chance nothing tells, at all."""
    lead = best.leader_ahead
    return lead.value > 0 if held.comparison.num_trainings == 1 else lead.interval.low > 0


def _choice(standing: RankedCandidate) -> Choice:
    return Choice(
        label=standing.label,
        hyperparameters=standing.candidate.hyperparameters,
        is_default=DEFAULT in standing.candidate.roles,
        iou=standing.score,
        interval=standing.interval,
        test=standing.test,
        test_interval=standing.test_interval,
        metrics=standing.metrics,
        latency_s=standing.latency_s,
        num_params=standing.num_params,
    )


def _closest(held: Finals) -> tuple[RankedCandidate, Difference] | None:
    leader = held.ranking[0]
    for a, b, difference, _ in held.pairs:
        if len(held.ranking) > 1 and {id(a), id(b)} == {id(leader), id(held.ranking[1])}:
            return held.ranking[1], difference if a is leader else difference.reversed()
    return None


def _detectable(held: Finals) -> tuple[float, float] | None:
    """With one training each no difference is detectable, however large."""
    leader = held.ranking[0]
    values = [difference.detectable for a, b, difference, _ in held.pairs if leader in (a, b)]
    return (min(values), max(values)) if values and held.comparison.num_trainings > 1 else None


def _of_search(run: Run, searched: SearchResult) -> Decision:
    choice = delivered(run)
    best = searched.best
    if choice is None and best is None:
        return Decision(kind=NOTHING, choice=None, reason=_why_nothing(run, searched.counts))
    baseline = _best_baseline(searched)
    if choice is not None or best is None:
        return Decision(kind=UNCONFIRMED, choice=choice, baseline=baseline)
    found = Candidate(name=best.name, roles=(), hyperparameters=best.trial.hyperparameters)
    own = best.iou if searched.judged_on == "val" else searched.test_iou
    behind = baseline is not None and own is not None and own <= baseline[1]
    unsure = searched.margin_interval is not None and searched.margin_interval.low <= 0
    return Decision(
        kind=UNUSABLE if behind or unsure else UNCONFIRMED,
        choice=Choice(
            label=configuration_label(found),
            hyperparameters=best.trial.hyperparameters,
            is_default=False,
            iou=best.iou,
            interval=searched.val_interval,
            test=searched.test_iou,
            test_interval=best.test_interval,
            metrics=best.trial.val_metrics,
            latency_s=best.trial.latency_s,
            num_params=best.trial.num_params,
        ),
        baseline=baseline,
    )


def _best_baseline(searched: SearchResult) -> tuple[str, float, Difference | None] | None:
    name = max(searched.reference_iou, key=lambda each: searched.reference_iou[each], default=None)
    return None if name is None else (REFERENCES.get(name, name), searched.reference_iou[name], None)


def _why_nothing(run: Run, counts: Mapping[Status, int]) -> str:
    total = sum(counts.values())
    if total == 0:
        trained = len(run.trainings)
        return f"{trained} trainings are on record and no comparison." if trained else "No trial has ended."
    if counts[FAILED] == total:
        return f"All {total} trials failed." if total > 1 else "The only trial failed."
    if counts[COMPLETED] == 0:
        return f"None of {total} trials completed." if total > 1 else "The only trial did not complete."
    return "No completed trial has a validation IoU."


def _evaluation(part: str, counts: Mapping[str, tuple[ClassCounts, ...]]) -> Evaluation:
    return Evaluation(split=part, seed=0, counts=counts)


def _pooled_iou(run: Run, counts: Mapping[str, tuple[ClassCounts, ...]]) -> float | None:
    return _metrics(run, counts).get("iou")


def _metrics(run: Run, counts: Mapping[str, tuple[ClassCounts, ...]]) -> Metrics:
    return summarise(pool(counts.values()), run.dataset.classes) if counts else {}


def _compared(evaluations: Sequence[Sequence[Evaluation]]) -> Comparison | None:
    try:
        return compare(counts_array(evaluations), np.random.default_rng(SEED))
    except ValueError:
        return None
