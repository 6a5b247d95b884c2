"""The finals: the best configurations and the reference recipes, each trained on every fold with several seeds at equal length.

A search compares single trainings on one hold-out part, and its best score is the luckiest of many. What is trained again was chosen
before, is scored on images that it did not train on, and shows how much luck a training brings.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import count, product
from operator import add
from statistics import median
from typing import Any

from bench.engine.executor import Executor
from bench.engine.spec import EpochEnded, TrialOutcome, TrialSpec, family
from bench.evaluation.counting import confusion_record
from bench.evaluation.evidence import PixelEvidence
from bench.evaluation.metrics import iou, mean, pool
from bench.experiments import WITHOUT_TUNERS, Experiment
from bench.progress import Progress
from bench.records import (
    COMPLETED,
    DEFAULT,
    FINALIST,
    LEVEL,
    ORIGIN,
    PORTFOLIO,
    STOPPED,
    Contestant,
    FinalsRecord,
    StudyRecord,
    TrainingRecord,
    TrialRecord,
    configuration_key,
    configuration_name,
    configuration_of,
)
from bench.run.costs import MARGIN, Deadline, Family, pixels
from bench.run.plan import MOST_SEEDS, Plan
from search_spaces.one_at_a_time import changed_factor, one_at_a_time
from search_spaces.portfolio import portfolio
from search_spaces.reference import origin_recipe
from search_spaces.space import HYPERPARAMETERS, Space

FINALS = "finals"

AMOUNTS = tuple(name for name, row in HYPERPARAMETERS.items() if row.tuned_finely)
"""Hyperparameters that a tuner tunes finely: two values of them are no two models to choose between."""


def contestants(
    trials: Sequence[TrialRecord], space: Space, finalists: int, *, from_portfolio: int = 0, with_origin: bool = True
) -> tuple[Contestant, ...]:
    """The best `finalists` configurations of the search by validation IoU, then the default recipe, the next recipes of the portfolio until
    there are `from_portfolio` candidates in all, and last the original baseline. Of configurations that differ in `AMOUNTS` alone one takes
    part, while there are others: a tuner that learns ends with many of a kind."""
    chosen: dict[str, Contestant] = {}
    completed = [trial for trial in trials if trial.status == COMPLETED and trial.val_metrics.get("iou") is not None]
    best_first = sorted(completed, key=lambda trial: -(trial.val_metrics["iou"] or 0.0))
    best_of_kind: dict[str, TrialRecord] = {}
    for trial in best_first:
        best_of_kind.setdefault(_kind(trial), trial)
    for trial in (*best_of_kind.values(), *best_first):
        values = configuration_of(trial.hyperparameters)
        if len(chosen) < finalists and configuration_key(values) not in chosen:
            chosen[configuration_key(values)] = Contestant(
                name=f"finalist {len(chosen) + 1}",
                roles=(FINALIST,),
                hyperparameters=values,
                study_id=trial.study_id,
                trial_id=trial.trial_id,
                search_iou=trial.val_metrics["iou"],
            )
    default, *others = portfolio(space)
    _take_part(chosen, DEFAULT, default, name=DEFAULT)
    for number, recipe in enumerate(others, start=2):
        if len(chosen) < from_portfolio:
            _take_part(chosen, PORTFOLIO, recipe, name=f"recipe {number}")
    if with_origin:
        _take_part(chosen, ORIGIN, origin_recipe(space), name=ORIGIN)
    if from_portfolio:  # the default first: a deliverable model exists early, and is replaced only by a better one
        return tuple(sorted(chosen.values(), key=lambda each: DEFAULT not in each.roles))
    return tuple(chosen.values())


def _take_part(chosen: dict[str, Contestant], role: str, recipe: Mapping[str, Any], *, name: str) -> None:
    """A recipe that the search found too has both roles."""
    key = configuration_key(recipe)
    there = chosen.get(key)
    chosen[key] = (
        replace(there, roles=(*there.roles, role))
        if there
        else Contestant(name=name, roles=(role,), hyperparameters=dict(recipe))
    )


def compared_levels(space: Space, most: int | None = None) -> tuple[Contestant, ...]:
    """The candidates of a comparison: the default recipe and the levels beside it, the first `most` of them in all (None: every one)."""
    design = one_at_a_time(space)
    names = [level_name(recipe, design[0]) for recipe in design]
    return tuple(
        Contestant(
            name=name
            if names.count(name) == 1
            else f"{name} ({number})",  # two files of weights may share their last part
            roles=(LEVEL if number else DEFAULT,),
            hyperparameters=recipe,
        )
        for number, (name, recipe) in enumerate(zip(names, design, strict=True))
    )[:most]


def level_name(recipe: Mapping[str, Any], default: Mapping[str, Any]) -> str:
    """'image size 96', 'loss dice'; the default recipe's own name where it is that."""
    factor = changed_factor(recipe, default)
    if factor is None:
        return DEFAULT
    value = recipe[factor]
    said = f"{value:g}" if isinstance(value, float) else str(value).rsplit("/", 1)[-1]
    return f"{factor.replace('_', ' ')} {said}"


