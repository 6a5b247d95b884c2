"""What a final evaluation trains, with the whole protocol or within a budget, and in which order."""

from collections.abc import Iterator, Sequence

from bench.evaluation.metrics import iou, mean, pool
from bench.experiments import WITHOUT_TUNERS, Experiment
from bench.records import COMPLETED, Candidate, FinalsRecord, TrainingRecord, TrialRecord, configuration_key
from bench.run.candidates import compared_levels, select_candidates, with_names_of_their_own
from bench.run.plan import MOST_SEEDS, Plan


def whole_finals(
    experiment: Experiment, folds: Sequence[Sequence[str]], trials: Sequence[TrialRecord]
) -> FinalsRecord | None:
    """The protocol's final evaluation, without a budget; None if there is nothing to compare. Its seeds are not those
    of the search, so that the search's selection bias does not carry over."""
    protocol, first_seed = experiment.protocol, max(experiment.seeds) + 1
    searched = any(trial.status == COMPLETED for trial in trials)
    if not (searched or experiment.search in WITHOUT_TUNERS):
        return None
    compares = experiment.search == "compare"
    return FinalsRecord(
        candidates=compared_levels(experiment.space)
        if compares
        else select_candidates(
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
    """The final evaluation that a plan has room for. A plan from `before` keeps its length and its candidates:
    trainings of two lengths cannot be compared."""
    protocol, first_seed = experiment.protocol, max(experiment.seeds) + 1
    epochs = max(1, round((protocol.steps or chosen.steps) / protocol.steps_per_epoch))
    finalists = min(protocol.finalists, max(1, chosen.candidates - 1)) if chosen.search_share else 0
    compares = experiment.search == "compare"
    candidates = (
        compared_levels(experiment.space, chosen.candidates)
        if compares
        else select_candidates(
            trials,
            experiment.space,
            finalists,
            from_portfolio=max(chosen.candidates, finalists + 1),
            with_original_baseline=chosen.everywhere and chosen.candidates > 1,
        )
    )
    more = before is None
    if before:
        known = {configuration_key(each.hyperparameters) for each in before.candidates}
        new = [each for each in candidates if configuration_key(each.hyperparameters) not in known]
        more = bool(new)
        candidates = tuple(with_names_of_their_own([*before.candidates, *new]))
    return FinalsRecord(
        candidates=candidates,
        folds=folds,
        seeds=tuple(range(first_seed, first_seed + MOST_SEEDS)),
        epochs=before.epochs if before else epochs,
        rule=before.rule if before and not more and before.everywhere >= chosen.everywhere else chosen.reason,
        steps_per_epoch=protocol.steps_per_epoch,
        everywhere=chosen.everywhere or (before is not None and before.everywhere),
        balanced=compares,
        fitted=chosen.fitted is not None and len(candidates) == 1,
    )


LEADERS = 3
"""How many candidates are trained with further seeds."""


def in_order(record: FinalsRecord, trained: Sequence[TrainingRecord]) -> Iterator[tuple[Candidate, int, int]]:
    """(candidate, seed, fold) of the trainings of a budgeted final evaluation, the most wanted first, given the
    `trained` ones.

    Every candidate comes on the first fold, then the leaders on the others (fold by fold if all are to be trained on
    all folds), then the leaders with further seeds. In a comparison all go on, fold by fold and seed by seed, in the
    order of the plan. A candidate with a training that failed or took too long gets no other: it has no rank."""
    first, *others = record.seeds
    yield from ((candidate, first, 0) for candidate in record.candidates)
    out = {configuration_key(each.hyperparameters) for each in trained if each.status != COMPLETED}
    ranking = [each for each in leaders(record, trained) if configuration_key(each.hyperparameters) not in out]
    standing = [each for each in record.candidates if each in ranking]
    if record.everywhere:
        yield from ((each, first, fold) for fold in range(1, record.folds) for each in standing)
    else:
        yield from ((each, first, fold) for each in ranking for fold in range(1, record.folds))
    for seed in others:
        if record.balanced:
            yield from ((each, seed, fold) for fold in range(record.folds) for each in standing)
        else:
            yield from ((each, seed, fold) for each in ranking[:LEADERS] for fold in range(record.folds))


def leaders(record: FinalsRecord, trained: Sequence[TrainingRecord]) -> list[Candidate]:
    """Candidates by their IoU out of fold, pooled over the folds that all of them were trained on, best first.
    Candidates without a training come last, in their order. Within `TIE` of IoU the cheaper one comes first."""
    scores: dict[str, float] = {}
    done = {
        (configuration_key(each.hyperparameters), each.fold): each for each in trained if each.seed == record.seeds[0]
    }
    keys = {each.name: configuration_key(each.hyperparameters) for each in record.candidates}
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

    def place(candidate: Candidate) -> tuple[bool, float, float]:
        score = scores.get(candidate.name)
        costs = [done[unit].train_s or 0.0 for unit in done if unit[0] == keys[candidate.name]]
        return score is None, -round((score or 0.0) / TIE), min(costs, default=0.0)

    return sorted(record.candidates, key=place)


TIE = 0.01
"""A difference of IoU that one fold cannot resolve."""
