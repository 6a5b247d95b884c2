"""A real worker process: what it trains, and what its death costs."""

import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest

from bench.engine import worker as worker_module
from bench.engine.spec import TrialOutcome, TrialSetup
from bench.engine.training.batches import PROBE_STEPS
from bench.engine.worker import OVERTIME_S, TrialWorker, silence_limit_s
from bench.errors import DataError, ExperimentError
from bench.evaluation.metrics import pool, summarise
from bench.evaluation.racing import Incumbent, mean_over_folds
from bench.records import COLLAPSED, COMPLETED, FAILED, PRUNED, STOPPED, EpochRecord, Race
from search_spaces.initial_weights import fingerprint, load_encoder
from tests.engine.stand_in_worker import serve_stand_in
from tests.engine.tiny import IDS, SIZE, make_setup, spec

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def setup(tmp_path_factory) -> TrialSetup:
    return make_setup(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def worker(setup, tmp_path_factory):
    with TrialWorker(setup, tmp_path_factory.mktemp("log") / "worker.log") as worker:
        yield worker


@pytest.fixture
def _made_up(monkeypatch):
    """Real processes that train nothing, for what happens to a process whatever it trains."""
    monkeypatch.setattr(worker_module, "run_worker", serve_stand_in)


made_up = pytest.mark.usefixtures("_made_up")


def quietly(epoch: EpochRecord) -> None:
    pass


def test_a_trial_learns_and_reports_every_epoch(worker, setup):
    epochs: list[EpochRecord] = []
    outcome = worker.run(spec(epochs=8), epochs.append)
    record = outcome.record
    assert record.status == COMPLETED
    assert tuple(epochs) == record.curve
    assert [epoch.epoch for epoch in epochs] == list(range(1, 9))
    assert record.val_metrics["iou"] == epochs[-1].val_iou > 0.5
    assert epochs[-1].train_loss < epochs[0].train_loss
    assert record.best_epoch == record.epochs_run == 8
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


def test_a_record_names_the_pretrained_weights_by_their_checksum(worker):
    pretrained = {"backbone": "efficientnet_lite0", "encoder_weights": "imagenet"}
    record = worker.run(spec("w", epochs=1, architecture="unet_slim", **pretrained), quietly).record
    assert record.encoder_sha256 == fingerprint(load_encoder(**pretrained))
    assert worker.run(spec("n", epochs=1), quietly).record.encoder_sha256 is None


def test_a_longer_trial_has_a_schedule_of_its_own_length(worker):
    """Equal batches from equal weights: at a constant rate the short trial is the beginning of the long one,
    on a cosine it is not."""
    for schedule, is_beginning in (("constant", True), ("cosine", False)):
        short, long = (worker.run(spec("4", epochs=epochs, schedule=schedule), quietly).record for epochs in (2, 4))
        losses = [epoch.train_loss for epoch in short.curve], [epoch.train_loss for epoch in long.curve[:2]]
        assert (losses[0] == losses[1]) == is_beginning


def test_a_probe_takes_a_few_steps_and_sees_no_locked_image(worker, setup):
    heard = []
    outcome = worker.run(replace(spec("p", epochs=PROBE_STEPS, fold=0), probe=True), heard.append)
    record = outcome.record
    assert (record.status, record.epochs_run, outcome.test) == (COMPLETED, PROBE_STEPS, None)
    assert [each.epoch for each in heard] == list(range(1, PROBE_STEPS + 1))
    assert outcome.scored.maps is None
    assert set(outcome.scored.counts) == set(setup.folds[0])
    assert record.train_s > 0


def test_a_training_that_is_fitted_to_its_time_is_longer_or_shorter_than_planned_and_comes_to_its_end(worker, setup):
    long = worker.run(replace(spec("f", epochs=6, fold=0), fit_s=3600.0), quietly)
    short = worker.run(replace(spec("g", epochs=6, fold=0), fit_s=1e-3), quietly)
    assert [(each.record.status, each.record.epochs_run) for each in (long, short)] == [(COMPLETED, 12), (COMPLETED, 1)]
    assert set(short.scored.counts) == set(setup.folds[0])


def test_a_training_of_the_finals_leaves_its_probabilities_out_of_fold(worker, setup):
    outcome = worker.run(spec("m", fold=1, epochs=3), quietly)
    maps, scored = outcome.scored.maps, outcome.scored
    assert (maps.ids, maps.values.shape) == (setup.folds[1], (4, 2, SIZE, SIZE, 1))
    plain = maps.values[:, 0, :, :, 0] / 255
    certain = abs(plain - setup.threshold) > 1 / 255  # a map has steps of 1/255
    np.testing.assert_array_equal(plain[certain] >= setup.threshold, scored.predictions[certain] == 1)
    assert certain.mean() > 0.5
    assert worker.run(replace(spec("n", fold=1), train_share=0.5), quietly).scored.maps is None
    assert worker.run(spec("o"), quietly).scored.maps is None


def test_a_trial_that_cannot_end_in_time_is_stopped_as_soon_as_that_shows(worker):
    limited = replace(spec("12", epochs=5000), time_limit_s=5.0)
    started = time.monotonic()
    record = worker.run(limited, quietly).record
    assert record.status == STOPPED
    assert time.monotonic() - started < 30
    assert record.error == f"the budget, after {record.epochs_run} of 5000 epochs"


def test_a_training_of_the_finals_sees_the_other_folds_and_is_scored_once(worker, setup):
    outcome = worker.run(spec("13", fold=1, epochs=3), quietly)
    record = outcome.record
    assert record.status == COMPLETED
    assert [epoch.val_iou is None for epoch in record.curve] == [True, True, False]
    assert (record.best_epoch, record.epochs_run) == (3, 3)
    assert set(outcome.scored.counts) == set(setup.folds[1])
    assert set(outcome.test.counts) == set(setup.test_ids)
    other = worker.run(spec("14", fold=0, epochs=3), quietly)
    assert set(other.scored.counts) == set(setup.folds[0])
    assert other.record.curve[0].train_loss != record.curve[0].train_loss  # other images


def test_a_trial_on_folds_is_scored_out_of_each_of_them(worker, setup):
    told: list[int] = []
    outcome = worker.run(replace(spec("15", epochs=3), search_folds=2), lambda epoch: told.append(epoch.epoch))
    record = outcome.record
    assert (record.status, record.folds_run, record.epochs_run, told) == (COMPLETED, 2, 6, list(range(1, 7)))
    assert set(record.out_of_fold) == {name for fold in setup.folds for name in fold}
    by_fold = [summarise(pool(record.out_of_fold[name] for name in fold), setup.classes) for fold in setup.folds]
    assert record.val_metrics == mean_over_folds(by_fold)
    assert len(record.curve) == 3
    again = worker.run(replace(spec("16", epochs=3), search_folds=2), quietly).record
    assert (again.graph_reused, again.out_of_fold) == (True, record.out_of_fold)


def test_a_trial_that_is_behind_on_the_images_of_its_first_fold_gets_no_second(setup, tmp_path):
    folds = (IDS[:8], IDS[8:])
    incumbent = Incumbent(trial_id="0", iou=1.0, image_iou=dict.fromkeys(IDS, 1.0))
    with TrialWorker(replace(setup, folds=folds), tmp_path / "worker.log") as worker:
        record = worker.run(replace(spec("1", epochs=1), search_folds=2, incumbent=incumbent), quietly).record
        assert (record.status, record.folds_run, record.race) == (PRUNED, 1, Race(rival="0", images=8, p=2**-8))
        assert set(record.out_of_fold) == set(IDS[:8])


def test_a_trial_on_folds_is_stopped_where_the_folds_to_come_cannot_end_in_time(worker):
    limited = replace(spec("17", epochs=20), search_folds=2000, time_limit_s=10.0)
    record = worker.run(limited, quietly).record
    assert (record.status, record.folds_run) == (STOPPED, 1)
    assert record.error == f"the budget, after {record.epochs_run} of 20 epochs, in fold 1 of 2000"


def test_a_training_on_a_share_takes_as_many_steps_on_fewer_images(worker, setup):
    whole = worker.run(spec("15", fold=1, epochs=3), quietly)
    part = worker.run(replace(spec("16", fold=1, epochs=3), train_share=0.5), quietly)
    assert (whole.train_images, part.train_images) == (4, 2)
    assert part.record.epochs_run == whole.record.epochs_run == 3
    assert set(part.scored.counts) == set(setup.folds[1])
    assert set(part.test.counts) == set(setup.test_ids)
    assert part.record.curve[0].train_loss != whole.record.curve[0].train_loss


def test_a_kept_model_scores_as_the_trial_did(worker, setup):
    outcome = worker.run(spec("7"), quietly)
    model = worker.model()
    worker.run(spec("8", loss="bce"), quietly)
    scored = worker.score(spec("7"), model, setup.val_ids)
    assert scored.counts == outcome.scored.counts


def test_a_training_that_diverges_fails_its_trial_and_only_it(worker):
    failed = worker.run(spec("9", learning_rate=1e30, optimizer="sgd"), quietly)
    assert failed.record.status == FAILED
    assert failed.scored is None
    assert "the training loss became" in failed.record.error or "the weights grew" in failed.record.error
    assert worker.run(spec("10"), quietly).record.status == COMPLETED


def test_a_configuration_that_cannot_be_built_says_why(worker):
    record = worker.run(spec("11", image_size=40, architecture="pspnet", backbone="mobilenet"), quietly).record
    assert record.status == FAILED
    assert record.error
    assert "\n" not in record.error


def test_missing_pretrained_weights_are_one_line(worker):
    with pytest.raises(ExperimentError, match=r"'no-such-file.weights.h5' is no file; choose imagenet, none"):
        worker.check_weights([("mobilenet", "no-such-file.weights.h5")])


@made_up
def test_a_killed_worker_costs_one_trial(setup, tmp_path):
    with TrialWorker(setup, tmp_path / "worker.log") as worker:
        worker.device()  # it is up
        threading.Timer(0.5, os.kill, (worker.process_id, signal.SIGKILL)).start()
        outcome = worker.run(spec(epochs=10_000), quietly)
        record = outcome.record
        assert outcome.crashed
        assert record.status == FAILED
        assert "killed by SIGKILL" in record.error
        assert record.peak_memory_bytes > 10**7
        assert worker.run(spec(), quietly).record.status == COMPLETED


@pytest.mark.parametrize(("threshold", "share"), [(0.9999, 0.0), (1e-4, 1.0)])
def test_a_model_that_predicts_one_answer_is_stopped(setup, tmp_path, threshold, share):
    """Hardly trained, all its probabilities lie between those thresholds."""
    with TrialWorker(replace(setup, threshold=threshold, collapse_epochs=2), tmp_path / "worker.log") as worker:
        outcome = worker.run(spec(epochs=6, learning_rate=1e-9), quietly)
        record = outcome.record
        assert (record.status, record.epochs_run, outcome.scored, outcome.crashed) == (COLLAPSED, 2, None, False)
        assert [epoch.val_predicted_share for epoch in record.curve] == [share, share]
        assert worker.run(spec(fold=0, epochs=3, learning_rate=1e-9), quietly).record.status == COMPLETED


@made_up
def test_a_worker_that_says_nothing_any_more_is_replaced(setup, tmp_path, monkeypatch):
    """Its silence is cut short only once it is up: on a busy machine a process takes longer than that to start."""
    with TrialWorker(setup, tmp_path / "worker.log") as worker:
        worker.device()  # it is up
        worker.submit(spec(epochs=10_000))
        while worker.receive(1.0) is None:
            pass
        stuck = worker.process_id
        os.kill(stuck, signal.SIGSTOP)
        outcome = None
        with monkeypatch.context() as patch:
            patch.setattr(worker, "_silence_s", 2.0)
            while not isinstance(outcome, TrialOutcome):
                outcome = worker.receive(1.0)
        assert outcome.crashed
        assert "no sign of life for 2" in outcome.record.error
        assert worker.process_id != stuck
        assert worker.run(spec(), quietly).record.status == COMPLETED


BUSY = """
import pickle, sys, time
from pathlib import Path
from bench.engine import worker
from bench.engine.training import trainer

folder = Path(sys.argv[1])

def device(self):
    (folder / "busy").touch()
    time.sleep(600)

trainer.Trainer.device = device
if __name__ == "__main__":
    started = worker.TrialWorker(pickle.loads((folder / "setup").read_bytes()), folder / "worker.log")
    (folder / "pid").write_text(str(started.process_id))
    started.device()
"""
"""A driver whose worker listens to nobody."""


def test_a_busy_worker_ends_with_its_killed_driver(setup, tmp_path):
    (tmp_path / "driver.py").write_text(BUSY)
    (tmp_path / "setup").write_bytes(pickle.dumps(setup))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    driver = subprocess.Popen([sys.executable, tmp_path / "driver.py", tmp_path], env=environment)
    deadline = time.monotonic() + 600  # TensorFlow is imported twice meanwhile, on a busy machine perhaps
    while not (tmp_path / "busy").is_file():
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    worker = psutil.Process(int((tmp_path / "pid").read_text()))
    driver.kill()
    driver.wait()
    gone, _ = psutil.wait_procs([worker], timeout=120)
    worker_is_gone = bool(gone)
    if not worker_is_gone:
        worker.kill()
    assert worker_is_gone


def test_pixels_that_are_gone_are_no_trials_fault(setup, tmp_path):
    gone = replace(setup, cache_directory=tmp_path / "gone")
    with TrialWorker(gone, tmp_path / "worker.log") as worker, pytest.raises(DataError, match="gone"):
        worker.run(spec(), quietly)


def test_a_worker_may_be_silent_for_as_long_as_its_trial_has_time_and_not_much_longer():
    limited = replace(spec(), time_limit_s=100.0)
    assert silence_limit_s(spec(), 50.0, 1800.0) == 1800.0
    assert silence_limit_s(limited, 0.0, 1800.0) == 100.0 + OVERTIME_S
    assert silence_limit_s(limited, 90.0, 1800.0) == 10.0 + OVERTIME_S
    assert silence_limit_s(limited, 500.0, 1800.0) == OVERTIME_S
    assert silence_limit_s(replace(limited, probe=True), 90.0, 1800.0) == 10.0
    assert silence_limit_s(limited, 0.0, 20.0) == 20.0


@made_up
def test_a_worker_that_may_hold_little_is_replaced_after_its_trial(setup, tmp_path):
    with TrialWorker(setup, tmp_path / "worker.log", memory_bytes=10**7) as worker:
        assert worker.run(spec(), quietly).record.status == COMPLETED
        first = worker.process_id
        record = worker.run(spec("1"), quietly).record
        assert (worker.process_id != first, record.status) == (True, COMPLETED)


def test_a_worker_without_memory_fails_its_trial_and_not_the_search(setup, tmp_path):
    with TrialWorker(setup, tmp_path / "worker.log") as worker:
        worker.device()
        held = psutil.Process(worker.process_id).memory_info().vms
        resource.prlimit(worker.process_id, resource.RLIMIT_AS, (held + 10**7, resource.RLIM_INFINITY))
        outcome = worker.run(spec(image_size=SIZE, batch_size=7), quietly)
        assert outcome.record.status == FAILED
        if not outcome.crashed:
            worker.stop()  # it lived on, without room for anything else
            worker.run(spec(), quietly)
        assert worker.run(spec(), quietly).record.status == COMPLETED


@made_up
def test_last_words_are_those_of_the_trial_that_died(setup, tmp_path):
    log = tmp_path / "worker.log"
    with TrialWorker(setup, log) as worker:
        worker.device()
        log.open("a").write("of an earlier trial\n")
        worker.submit(spec(epochs=10_000))
        log.open("a").write("of this one\n")
        os.kill(worker.process_id, signal.SIGKILL)
        outcome = None
        while not isinstance(outcome, TrialOutcome):
            outcome = worker.receive(1.0)
        assert "of this one" in outcome.record.error
        assert "earlier" not in outcome.record.error


@made_up
def test_a_worker_that_dies_in_the_middle_of_a_message_fails_its_trial(setup, tmp_path, monkeypatch):
    with TrialWorker(setup, tmp_path / "worker.log") as worker:
        worker.device()
        worker.submit(spec(epochs=10_000))
        os.kill(worker.process_id, signal.SIGKILL)

        class Torn:
            def poll(self, timeout_s):
                return True

            def recv(self):
                raise OSError("got end of file during message")

        monkeypatch.setattr(worker, "_connection", Torn())
        outcome = worker.receive()
        assert outcome.crashed
        assert "killed by SIGKILL" in outcome.record.error
        assert worker.last is None  # the new process has no model to be asked for
