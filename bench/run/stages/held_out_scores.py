"""Scores of the search's best models on the held-out test images."""

from bench.engine.spec import TrialSpec
from bench.run.journal import evaluation_of
from bench.run.open_run import OpenRun


def score_best_models(run: OpenRun) -> None:
    """Scores the best models on validation and held-out images, once, after selection."""
    scored = {(evaluation.study_id, evaluation.trial_id, evaluation.split) for evaluation in run.evaluations}
    before = {who[:2] for who in scored if who[2] == "test" and who[0]}
    new = [record for record in run.best.records if record.key not in before]
    if before and new:
        run.progress.warning(
            f"the locked test images were scored before: {len(before)} models then, {len(new)} more now"
        )
    parts = {"val": run.prepared.split.val, "test": run.prepared.split.test}
    for number, record in enumerate(run.best.records, start=1):
        run.progress.stage(f"scoring the best models on the test images, {number} of {len(run.best.records)}")
        spec = TrialSpec(
            study_id=record.study_id,
            trial_id=record.trial_id,
            hyperparameters=record.hyperparameters,
            seed=record.seed,
            epochs=record.epochs_planned,
        )
        for part, ids in parts.items():
            if (*record.key, part) not in scored:
                answer = run.executor.score(spec, run.best.path(record).read_bytes(), ids)
                run.append(evaluation_of(record, part, answer))
