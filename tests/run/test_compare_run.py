"""A whole comparison on a tiny data set: what it trains, delivers and says."""

import csv

import pytest

from bench.experiments import Experiment
from bench.progress import PlainProgress
from bench.records import COMPLETED
from bench.records.store import load
from bench.report.check import differences
from bench.run import run_experiment
from search_spaces.one_at_a_time import one_at_a_time
from tests.run.test_run import data

pytestmark = pytest.mark.slow

__all__ = ["data"]


def experiment(path) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "tiny",
            "data": {"path": str(path)},
            "search": "compare",
            "space": {
                "architecture": ["plain_unet"], "loss": ["bce_dice", "dice"], "augmentation": [0.5, 0.0],
                "image_size": [32], "batch_size": [4], "learning_rate": [3e-3],
            },
            "trials": None,
            "protocol": {"steps": 4, "steps_per_epoch": 2, "shortest_steps": 2, "folds": 2, "final_seeds": 2},
        }
    )  # fmt: skip


def test_every_level_is_trained_for_as_long_on_every_fold_with_every_seed_and_the_page_compares_them(data, tmp_path):
    chosen = experiment(data)
    page = run_experiment(
        chosen,
        results=tmp_path / "results",
        reports=tmp_path / "reports",
        command="python -m bench run tiny.yaml",
        resume=False,
        progress=PlainProgress(write=lambda line: None),
    )
    run = load(tmp_path / "results" / "tiny")
    design = one_at_a_time(chosen.space.model_copy(update={"view": ("whole",)}))  # what "auto" comes to here
    assert [dict(each.hyperparameters) for each in run.finals.candidates] == list(design)
    assert [each.name for each in run.finals.candidates] == ["default configuration", "loss dice", "augmentation 0"]
    assert (run.trials, run.record.studies, run.record.status) == ((), (), "finished")
    assert len({each.unit for each in run.trainings}) == len(run.trainings) == len(design) * 2 * 2
    assert {(each.status, each.epochs_run) for each in run.trainings} == {(COMPLETED, 2)}
    assert [(each.seed, each.fold) for each in run.trainings[::3]] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert (tmp_path / "results" / "tiny" / "model").is_dir()
    assert run.delivery is not None
    assert "## Comparison by factor" in page.read_text()
    with (page.parent / "tables" / "by-loss.csv").open(newline="") as file:
        rows = {row["label"]: row for row in csv.DictReader(file)}
    assert float(rows["dice"]["difference"]) == pytest.approx(
        float(rows["dice"]["iou"]) - float(rows["bce_dice"]["iou"])
    )
    assert rows["dice"]["trainings"] == "4"
    assert list(differences([run], page.parent)) == []
