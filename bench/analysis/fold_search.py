"""What a search on folds changes in a report: what "validation" stands for, the facts of a race, and whether the
counts bear them out."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bench.evaluation.metrics import metrics_agree, pool, summarise
from bench.evaluation.pooling import estimate
from bench.evaluation.racing import image_ious, mean_over_folds, next_incumbent, race
from bench.evaluation.resampling import SEED
from bench.evaluation.statistics import Interval
from bench.records import COMPLETED, PRUNED, ClassCounts, Race, Run, TrialRecord

Counts = Mapping[str, Sequence[ClassCounts]]


def searched_folds(run: Run) -> tuple[tuple[str, ...], ...]:
    """The folds on which the search scored its trials, for which "val" stands then; () where it was the hold-out
    part."""
    count = run.protocol.get("search_folds", 1)
    return run.split.folds[:count] if count > 1 else ()


def fold_metrics(
    counts: Mapping[str, Sequence[ClassCounts]], folds: Sequence[Sequence[str]], classes: Sequence[str]
) -> dict[str, float | None]:
    """Every metric of counts pooled over the images of each fold, then averaged over folds."""
    return mean_over_folds([summarise(pool(counts[name] for name in fold), classes) for fold in folds])


def fold_interval(own: Counts, folds: Sequence[Sequence[str]], other: Counts | None = None) -> Interval | None:
    """Of the IoU of counts, pooled over the images of each fold and averaged over folds, or of how far it is ahead of
    the `other`'s, paired by image, had other images been drawn. None where one image or a fold without anything to
    find tells nothing."""
    sides = [own] if other is None else [own, other]
    names = [(number, name) for number, fold in enumerate(folds) for name in fold]
    num_classes = len(own[names[0][1]]) - 1
    tables = np.zeros((1, len(names), len(folds), num_classes, len(sides), 3), np.int64)
    for row, (number, name) in enumerate(names):  # an image counts in its fold alone
        tables[0, row, number] = [
            [(of.tp, of.fp, of.fn) for of in each] for each in zip(*(side[name][1:] for side in sides), strict=True)
        ]

    def metric(table: np.ndarray) -> float | None:
        ious = [float(tp / (tp + fp + fn)) for tp, fp, fn in table if tp + fp + fn]
        return ious[0] - sum(ious[1:]) if len(ious) == len(table) else None

    found = estimate(tables.reshape(1, len(names), -1, len(sides), 3), metric, np.random.default_rng(SEED))
    return found.interval if found else None


def facts(trial: TrialRecord) -> dict[str, object]:
    """How many folds, and the last look at the rival; {} for a trial on the hold-out part."""
    if trial.folds_run is None:
        return {}
    last = trial.race
    return {
        "folds_run": trial.folds_run,
        "rival": last.rival if last else None,
        "race_images": last.images if last else None,
        "race_p": last.p if last else None,
    }


def contradictions(run: Run) -> Iterator[str]:
    """Trials on folds whose metrics are not those of their counts, or whose race is not that of their counts and
    their rival's."""
    folds = searched_folds(run)
    by_name = {trial.key: trial for trial in run.trials}
    for trial in run.trials:
        if trial.status not in (COMPLETED, PRUNED) or not trial.folds_run:
            continue
        who = f"{run.record.name}: trial {trial.study_id}/{trial.trial_id}"
        counted = fold_metrics(trial.out_of_fold, folds[: trial.folds_run], run.dataset.classes)
        if not metrics_agree(trial.val_metrics, counted):
            yield f"{who}: its recorded metrics are not those of its counts"
        rival = next_incumbent(None, by_name[trial.study_id, trial.race.rival]) if trial.race else None
        again = race(image_ious(trial.out_of_fold), rival) if rival else None
        if rival and trial.race and (again is None or not _is_same(again, trial.race)):
            yield f"{who}: its race against trial {rival.trial_id} is not that of their counts"


def _is_same(one: Race, other: Race) -> bool:
    """Equal, but for the last digits of a probability."""
    same = (one.rival, one.images) == (other.rival, other.images)
    return same and math.isclose(one.p, other.p, rel_tol=1e-9)