def _kind(trial: TrialRecord) -> str:
    return configuration_key({name: value for name, value in trial.hyperparameters.items() if name not in AMOUNTS})


def _with_names_of_their_own(candidates: Sequence[Contestant]) -> Iterator[Contestant]:
    """Of those that bear the name of an earlier one ("finalist 1" of another sitting) each gets the next number that is free."""
    taken = {each.name for each in candidates}
    seen: set[str] = set()
    for each in candidates:
        name = each.name
        if name in seen:
            numbered = (f"{name.rpartition(' ')[0]} {number}" for number in count(1))
            name = next(free for free in numbered if free not in taken)
            taken.add(name)
        seen.add(name)
        yield replace(each, name=name)


def whole_finals(
    experiment: Experiment, folds: Sequence[Sequence[str]], trials: Sequence[TrialRecord]
) -> FinalsRecord | None:
    """The protocol's final evaluation, where no budget cuts it; None where there is nothing to compare. Seeds start after those of the search,
    whose luck the finalists had."""
    protocol, first_seed = experiment.protocol, max(experiment.seeds) + 1
    searched = any(trial.status == COMPLETED for trial in trials)
    if len(folds) < 2 or not (searched or experiment.search in WITHOUT_TUNERS):
        return None
    compares = experiment.search == "compare"
    return FinalsRecord(
        contestants=compared_levels(experiment.space)
        if compares
        else contestants(
            trials, experiment.space, protocol.finalists, from_portfolio=0 if searched else protocol.finalists + 1
        ),
        folds=len(folds),
        seeds=tuple(range(first_seed, first_seed + protocol.final_seeds)),
        epochs=protocol.epochs,
        rule="the whole protocol",
        steps_per_epoch=protocol.steps_per_epoch,
        balanced=compares,
    )


def budgeted_finals(
    experiment: Experiment, chosen: Plan, folds: int, trials: Sequence[TrialRecord], before: FinalsRecord | None
) -> FinalsRecord:
    """The final evaluation that a plan has room for. What was planned `before` keeps its length and its candidates: trainings
    of two lengths do not compare."""
    protocol, first_seed = experiment.protocol, max(experiment.seeds) + 1
    epochs = max(1, round((protocol.steps or chosen.steps) / protocol.steps_per_epoch))
    finalists = min(protocol.finalists, max(1, chosen.candidates - 1)) if chosen.search_share else 0
    compares = experiment.search == "compare"
    candidates = (
        compared_levels(experiment.space, chosen.candidates)
        if compares
        else contestants(
            trials,
            experiment.space,
            finalists,
            from_portfolio=max(chosen.candidates, finalists + 1),
            with_origin=chosen.everywhere and chosen.candidates > 1,
        )
    )
    if before:
        known = {configuration_key(each.hyperparameters) for each in before.contestants}
        new = [each for each in candidates if configuration_key(each.hyperparameters) not in known]
        candidates = tuple(_with_names_of_their_own([*before.contestants, *new]))
    return FinalsRecord(
        contestants=candidates,
        folds=folds,
        seeds=tuple(range(first_seed, first_seed + MOST_SEEDS)),
        epochs=before.epochs if before else epochs,
        rule=chosen.reason,
        steps_per_epoch=protocol.steps_per_epoch,
        everywhere=chosen.everywhere or (before is not None and before.everywhere),
        balanced=compares,
    )


LEADERS = 3
"""So many candidates are trained with further seeds."""


def in_order(record: FinalsRecord, trained: Sequence[TrainingRecord]) -> Iterator[tuple[Contestant, int, int]]:
    """(candidate, seed, fold) of the trainings of a budgeted final evaluation, the most wanted first, given what is `trained`: every
    candidate on the first fold, the leaders on the others (fold by fold where all are to be trained everywhere), then the leaders with
    further seeds. Of a comparison all go on, fold by fold, seed by seed, in the order of the plan. A candidate of which a training failed, or
    took too long, gets no other: it takes no part in the ranking."""
    first, *others = record.seeds
    yield from ((contestant, first, 0) for contestant in record.contestants)
    out = {configuration_key(each.hyperparameters) for each in trained if each.status != COMPLETED}
    ranking = [each for each in leaders(record, trained) if configuration_key(each.hyperparameters) not in out]
    standing = [each for each in record.contestants if each in ranking]
    if record.everywhere:
        yield from ((each, first, fold) for fold in range(1, record.folds) for each in standing)
    else:
        yield from ((each, first, fold) for each in ranking for fold in range(1, record.folds))
    for seed in others:
        if record.balanced:
            yield from ((each, seed, fold) for fold in range(record.folds) for each in standing)
        else:
            yield from ((each, seed, fold) for each in ranking[:LEADERS] for fold in range(record.folds))


