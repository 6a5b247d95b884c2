"""Ask, train, tell: what every tuner must do. The worker is a stand-in whose scores are a function of the configuration."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bench.engine.clock import Deadline, TrialClock
from bench.engine.oracles import ORACLES
from bench.engine.spec import TrialOutcome, TrialSpec
from bench.engine.study import StudyPlan, run_study
from bench.errors import StoreError
from bench.experiment import load_experiment
from bench.progress import PlainProgress
from bench.records import COMPLETED, FAILED, EpochRecord, StudyRecord, TrialRecord
from search_spaces.segmentation import SegmentationHyperModel
from search_spaces.space import Range, Space

SPACE = Space(
    architecture=("unet", "plain_unet"),
    backbone=("resnet18", "mobilenet"),
    loss=("bce", "dice"),
    augmentation=(0.0, 0.5, 1.0),
    learning_rate=Range(min=1e-4, max=1e-2, sampling="log"),
)
FOREVER = Deadline.after(None)
SMALL = Space(architecture=("plain_unet",), loss=("bce", "dice", "focal"))


class StandIn:
    """Answers like a worker, at once. `fails` says which trials fail."""

    def __init__(self, fails: Callable[[TrialSpec], bool] = lambda spec: False) -> None:
        self.starts = 1
        self.specs: list[TrialSpec] = []
        self._fails = fails

    def run(self, spec: TrialSpec, on_epoch: Callable[[EpochRecord], None]) -> TrialOutcome:
        self.specs.append(spec)
        failed = self._fails(spec)
        score = sum(map(ord, str(sorted(configuration(spec.hyperparameters).items())))) % 97 / 97
        record = TrialRecord(
            study_id=spec.study_id,
            trial_id=spec.trial_id,
            status=FAILED if failed else COMPLETED,
            hyperparameters=spec.hyperparameters,
            seed=spec.seed,
            val_metrics={} if failed else {"iou": score},
            best_epoch=None if failed else spec.epochs,
            wall_s=0.0,
            started_at="2026-01-01T00:00:00+00:00",
            error="out of memory" if failed else None,
        )
        return TrialOutcome(record=record)


def configuration(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def search(
    tuner: str,
    *,
    trials: int | None = 12,
    space: Space = SPACE,
    seed: int = 0,
    worker: StandIn | None = None,
    finished: tuple[TrialRecord, ...] = (),
    deadline: Deadline = FOREVER,
) -> tuple[StudyRecord, list[TrialRecord]]:
    records: list[TrialRecord] = []
    study = run_study(
        StudyPlan(tuner=tuner, seed=seed, trials=trials, epochs=9),
        hypermodel=SegmentationHyperModel(space, 2),
        worker=worker or StandIn(),  # type: ignore[arg-type]
        finished=finished,
        clock=TrialClock(),
        deadline=deadline,
        keep=lambda outcome: records.append(outcome.record),
        progress=PlainProgress(write=lambda line: None),
    )
    return study, records


every_tuner = pytest.mark.parametrize("tuner", ORACLES)
promoting = pytest.mark.parametrize("tuner", [name for name, kind in ORACLES.items() if kind.promotes])
TRIALS = {"bayesian": 6}
"""Of a study in these tests; the Gaussian process takes seconds for each proposal beyond the first five."""


@every_tuner
def test_a_study_ends_with_its_trials(tuner):
    study, records = search(tuner, trials=5)
    assert (study.ended, len(records)) == ("trials", 5)


def test_the_default_experiment_compares_every_name_of_its_space():
    chosen = load_experiment("default")
    _, records = search("random", trials=chosen.trials, space=chosen.space, seed=chosen.seeds[0])
    assert len(records) >= 12
    for name in ("architecture", "backbone", "loss", "augmentation"):
        assert {record.hyperparameters[name] for record in records} == set(getattr(chosen.space, name))


@every_tuner
def test_equal_seeds_search_alike_and_zero_is_a_seed(tuner):
    first, again = (search(tuner, trials=TRIALS.get(tuner, 12))[1] for _ in range(2))
    assert [record.hyperparameters for record in first] == [record.hyperparameters for record in again]


@pytest.mark.parametrize("tuner", [name for name in ORACLES if name != "grid"])
def test_another_seed_searches_elsewhere(tuner):
    one, other = (search(tuner, trials=3, seed=seed)[1] for seed in (0, 1))
    assert [record.hyperparameters for record in one] != [record.hyperparameters for record in other]


@every_tuner
def test_only_active_hyperparameters_are_recorded(tuner):
    for record in search(tuner, trials=TRIALS.get(tuner, 20))[1]:
        assert ("backbone" in record.hyperparameters) == (record.hyperparameters["architecture"] == "unet")


@pytest.mark.parametrize("tuner", [name for name, kind in ORACLES.items() if not kind.promotes])
def test_no_configuration_is_tried_twice_and_a_small_space_is_exhausted(tuner):
    study, records = search(tuner, space=SMALL, trials=10)
    assert study.ended == "space exhausted"
    assert sorted(str(record.hyperparameters["loss"]) for record in records) == ["bce", "dice", "focal"]


@every_tuner
def test_ten_failures_in_a_row_do_not_end_a_search(tuner):
    study, records = search(tuner, trials=12, worker=StandIn(lambda spec: int(spec.trial_id) < 10))
    assert (study.ended, len(records)) == ("trials", 12)
    assert sum(record.status == FAILED for record in records) == 10


def test_bayesian_does_not_propose_a_failed_configuration_again():
    space = Space(architecture=("plain_unet",), loss=("bce", "dice", "focal", "tversky"), augmentation=(0.0, 1.0))
    worker = StandIn(lambda spec: spec.hyperparameters["loss"] == "bce")
    _, records = search("bayesian", trials=8, space=space, worker=worker)
    tried = {str(record.hyperparameters) for record in records}
    assert len(tried) == len(records) == 8


@every_tuner
def test_a_resumed_study_runs_the_rest_and_repeats_nothing(tuner):
    trials = TRIALS.get(tuner, 12)
    done = trials // 2
    _, whole = search(tuner, trials=trials)
    study, rest = search(tuner, trials=trials, finished=tuple(whole[:done]))
    assert [record.trial_id for record in rest] == [record.trial_id for record in whole[done:]]
    assert study.ended == "trials"
    if tuner != "bayesian":  # its random numbers after a resume are others; the others' are the same
        assert [record.hyperparameters for record in rest] == [record.hyperparameters for record in whole[done:]]


@every_tuner
def test_a_study_may_be_resumed_with_more_trials_or_none(tuner):
    _, first = search(tuner, trials=6)
    study, rest = search(tuner, trials=7, finished=tuple(first))
    assert (study.ended, len(rest)) == ("trials", 1)
    study, rest = search(tuner, trials=None, finished=tuple(first), deadline=Deadline.after(0))
    assert (study.ended, rest) == ("budget", [])


@every_tuner
def test_records_of_another_space_are_refused(tuner):
    _, records = search(tuner, trials=2)
    with pytest.raises(StoreError, match=f"{tuner}-seed0 cannot be resumed: its trial 0000"):
        search(tuner, space=SMALL, finished=tuple(records))


def test_a_spent_budget_starts_no_trial():
    study, records = search("random", trials=None, deadline=Deadline.after(0))
    assert (study.ended, records) == ("budget", [])


@promoting
def test_promoted_trials_continue_where_their_parents_stopped(tuner):
    worker = StandIn()
    _, records = search(tuner, trials=30, worker=worker)
    by_id = {record.trial_id: record for record in records}
    promoted = [spec for spec in worker.specs if spec.resume_from]
    assert promoted
    for spec in promoted:
        parent = by_id[str(spec.resume_from)]
        assert configuration(parent.hyperparameters) == configuration(spec.hyperparameters)
        assert spec.first_epoch == parent.hyperparameters["tuner/epochs"] < spec.epochs
    keeping = {spec.trial_id: spec.checkpoint for spec in worker.specs}
    assert all(keeping[str(spec.resume_from)] for spec in promoted)
    assert not any(spec.checkpoint for spec in worker.specs if spec.epochs == 9)
