"""Which epoch a trial keeps, and what becomes of training states that are gone, torn or cannot be written."""

import numpy as np
import pytest

from bench.datasets.cache import open_cache
from bench.engine.spec import Scored
from bench.engine.training import TrialRun, load_state, save_state
from bench.records import ClassCounts
from tests.engine.tiny import SIZE, make_setup, spec


class FakeGraph:
    """Holds nothing but what was put into it."""

    state: object = None

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
    return Scored(loss=0.5, counts={"a": (counts, counts)}, predictions=np.zeros((1, 2, 2), np.uint8))


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
