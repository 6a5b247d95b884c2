"""A real worker process: what it trains, and what its death costs."""

import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from bench.engine.spec import TrialSetup, TrialSpec
from bench.engine.worker import TrialWorker
from bench.errors import ExperimentError
from bench.records import COMPLETED, FAILED, STOPPED, EpochRecord

SIZE, COUNT = 32, 10
IDS = tuple(f"image{number}" for number in range(COUNT))


@pytest.fixture(scope="module")
def setup(tmp_path_factory) -> TrialSetup:
    """Bright squares on dark ground, and masks of them, as `write_cache` lays pixels out."""
    import json

    root = tmp_path_factory.mktemp("worker")
    rng = np.random.default_rng(0)
    masks = np.zeros((COUNT, SIZE, SIZE), np.uint8)
    for number in range(COUNT):
        top, left = rng.integers(0, SIZE - 12, 2)
        masks[number, top : top + 12, left : left + 12] = 1
    images = (rng.integers(0, 60, (COUNT, SIZE, SIZE, 1)) + 180 * masks[..., None]).repeat(3, axis=3).astype(np.uint8)
    folder = root / "pixels" / str(SIZE)
    folder.mkdir(parents=True)
    for name, array in {"images": images, "masks": masks, "valid": np.ones_like(masks, bool)}.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "ids.json").write_text(json.dumps({"ids": list(IDS), "fingerprint": "made up"}))
    return TrialSetup(
        cache_directory=root / "pixels",
        checkpoint_directory=root / "checkpoints",
        train_ids=IDS[:7],
        val_ids=IDS[7:],
        classes=("square",),
        evaluation_size=SIZE,
        threshold=0.5,
        longest_epochs=8,
        max_steps_per_epoch=20,
        batch_norm="reestimate",
    )


def spec(
    trial_id: str = "0", *, epochs: int = 2, first_epoch: int = 0, resume_from: str | None = None, **changed: object
):
    values = {
        "architecture": "plain_unet",
        "loss": "bce_dice",
        "augmentation": 0.5,
        "image_size": SIZE,
        "batch_size": 2,
        "optimizer": "adam",
        "schedule": "constant",
        "learning_rate": 3e-3,
        "weight_decay": 0.0,
    } | changed
    return TrialSpec(
        study_id="study", trial_id=trial_id, hyperparameters=values, seed=0, epochs=epochs, first_epoch=first_epoch,
        resume_from=resume_from, checkpoint=resume_from is None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def worker(setup, tmp_path_factory):
    with TrialWorker(setup, tmp_path_factory.mktemp("log") / "worker.log") as worker:
        yield worker


def quietly(epoch: EpochRecord) -> None:
    pass


def test_a_trial_learns_and_reports_every_epoch(worker, setup):
    epochs: list[EpochRecord] = []
    outcome = worker.run(spec(epochs=8), epochs.append)
    record = outcome.record
    assert record.status == COMPLETED
    assert tuple(epochs) == record.curve
    assert [epoch.epoch for epoch in epochs] == list(range(1, 9))
    assert record.val_metrics["iou"] == max(epoch.val_iou for epoch in epochs) > 0.5
    assert epochs[-1].train_loss < epochs[0].train_loss
    assert record.curve[record.best_epoch - 1].val_iou == record.val_metrics["iou"]
    assert set(outcome.scored.counts) == set(setup.val_ids)
    assert outcome.scored.predictions.shape == (3, SIZE, SIZE)
    counts = outcome.scored.counts["image7"]
    assert counts[1].tp + counts[1].fn == 144
    assert sum((counts[1].tp, counts[1].fp, counts[1].fn, counts[1].tn)) == SIZE * SIZE
    assert record.num_params > 100_000
    assert record.latency_s > 0
    assert record.peak_memory_bytes is None or record.peak_memory_bytes > 10**8


def test_a_trial_on_a_used_graph_equals_the_first(worker):
    first = worker.run(spec("1", loss="focal"), quietly)
    worker.run(spec("2", loss="dice", learning_rate=1e-2), quietly)
    again = worker.run(spec("3", loss="focal"), quietly)
    assert again.record.graph_reused
    assert [epoch.train_loss for epoch in again.record.curve] == [epoch.train_loss for epoch in first.record.curve]
    assert again.record.val_metrics == first.record.val_metrics
    np.testing.assert_array_equal(again.scored.predictions, first.scored.predictions)


def test_a_promoted_trial_equals_one_that_never_stopped(worker):
    whole = worker.run(spec("4", epochs=4), quietly).record
    worker.run(spec("5", epochs=2), quietly)
    rest = worker.run(spec("6", epochs=4, first_epoch=2, resume_from="5"), quietly).record
    assert [epoch.train_loss for epoch in rest.curve] == [epoch.train_loss for epoch in whole.curve[2:]]


def test_a_trial_that_cannot_end_in_time_is_stopped_as_soon_as_that_shows(worker):
    limited = replace(spec("12", epochs=5000), time_limit_s=5.0)
    started = time.monotonic()
    record = worker.run(limited, quietly).record
    assert record.status == STOPPED
    assert time.monotonic() - started < 30
    assert record.error == f"the budget, after {record.epochs_run} of 5000 epochs"


def test_saved_weights_score_as_the_trial_did(worker, setup, tmp_path):
    outcome = worker.run(spec("7"), quietly)
    worker.save_model(tmp_path / "models" / "best.weights.h5")
    worker.run(spec("8", loss="bce"), quietly)
    scored = worker.score_model(spec("7"), tmp_path / "models" / "best.weights.h5", setup.val_ids)
    assert scored.counts == outcome.scored.counts


def test_a_loss_that_is_no_number_fails_the_trial_and_only_it(worker):
    failed = worker.run(spec("9", learning_rate=1e30, optimizer="sgd"), quietly)
    assert failed.record.status == FAILED
    assert failed.scored is None
    assert "training loss became" in failed.record.error
    assert worker.run(spec("10"), quietly).record.status == COMPLETED


def test_a_configuration_that_cannot_be_built_says_why(worker):
    record = worker.run(spec("11", image_size=40, architecture="pspnet", backbone="mobilenet"), quietly).record
    assert record.status == FAILED
    assert record.error
    assert "\n" not in record.error


def test_missing_pretrained_weights_are_one_line(worker):
    with pytest.raises(ExperimentError, match=r"'no-such-file.weights.h5' is no file; choose imagenet, none"):
        worker.check_weights([("mobilenet", "no-such-file.weights.h5")])


def test_a_killed_worker_costs_one_trial(setup, tmp_path):
    with TrialWorker(setup, tmp_path / "worker.log") as worker:
        worker.device()  # it is up
        threading.Timer(0.5, os.kill, (worker.process_id, signal.SIGKILL)).start()
        started = time.monotonic()
        record = worker.run(spec(epochs=10_000), quietly).record
        assert record.status == FAILED
        assert "killed by SIGKILL" in record.error
        assert time.monotonic() - started < 60
        assert worker.run(spec(), quietly).record.status == COMPLETED