def leaders(record: FinalsRecord, trained: Sequence[TrainingRecord]) -> list[Contestant]:
    """Candidates by their IoU out of fold, pooled over the folds that all of them were trained on, best first; those without a training
    last, in their order. A lead of less than `TIE` is none: then the cheaper one goes first."""
    scores: dict[str, float] = {}
    done = {
        (configuration_key(each.hyperparameters), each.fold): each for each in trained if each.seed == record.seeds[0]
    }
    keys = {each.name: configuration_key(each.hyperparameters) for each in record.contestants}
    completed = {
        name: {fold for known, fold in done if known == key and done[known, fold].out_of_fold}
        for name, key in keys.items()
    }
    begun = [folds for folds in completed.values() if folds]
    common = set.intersection(*begun) if begun else set()
    for name, key in keys.items():
        counts = [counts for fold in common if (key, fold) in done for counts in done[key, fold].out_of_fold.values()]
        if counts:
            scores[name] = mean(iou(each) for each in pool(counts)[1:]) or 0.0

    def place(contestant: Contestant) -> tuple[bool, float, float]:
        score = scores.get(contestant.name)
        costs = [done[unit].train_s or 0.0 for unit in done if unit[0] == keys[contestant.name]]
        return score is None, -round((score or 0.0) / TIE), min(costs, default=0.0)

    return sorted(record.contestants, key=place)


TIE = 0.01
"""IoU that one fold cannot tell apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a few steps of one configuration took, in seconds: an `epoch_s`, and `first_s` to build and compile its network."""

    hyperparameters: Mapping[str, Any]
    epoch_s: float
    first_s: float


class Costs:
    """What a training of the final evaluation takes, in seconds, by network, size and batch: from such trainings where there were some, else
    from the steps of trials, which validate more often, or of a probe. A network that is new costs what the others do, scaled by its
    pixels, and compiles first."""

    def __init__(
        self, trials: Sequence[TrialRecord], finished: Sequence[TrainingRecord], probe: Probe | None = None
    ) -> None:
        self._epoch_s: dict[Family, float] = {}
        self._is_measured: set[Family] = set()
        self._first_s = probe.first_s if probe else 0.0
        if probe:
            self._epoch_s[family(probe.hyperparameters)] = probe.epoch_s
        for trial in trials:
            if trial.train_s and trial.epochs_run:
                own_s = (trial.train_s + (trial.evaluate_s or 0.0) / trial.epochs_run) / trial.epochs_run
                self._epoch_s[family(trial.hyperparameters)] = own_s
        for training in finished:
            self.add(training)

    def add(self, training: TrainingRecord) -> None:
        if training.wall_s and training.epochs_run:
            own = family(training.hyperparameters)
            own_s = training.wall_s / training.epochs_run  # the first one compiled, so that the cheapest counts
            self._epoch_s[own] = min(own_s, self._epoch_s[own]) if own in self._is_measured else own_s
            self._is_measured.add(own)

    def knows(self, spec: TrialSpec) -> bool:
        """Whether its network has been measured."""
        return family(spec.hyperparameters) in self._epoch_s

    def of(self, spec: TrialSpec) -> float:
        """Of the training `spec`; 0 while nothing is known."""
        own = family(spec.hyperparameters)
        known = self._epoch_s.get(own)
        if known is not None:
            return MARGIN * spec.epochs * known
        if not self._epoch_s:
            return 0.0
        known = median(seconds * pixels(own) / pixels(other) for other, seconds in self._epoch_s.items())
        return MARGIN * (spec.epochs * known + self._first_s)


