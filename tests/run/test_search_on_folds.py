"""A whole run whose search races on folds: what it leaves, how it goes on, and that its counts bear its report out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import run as runner
from bench.analysis.fold_search import contradictions
from bench.engine.spec import TrialOutcome, TrialSpec
from bench.errors import DataError
from bench.evaluation.metrics import pool, summarise
from bench.experiments import Experiment
from bench.progress import PlainProgress
from bench.records import COMPLETED, OUT_OF_FOLD, PRUNED, Run
from bench.records.store import load
from bench.run.stages import delivery as delivery_stage
from tests.delivery.stand_in import stand_in_deliver
from tests.engine.stand_in import StandInExecutor

pytestmark = pytest.mark.slow

TRIALS = 6


class Scoring(StandInExecutor):
    """Its metrics are those of its counts."""

    def _trained(self, spec: TrialSpec, val_ids: Sequence[str]) -> TrialOutcome:
        outcome = super()._trained(spec, val_ids)
        if outcome.scored is None or not outcome.scored.counts:
            return outcome
        metrics = summarise(pool(outcome.scored.counts.values()), ("damage",))
        return replace(outcome, record=replace(outcome.record, val_metrics=metrics))


def drawn(root: Path, images: int) -> Path:
    """Noise with a square in it, 32 px."""
    random = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(images):
        mask = np.zeros((32, 32), np.uint8)
        mask[number : number + 10, 8:20] = 255
        Image.fromarray(random.integers(0, 255, (32, 32, 3)).astype(np.uint8)).save(root / f"images/{number}.png")
        Image.fromarray(mask).save(root / f"masks/{number}.png")
    return root


def run(data: Path, root: Path, *, trials: int = TRIALS, resume: bool = False, folds: int = 2) -> Run:
    content = {
        "name": "raced", "data": {"path": str(data)},
        "space": {
            "architecture": ["plain_unet"], "loss": ["bce", "dice", "focal"], "augmentation": [0.0, 1.0],
            "image_size": [32],
        },
        "trials": trials,
        "protocol": {
            "steps": 6, "steps_per_epoch": 3, "folds": folds, "search_folds": folds, "finalists": 1, "final_seeds": 1,
            "test_share": 0.1,
        },
    }  # fmt: skip
    runner.run_experiment(
        Experiment.model_validate(content),
        results=root / "results",
        reports=root / "reports",
        command="python -m bench run raced.yaml",
        resume=resume,
        progress=PlainProgress(write=lambda line: None),
    )
    return load(root / "results" / "raced")


@pytest.fixture(autouse=True)
def _nothing_trains(monkeypatch):
    monkeypatch.setattr(runner, "_started_workers", lambda *_: Scoring(size=32))
    monkeypatch.setattr(delivery_stage, "deliver", stand_in_deliver)


def test_a_run_on_folds_goes_on_as_if_it_had_not_stopped_and_its_report_is_that_of_its_counts(tmp_path):
    data = drawn(tmp_path / "data", 20)
    whole = run(data, tmp_path / "whole")
    assert {trial.status for trial in whole.trials} == {COMPLETED, PRUNED}
    assert {e.reference for e in whole.evaluations if e.split == OUT_OF_FOLD} == {
        "predict_nothing",
        "mean_mask",
        "otsu",
    }
    assert not [e for e in whole.evaluations if e.trial_id], "no model of one fold is kept or scored"
    best = max(
        (trial for trial in whole.trials if trial.status == COMPLETED), key=lambda trial: trial.val_metrics["iou"]
    )
    assert whole.finals.candidates[0].trial_id == best.trial_id
    assert len(whole.trainings) == 2 * len(whole.finals.candidates)
    assert list(contradictions(whole)) == []
    page = (tmp_path / "whole/reports/raced/leaderboard.html").read_text()
    assert "Validation is the mean over 2 of the 2 folds" in page
    assert "18 of the 18 images that are scored out of fold are also those of the search" in page
    pruned = sum(trial.status == PRUNED for trial in whole.trials)
    assert f"{pruned} pruned (clearly worse on the folds so far)" in page

    run(data, tmp_path / "parts", trials=3)
    assert run(data, tmp_path / "parts", resume=True).trials == whole.trials


def test_too_few_images_for_the_folds_of_the_search_are_said_before_anything_runs(tmp_path):
    with pytest.raises(DataError, match="data has images for 2 folds, and search_folds is 3"):
        run(drawn(tmp_path / "data", 3), tmp_path, folds=3)
    assert not (tmp_path / "results" / "raced").exists()
