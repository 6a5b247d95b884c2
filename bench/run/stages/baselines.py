"""Baselines, which a model must beat, on the images that models are scored on."""

from collections.abc import Sequence

from bench.baselines import REFERENCES, evaluate_on_folds
from bench.records import OUT_OF_FOLD, Evaluation
from bench.run.open_run import OpenRun


def record_baselines(run: OpenRun, baselines: Sequence[Evaluation]) -> None:
    """Records the scores of baselines that are not recorded yet."""
    scored = {(evaluation.reference, evaluation.split) for evaluation in run.evaluations}
    for evaluation in baselines:
        if (evaluation.reference, evaluation.split) not in scored:
            run.append(evaluation)
    if run.experiment.protocol.search_folds > 1:
        score_baselines_on_folds(run)


def score_baselines_on_folds(run: OpenRun) -> None:
    known = {evaluation.reference for evaluation in run.evaluations if evaluation.split == OUT_OF_FOLD}
    if known == set(REFERENCES):
        return
    num_classes, seed = len(run.prepared.dataset.classes) + 1, run.experiment.seeds[0]
    folds = run.prepared.split.folds
    for evaluation in evaluate_on_folds(run.prepared.pixels(), folds, num_classes=num_classes, seed=seed):
        if evaluation.reference not in known:
            run.append(evaluation)