def run_finals(
    record: FinalsRecord,
    *,
    executor: Executor,
    finished: Sequence[TrainingRecord],
    retries: int,
    deadline: Deadline,
    costs: Costs,
    keep: Callable[[TrainingRecord], None],
    keep_evidence: Callable[[str, PixelEvidence], None],
    progress: Progress,
    study: str = FINALS,
    shares: Sequence[float] = (1.0,),
    keep_model: Callable[[str, TrialSpec, TrialOutcome], None] | None = None,
    leaders_first: bool = False,
    dearest_s: float | None = None,
) -> str:
    """Trains what is left of the plan, seed by seed, so that what the budget ends early is whole for the first seeds, or with
    `leaders_first` in the order of `in_order`, in which a candidate that takes more than `dearest_s` is out; says why it ended: "trials" or "budget". A training is kept before the next takes its
    place, its evidence and its model, by name, before its line; what the budget stopped in the middle is not. `shares` are those of the
    training images with which each training is held (`bench.run.data_curve`)."""
    trainings = _Trainings(
        wanted=_wanted(record, study, shares, leaders_first),
        executor=executor,
        finished=list(finished),
        retries=retries,
        deadline=deadline,
        costs=costs,
        keep=keep,
        keep_evidence=keep_evidence,
        keep_model=keep_model,
        progress=progress,
        dearest_s=dearest_s,
    )
    waiting = sum(1 for _ in trainings.waiting())
    if not waiting:
        return "trials"
    progress.study_started(
        study,
        trials=None if leaders_first and deadline.left_s is not None else waiting,
        budget_s=deadline.left_s,
        places=max(1, executor.places),
    )
    ended = trainings.run()
    progress.study_ended(StudyRecord(study_id=study, tuner=study, seed=record.seeds[0], ended=ended))
    return ended


Wanted = Callable[[Sequence[TrainingRecord]], Iterable[tuple[TrialSpec, Contestant]]]
"""The trainings of a plan in the order in which they are wanted, given what is trained."""


def _wanted(record: FinalsRecord, study: str, shares: Sequence[float], leaders_first: bool) -> Wanted:
    if not leaders_first:
        return lambda trained: _specs(record, study, shares)
    return lambda trained: (
        (_spec(record, study, contestant, seed, fold), contestant)
        for contestant, seed, fold in in_order(record, trained)
    )


@dataclass(kw_only=True, slots=True)
class _Trainings:
    """Trainings under way; the rest is as in `run_finals`."""

    wanted: Wanted
    executor: Executor
    finished: list[TrainingRecord]
    retries: int
    deadline: Deadline
    costs: Costs
    keep: Callable[[TrainingRecord], None]
    keep_evidence: Callable[[str, PixelEvidence], None]
    keep_model: Callable[[str, TrialSpec, TrialOutcome], None] | None
    progress: Progress
    again: list[tuple[TrialSpec, Contestant]] = field(default_factory=list)
    """Whose process died, and that are tried once more."""
    running: dict[str, tuple[TrialSpec, Contestant]] = field(default_factory=dict)
    dearest_s: float | None = None
    """Seconds that a training may take whose cost is not known; None: all that are left."""
    ended: str = "trials"

    def waiting(self) -> Iterator[tuple[TrialSpec, Contestant]]:
        """What is neither finished nor under way, the most wanted first."""
        done = {_unit(record) for record in self.finished} | {_unit(spec) for spec, _ in self.running.values()}
        again = {spec.trial_id for spec, _ in self.again}
        yield from self.again
        for spec, contestant in self.wanted(self.finished):
            if _unit(spec) not in done and spec.trial_id not in again:
                yield spec, contestant

    def run(self) -> str:
        """Until all are over or the time is; says which."""
        while True:
            self._submit_what_fits()
            if not self.running and (self.ended == "budget" or next(self.waiting(), None) is None):
                return self.ended
            for event in self.executor.events():
                if isinstance(event, EpochEnded):
                    self.progress.epoch_ended(event.spec.trial_id, event.epoch)
                else:
                    self._take(event)

    def _submit_what_fits(self) -> None:
        while self.executor.free and self.ended == "trials":
            waiting = list(self.waiting())
            if not waiting:
                return
            # What is wanted most may be too long by now: a cheaper training still makes use of the time.
            fits = next((each for each in waiting if self.deadline.allows(self.costs.of(each[0]))), None)
            if fits is None:
                self.ended = "budget"
                return
            spec = fits[0]
            self.again = [each for each in self.again if each[0].trial_id != spec.trial_id]
            self.running[spec.trial_id] = fits
            self.progress.trial_started(spec.trial_id, hyperparameters=spec.hyperparameters, epochs=spec.epochs)
            self.executor.submit(replace(spec, time_limit_s=self._limit_s(spec)))
        if not self.running and not self.deadline.allows(None):  # no place to find it out
            self.ended = "budget"

    def _limit_s(self, spec: TrialSpec) -> float | None:
        """What a training may take: in a budget no candidate may eat up the time of several others."""
        left_s = self.deadline.left_s
        if left_s is None or self.dearest_s is None:
            return left_s
        return min(left_s, max(self.dearest_s, self.costs.of(spec) if self.costs.knows(spec) else 0.0))

    def _take(self, outcome: TrialOutcome) -> None:
        spec, contestant = self.running.pop(outcome.record.trial_id)
        if outcome.crashed and spec.attempt <= self.retries:
            self.progress.warning(f"training {spec.trial_id}: {outcome.record.error}; it is tried again")
            self.again.append((replace(spec, attempt=spec.attempt + 1), contestant))
            return
        if outcome.record.status == STOPPED and self._had_all_the_time():
            self.ended = "budget"  # a run with more time trains it again
        else:
            training, evidence = _training(outcome, spec, contestant), _evidence(outcome)
            if training.evidence and evidence:
                self.keep_evidence(training.evidence, evidence)
            if self.keep_model and training.status == COMPLETED:
                self.keep_model(unit_name(training), spec, outcome)
            self.keep(training)
            self.finished.append(training)
            self.costs.add(training)
        self.progress.trial_ended(outcome.record)

    def _had_all_the_time(self) -> bool:
        """Whether it was the end of the budget that stopped a training, and not a limit of its own."""
        left_s = self.deadline.left_s
        return self.dearest_s is None or left_s is None or left_s < self.dearest_s


