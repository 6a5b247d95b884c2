"""A whole run within a budget whose model is one network of all images, trained after those of the folds."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench import run as runner
from bench.delivery import FOLDER
from bench.engine.spec import Event, TrialOutcome, TrialSetup, TrialSpec
from bench.engine.training.trainer import Trainer
from bench.experiments import Experiment
from bench.progress import PlainProgress
from bench.records import BEGAN, COMPLETED, ENDED, DeliveryRecord
from bench.records.environment import memory_limit
from bench.records.store import load
from bench.records.weights import check_weights_file
from bench.run import final_plan, plan, refit, run_experiment
from bench.run.stages import delivery as delivery_stage
from tests.engine.stand_in import StandInExecutor
from tests.killed import draw

pytestmark = pytest.mark.slow

STEPS, ON_A_FOLD, LAST = 3, 12, 24
"""Steps an epoch; the most epochs of a training on a fold and of the last one, as this test bounds them: the budget has
time for thousands."""


def experiment(data: Path) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "last",
            "data": {"path": str(data)},
            "space": {
                "architecture": ["plain_unet"],
                "loss": ["bce_dice"],
                "augmentation": [0.5],
                "image_size": [32],
                "batch_size": [4],
                "learning_rate": [3e-3],
            },
            "search": "never",
            "budget": "1h",
            "protocol": {"steps_per_epoch": STEPS, "shortest_steps": STEPS, "folds": 2},
        }
    )


class InThisProcess(StandInExecutor):
    """Trains for real, without a worker's own process."""

    def begin(self, setup: TrialSetup) -> None:
        self.trainer = Trainer(setup, tell=lambda epoch: None, memory_bytes=memory_limit())

    def events(self) -> Iterator[Event]:
        outcome = self.trainer.run(self._running.pop(0))
        assert isinstance(outcome, TrialOutcome), outcome
        yield outcome

    def model(self, spec: TrialSpec) -> bytes:
        return self.trainer.model()


def deliver(directory: Path, record: DeliveryRecord, **_: object) -> DeliveryRecord:
    """In place of the real one, which `tests/delivery` and `test_run.py` have."""
    (member,) = record.members
    check_weights_file(directory / member.weights)
    (directory / FOLDER).mkdir()
    return replace(record, num_bytes=(directory / member.weights).stat().st_size)


def test_a_budget_ends_with_one_network_of_all_development_images(tmp_path, monkeypatch):
    for module in (plan, final_plan):
        monkeypatch.setattr(module, "MOST_SEEDS", 1)
    monkeypatch.setattr(plan, "LONGEST", STEPS * ON_A_FOLD // 4)
    monkeypatch.setattr(plan, "MOST_LONGER", 1.0)  # trainings of a few steps are not for so many images
    monkeypatch.setattr(refit, "MOST", STEPS * LAST)
    monkeypatch.setattr(runner, "_started_workers", lambda *_: InThisProcess())
    monkeypatch.setattr(delivery_stage, "deliver", deliver)
    monkeypatch.setattr(runner, "write_report", lambda run, folder: folder / "leaderboard.html")
    monkeypatch.setattr(runner, "write_index", lambda reports: None)
    said: list[str] = []
    run_experiment(
        experiment(draw(tmp_path / "data")),
        results=tmp_path / "results",
        reports=tmp_path / "reports",
        command="python -m bench run",
        resume=False,
        progress=PlainProgress(write=said.append),
    )
    directory = tmp_path / "results" / "last"
    record = load(directory)

    (planned,) = (line for line in said if line.startswith("note: plan: "))
    assert "the default configuration on 2 folds" in planned
    assert "; then one training on all images, about " in planned
    assert record.finals.fitted
    assert [(each.fold, each.status, each.epochs_run) for each in record.trainings] == [
        (0, COMPLETED, ON_A_FOLD),
        (1, COMPLETED, ON_A_FOLD),
    ]

    (member,) = record.delivery.members
    assert (record.delivery.refit, member.fold, member.seed) == (True, None, record.finals.seeds[0])
    assert member.weights.endswith(f"-seed{member.seed}-all{LAST}.weights.h5")
    assert record.trainings[0].hyperparameters == member.hyperparameters
    weights = (directory / member.weights).read_bytes()
    assert all(path.read_bytes() != weights for path in (directory / "members").glob("*-fold*"))
    assert set(record.delivery.out_of_fold) == {name for fold in record.split.folds for name in fold}

    last = [each for each in record.attempts if each.study_id == refit.REFIT]
    assert [each.event for each in last] == [BEGAN, ENDED]
    assert last[0].unit == last[1].unit == Path(member.weights).name.partition("-all")[0] + "-all"
    assert record.attempts[-2:] == tuple(last)
    assert record.record.status == "finished"
