"""Which trainings become the delivered model, from what lies in a run's folder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.datasets.cache import CachedPixels
from bench.engine.spec import TrialOutcome, TrialSpec, failed
from bench.engine.worker import WorkerDiedError
from bench.evaluation.metrics import iou, pool
from bench.experiments import Protocol
from bench.records import COMPLETED, FAILED, TrainingRecord
from bench.run.delivery import libraries, masks_by_configuration, select, weights_path
from bench.run.final_evaluation import configuration_name, unit_name
from bench.run.refit import refit_spec, refit_weights, refitted, train, trained_before

SIZE = 8
FOLDS = (("a", "b"), ("c", "d"))
IDS = tuple(name for ids in FOLDS for name in ids)


@pytest.fixture
def truth() -> CachedPixels:
    masks = np.zeros((4, SIZE, SIZE), np.uint8)
    masks[:, 2:6, 2:6] = 1
    images = np.zeros((4, SIZE, SIZE, 3), np.uint8)
    return CachedPixels(ids=IDS, images=images, masks=masks, valid=np.ones_like(masks, bool))


def training(directory: Path, found: np.ndarray, fold: int, *, seed: int = 1, status: str = COMPLETED, **values):
    """On record, with weights and the probabilities `found`, float [n, size, size], on its fold."""
    record = TrainingRecord(
        candidate="candidate", hyperparameters={"image_size": found.shape[-1], **values}, fold=fold, seed=seed,
        status=status, started_at="2026-01-01",
    )  # fmt: skip
    both = np.stack([found, found], axis=1)[..., None]
    for folder in ("maps", "members"):
        (directory / folder).mkdir(exist_ok=True)
    values_ = (both * 255).astype(np.uint8)
    np.savez(directory / "maps" / f"{unit_name(record)}.npz", ids=np.array(FOLDS[fold]), values=values_)
    (directory / weights_path(record)).write_bytes(b"weights")
    return record


def whole(directory: Path, masks: np.ndarray, **values) -> list[TrainingRecord]:
    return [training(directory, masks[2 * fold : 2 * fold + 2], fold, **values) for fold in (0, 1)]


def test_the_better_configuration_is_delivered_with_the_networks_of_all_folds(tmp_path, truth):
    good = whole(tmp_path, truth.masks.astype(float), loss="dice")
    bad = whole(tmp_path, 1.0 - truth.masks, loss="bce")
    found = select(tmp_path, [*bad, *good], truth, 2)
    assert [(each.hyperparameters["loss"], each.fold) for each in found.record.members] == [("dice", 0), ("dice", 1)]
    assert [each.weights for each in found.record.members] == [weights_path(each) for each in good]
    assert iou(pool(found.record.out_of_fold.values())[1]) == 1.0
    np.testing.assert_array_equal(found.masks, truth.masks)
    assert found.ids == IDS


def test_networks_of_one_input_size_are_delivered_together(tmp_path, truth):
    small = truth.masks[:, ::2, ::2].astype(float)
    kept = [*whole(tmp_path, truth.masks * 0.05), *whole(tmp_path, small)]
    assert sorted(each.maps[0].shape[2] for each in libraries(tmp_path, kept, truth, 2)) == [4, 8]
    assert select(tmp_path, kept, truth, 2).record.image_size == 4


def test_a_configuration_on_fewer_folds_waits_for_the_others(tmp_path, truth):
    wide = whole(tmp_path, truth.masks * 0.9, loss="dice")
    narrow = training(tmp_path, truth.masks[:2].astype(float), 0, loss="bce")
    (library,) = libraries(tmp_path, [narrow, *wide], truth, 2)
    assert [each[0].hyperparameters["loss"] for each in library.trainings] == ["dice"]


def test_with_one_fold_trained_its_network_is_delivered(tmp_path, truth):
    only = training(tmp_path, truth.masks[:2].astype(float), 0)
    found = select(tmp_path, [only], truth, 2)
    assert len(found.record.members) == 1
    assert set(found.record.out_of_fold) == {"a", "b"}


def test_a_single_network_is_of_the_best_recipe_alone_and_as_long(tmp_path, truth):
    good = whole(tmp_path, truth.masks * 0.9, loss="dice", seed=3)
    other = whole(tmp_path, truth.masks * 0.8, loss="bce")
    trained = [replace(each, epochs_run=7) for each in (*other, *good)]
    selected = select(tmp_path, trained, truth, 2, most=1).record
    spec = refit_spec(selected, trained, protocol=Protocol(), left_s=None)
    best = selected.members[0].hyperparameters["loss"]
    assert (spec.refit, spec.epochs, spec.fold, spec.hyperparameters["loss"]) == (True, 7, None, best)
    record = refitted(selected, spec, 7, 4)
    assert record.refit
    assert [(each.fold, each.seed, each.weights) for each in record.members] == [
        (None, spec.seed, refit_weights(spec, 7))
    ]
    assert (record.out_of_fold, record.threshold) == (selected.out_of_fold, selected.threshold)
    assert record.rule.startswith("one network, trained on all 4 development images")


class Slots:
    """An executor whose trainings end as they are told to, and which has no free place at first."""

    def __init__(self, *outcomes: TrialOutcome, lost: bool = False) -> None:
        self.outcomes, self.specs, self.looks, self.lost = list(outcomes), [], 0, lost

    @property
    def free_slots(self) -> int:
        return int(self.looks > 0)

    def submit(self, spec):
        assert self.free_slots
        self.specs.append(spec)

    def events(self):
        self.looks += 1
        yield from [self.outcomes.pop(0)] if self.looks > 1 else []

    def model(self, spec):
        if self.lost:
            raise WorkerDiedError("killed by signal 9")
        return b"weights"


SPEC = TrialSpec(study_id="refit", trial_id="best", hyperparameters={}, seed=0, epochs=12, fit_s=100.0, refit=True)
DIED, FAILURE = (failed(SPEC, why, crashed=why == "died", started_at="", wall_s=1.0) for why in ("died", "no memory"))
GOOD = TrialOutcome(record=replace(DIED.record, status=COMPLETED, error=None, epochs_run=9))


def trained(slots: Slots, *left_s: float) -> tuple[int | str, list]:
    """`left_s` is what is left before each attempt, and after the last one."""
    kept: list = []
    answer = train(
        SPEC,
        slots,
        retries=1,
        left_s=lambda: left_s[min(len(slots.specs), len(left_s) - 1)],
        least_s=40.0,
        shortest=4,
        keep=lambda *what: kept.append(what),
    )
    return answer, kept


def test_a_training_whose_process_died_is_tried_again_in_the_time_that_is_left():
    slots = Slots(DIED, GOOD)
    assert trained(slots, 100.0, 60.0) == (9, [(9, b"weights")])
    assert [(each.attempt, each.time_limit_s) for each in slots.specs] == [(1, 100.0), (2, 60.0)]
    assert all(each.fit_s < each.time_limit_s for each in slots.specs)


def test_one_that_died_when_no_time_is_left_is_not_tried_again():
    slots = Slots(DIED, GOOD)
    assert trained(slots, 100.0, 20.0) == ("died", [])
    assert len(slots.specs) == 1


def test_one_that_failed_and_one_whose_weights_were_lost_say_why():
    slots = Slots(FAILURE, GOOD)
    assert trained(slots, 100.0) == ("no memory", [])
    assert len(slots.specs) == 1  # it would fail again
    assert trained(Slots(GOOD, GOOD, lost=True), 100.0) == ("killed by signal 9", [])


def test_one_that_came_to_fewer_steps_than_are_worth_it_is_not_kept():
    short = replace(GOOD, record=replace(GOOD.record, epochs_run=3))
    assert trained(Slots(short), 100.0) == ("it came to 3 epochs in its time, of at least 4", [])


def test_it_waits_for_a_worker_no_longer_than_there_is_time():
    class Cluster(Slots):
        """A cluster that lost all its machines."""

        free_slots = 0

        def events(self):
            self.looks += 1
            yield from ()

    slots = Cluster()
    left_s = iter([90.0, 60.0, 30.0, 30.0])
    said = train(
        SPEC,
        slots,
        retries=1,
        left_s=lambda: next(left_s),
        least_s=40.0,
        shortest=4,
        keep=lambda *_: pytest.fail("nothing was trained"),
    )
    assert (said, slots.looks, slots.specs) == ("no worker was up in time", 2, [])


def test_the_longest_network_of_all_images_that_was_trained_before_is_known(tmp_path):
    assert trained_before(tmp_path, SPEC) is None
    for epochs in (4, 12):
        path = tmp_path / refit_weights(SPEC, epochs)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert trained_before(tmp_path, SPEC) == 12


def test_nothing_is_delivered_without_weights_or_without_a_training_that_ended_well(tmp_path, truth):
    gone = training(tmp_path, truth.masks[:2].astype(float), 0)
    (tmp_path / weights_path(gone)).unlink()
    failed = training(tmp_path, truth.masks[2:].astype(float), 1, status=FAILED)
    assert select(tmp_path, [gone, failed], truth, 2) is None
    assert select(tmp_path, [], truth, 2) is None


def test_masks_of_every_configuration_are_kept_for_the_report(tmp_path, truth):
    kept = whole(tmp_path, truth.masks.astype(float), loss="dice")
    ((name, arrays),) = masks_by_configuration(tmp_path, kept, truth, ("a", "d"))
    assert name == f"predictions/{configuration_name(kept[0].hyperparameters)}"
    assert list(arrays["ids"]) == ["a", "d"]
    np.testing.assert_array_equal(arrays["masks"], truth.masks[[0, 3]])