def _specs(
    record: FinalsRecord, study: str = FINALS, shares: Sequence[float] = (1.0,)
) -> Iterator[tuple[TrialSpec, Contestant]]:
    for seed, contestant, share, fold in product(record.seeds, record.contestants, shares, range(record.folds)):
        yield _spec(record, study, contestant, seed, fold, share), contestant


def _spec(
    record: FinalsRecord, study: str, contestant: Contestant, seed: int, fold: int, share: float = 1.0
) -> TrialSpec:
    part = "" if share == 1 else f", {share:.0%} of the images"
    return TrialSpec(
        study_id=study,
        trial_id=f"{contestant.name}, seed {seed}, fold {fold + 1}{part}",
        hyperparameters=contestant.hyperparameters,
        seed=seed,
        epochs=record.epochs,
        fold=fold,
        train_share=share,
    )


def _is_finished(spec: TrialSpec, finished: Sequence[TrainingRecord]) -> bool:
    return any(_unit(record) == _unit(spec) for record in finished)


def _unit(of: TrialSpec | TrainingRecord) -> tuple[str, int, int | None, float]:
    return configuration_key(of.hyperparameters), of.seed, of.fold, of.train_share


def _training(outcome: TrialOutcome, spec: TrialSpec, contestant: Contestant) -> TrainingRecord:
    trial, fold = outcome.record, spec.fold
    assert fold is not None  # every training of the finals has one
    return TrainingRecord(
        contestant=contestant.name,
        hyperparameters=contestant.hyperparameters,
        fold=fold,
        seed=spec.seed,
        train_share=spec.train_share,
        train_images=outcome.train_images,
        status=trial.status,
        out_of_fold=outcome.scored.counts if outcome.scored else {},
        test=outcome.test.counts if outcome.test else {},
        confusion=confusion_record(outcome.scored.confusion if outcome.scored else None),
        evidence=evidence_name(contestant.hyperparameters, spec.seed, fold, spec.train_share)
        if _evidence(outcome)
        else None,
        epochs_run=trial.epochs_run,
        num_params=trial.num_params,
        latency_s=trial.latency_s,
        peak_memory_bytes=trial.peak_memory_bytes,
        train_s=trial.train_s,
        wall_s=trial.wall_s,
        started_at=trial.started_at,
        attempts=spec.attempt,
        error=trial.error,
    )


def _evidence(outcome: TrialOutcome) -> PixelEvidence | None:
    """Of the images out of fold and the locked ones, which are others."""
    parts = [scored.evidence for scored in (outcome.scored, outcome.test) if scored and scored.evidence]
    return reduce(add, parts) if parts else None


def unit_name(training: TrainingRecord) -> str:
    """Names a training's files, by configuration: with more trials another contestant may become "finalist 1"."""
    return evidence_name(training.hyperparameters, training.seed, training.fold).partition("/")[2]


def evidence_name(hyperparameters: Mapping[str, Any], seed: int, fold: int, train_share: float = 1.0) -> str:
    """By configuration, not by contestant: with more trials another one may become "finalist 1"."""
    part = "" if train_share == 1 else f"-share{train_share:g}"
    return f"finals/{configuration_name(hyperparameters)}-seed{seed}-fold{fold + 1}{part}"
