"""Which epoch a trial keeps, and what becomes of training states that are gone, torn or cannot be written."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from bench.datasets.cache import open_cache
from bench.engine.spec import Scored
from bench.engine.training.trial import TrialRun, load_state, save_state
from bench.evaluation.collapse import EVERYWHERE, NOTHING
from bench.records import COLLAPSED, COMPLETED, ClassCounts
from tests.engine.tiny import SIZE, make_setup, spec


class FakeGraph:
    """Holds nothing but what was put into it."""

    state: object = None
    build_s = latency_s = 0.0
    model = SimpleNamespace(count_params=lambda: 1)

    def reset(self, values: object, **settings: object) -> None:
        pass

    def training_state(self) -> list:
        return []

    def set_weights(self, weights: list) -> None:
        pass

    def weights(self) -> list:
        return []

    def set_training_state(self, state: list) -> None:
        self.state = state


@pytest.fixture
def make_run(tmp_path):
    setup = make_setup(tmp_path)
    pixels = open_cache(setup.cache_directory, SIZE)

    def make(**changed: object) -> TrialRun:
        return TrialRun(spec(**changed), setup, FakeGraph(), pixels, pixels)  # type: ignore[arg-type]

    return make


def scored(tp: int) -> Scored:
    """Ten foreground pixels, `tp` of them found."""
    counts = ClassCounts(tp=tp, fp=0, fn=10 - tp, tn=10)
    background = ClassCounts(tp=10, fp=10 - tp, fn=0, tn=tp)
    return Scored(loss=0.5, counts={"a": (background, counts)}, predictions=np.zeros((1, 2, 2), np.uint8))


EVERY_PIXEL = Scored(
    loss=0.5,
    counts={"a": (ClassCounts(tp=0, fp=0, fn=10, tn=10), ClassCounts(tp=10, fp=10, fn=0, tn=0))},
    predictions=np.zeros((1, 2, 2), np.uint8),
)


def trained(run: TrialRun, epochs: list[Scored], collapse_epochs: int):
    """The outcome of a trial whose epochs are scored so."""
    answers = iter(epochs)
    run.setup = replace(run.setup, collapse_epochs=collapse_epochs)
    run._train_epoch = lambda first_step, batches: 0.5
    run._validate = lambda: next(answers)
    return run.train(pretrained=None, reused=True, on_epoch=lambda epoch: None)


def test_a_trial_that_has_collapsed_long_enough_ends(make_run):
    outcome = trained(make_run(epochs=8), [scored(0), EVERY_PIXEL, scored(0), *[scored(9)] * 5], 3)
    record = outcome.record
    assert (record.status, record.epochs_run) == (COLLAPSED, 3)
    assert record.error == f"{NOTHING} for 3 epochs, up to 3 of 8"
    assert outcome.scored is None
    assert [epoch.val_recall for epoch in record.curve] == [0.0, 1.0, 0.0]
    assert [epoch.val_predicted_share for epoch in record.curve] == [0.0, 1.0, 0.0]


def test_a_trial_that_found_something_once_keeps_it_and_goes_on(make_run):
    record = trained(make_run(epochs=6), [scored(6), *[scored(0)] * 5], 3).record
    assert (record.status, record.epochs_run, record.best_epoch) == (COMPLETED, 6, 1)
    assert record.val_metrics["iou"] == 0.6


def test_a_trial_that_finds_foreground_everywhere_has_collapsed_too(make_run):
    record = trained(make_run(epochs=8), [EVERY_PIXEL] * 3, 3).record
    assert (record.status, record.error) == (COLLAPSED, f"{EVERYWHERE} for 3 epochs, up to 3 of 8")


@pytest.mark.parametrize("collapse_epochs", [3, 0])
def test_a_trial_that_recovers_goes_on_and_without_the_rule_every_one_does(make_run, collapse_epochs):
    epochs = [scored(0), EVERY_PIXEL, scored(3), scored(0), scored(0), scored(8)]
    dead = [scored(0)] * 6
    record = trained(make_run(epochs=6), epochs if collapse_epochs else dead, collapse_epochs).record
    assert (record.status, record.epochs_run) == (COMPLETED, 6)


def test_the_epochs_of_a_trial_that_is_continued_do_not_count(make_run):
    run = make_run(epochs=5, first_epoch=2, resume_from="gone")
    record = trained(run, [scored(0), scored(0), scored(0), scored(0), scored(3)], 3).record
    assert (record.status, record.epochs_run) == (COMPLETED, 5)


@pytest.mark.parametrize(("first_trained", "found"), [(0, [3, 7, 5, 4]), (2, [5, 4])])
def test_a_promoted_trial_keeps_the_same_epoch_whether_its_parents_state_was_there_or_not(
    make_run, first_trained, found
):
    run = make_run(epochs=4, first_epoch=2, resume_from="parent")
    for epoch, tp in enumerate(found, start=first_trained):
        run._remember(epoch, 0.5, scored(tp), 1.0)
    assert (run.best_epoch, run._iou(run.best)) == (2, 0.5)


def test_a_trial_stopped_before_its_first_epoch_of_its_own_keeps_the_best_it_has(make_run):
    run = make_run(epochs=4, first_epoch=2, resume_from="parent")
    for epoch, tp in enumerate([3, 7]):
        run._remember(epoch, 0.5, scored(tp), 1.0)
    assert (run.best_epoch, run._iou(run.best)) == (1, 0.7)


def test_a_torn_training_state_is_as_good_as_none(make_run):
    run = make_run(epochs=4, first_epoch=2, resume_from="parent")
    path = run._state_path("parent")
    assert run._resume() == 0
    save_state(path, [np.arange(1000)])
    assert run._resume() == 2
    np.testing.assert_array_equal(run.graph.state[0], np.arange(1000))
    path.write_bytes(path.read_bytes()[:500])
    run.graph.state = None
    assert (run._resume(), run.graph.state) == (0, None)


def test_a_state_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    target = tmp_path / "states" / "taken.npz"
    target.mkdir(parents=True)  # a folder cannot be replaced by a file
    with pytest.raises(OSError, match="taken"):
        save_state(target, [np.arange(3)])
    assert [path.name for path in target.parent.iterdir()] == ["taken.npz"]
    save_state(tmp_path / "states" / "good.npz", [np.arange(3)])
    np.testing.assert_array_equal(load_state(tmp_path / "states" / "good.npz")[0], np.arange(3))
