"""Which epoch a trial is scored by, when it ends early, how its learning rate goes, and the probabilities
that it leaves."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from bench.datasets.cache import CachedPixels, open_cache
from bench.engine.spec import MAP_IMAGES, Scored
from bench.engine.training.scoring import probability_maps
from bench.engine.training.trial import TrialRun
from bench.evaluation.collapse import EVERYWHERE, NOTHING
from bench.records import COLLAPSED, COMPLETED, STOPPED, ClassCounts, EpochRecord
from search_spaces.optimizers import cosine
from tests.engine.tiny import IDS, SIZE, make_setup, spec


class FakeGraph:
    """Learns nothing, and remembers the learning rates that it was given."""

    build_s = latency_s = 0.0
    model = SimpleNamespace(count_params=lambda: 1)

    def __init__(self) -> None:
        self.rates: list[float] = []

    def reset(self, values: object, **settings: object) -> None:
        pass

    def set_learning_rate(self, learning_rate: float) -> None:
        self.rates.append(learning_rate)

    def set_statistics_momentum(self, momentum: float) -> None:
        pass

    def train_step(self, images: np.ndarray, masks: np.ndarray) -> float:
        return 0.5

    def has_diverged(self) -> bool:
        return False


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


def test_a_refit_trains_on_every_image_that_is_not_locked_and_scores_none(make_run):
    run = make_run(epochs=2)
    refit = TrialRun(replace(run.spec, refit=True), run.setup, FakeGraph(), run.pixels, run.truth)
    refit.graph.has_batch_norm = False
    outcome = refit.train(pretrained=None, reused=True, on_epoch=lambda epoch: None)
    assert refit.train_ids == tuple(sorted(IDS[:8]))
    assert (outcome.record.status, outcome.record.epochs_run, outcome.train_images) == (COMPLETED, 2, 8)
    assert (outcome.scored, outcome.test) == (None, None)
    assert [epoch.val_iou for epoch in outcome.record.curve] == [None, None]


def test_a_trial_that_found_something_once_goes_on(make_run):
    record = trained(make_run(epochs=6), [scored(6), *[scored(0)] * 5], 3).record
    assert (record.status, record.epochs_run, record.val_metrics["iou"]) == (COMPLETED, 6, 0.0)


def test_a_trial_that_finds_foreground_everywhere_has_collapsed_too(make_run):
    record = trained(make_run(epochs=8), [EVERY_PIXEL] * 3, 3).record
    assert (record.status, record.error) == (COLLAPSED, f"{EVERYWHERE} for 3 epochs, up to 3 of 8")


@pytest.mark.parametrize("collapse_epochs", [3, 0])
def test_a_trial_that_recovers_goes_on_and_without_the_rule_every_one_does(make_run, collapse_epochs):
    epochs = [scored(0), EVERY_PIXEL, scored(3), scored(0), scored(0), scored(8)]
    dead = [scored(0)] * 6
    record = trained(make_run(epochs=6), epochs if collapse_epochs else dead, collapse_epochs).record
    assert (record.status, record.epochs_run) == (COMPLETED, 6)


def test_the_last_epoch_is_the_result_of_a_trial_whatever_came_before(make_run):
    """Nine tenths were found in the second epoch, four in the last."""
    last = scored(4)
    outcome = trained(make_run(epochs=4), [scored(3), scored(9), scored(5), last], 0)
    record = outcome.record
    assert (record.status, record.best_epoch, record.epochs_run) == (COMPLETED, 4, 4)
    assert record.val_metrics["iou"] == record.curve[-1].val_iou == 0.4
    assert outcome.scored.counts == last.counts
    assert outcome.scored.predictions is last.predictions


def test_a_trial_that_runs_out_of_time_is_what_its_last_epoch_was(make_run):
    run = make_run(epochs=5000)
    run.spec = replace(run.spec, time_limit_s=1e-9)
    record = trained(run, [scored(7), scored(3)], 0).record
    assert (record.status, record.epochs_run, record.best_epoch) == (STOPPED, 1, 1)
    assert record.val_metrics["iou"] == 0.7


@pytest.mark.parametrize("epochs", [2, 5])
def test_the_schedule_spans_the_training_whatever_its_length(make_run, epochs):
    """Epochs of 4 steps: the factor of step k of n is that of the share k / n, up in the first tenth
    and down to nearly 0 at the end."""
    run = make_run(epochs=epochs, schedule="cosine", learning_rate=0.5)
    run._validate = lambda: scored(5)
    run.train(pretrained=None, reused=True, on_epoch=lambda epoch: None)
    whole = 4 * epochs
    assert run.graph.rates == [0.5 * cosine(step / whole) for step in range(whole)]
    assert run.graph.rates[0] == pytest.approx(0.5 / 11)
    assert max(run.graph.rates) > 0.48
    assert run.graph.rates[-1] == pytest.approx(0.5 * 0.5 * (1 + math.cos(math.pi * ((whole - 1) / whole - 0.1) / 0.9)))


@pytest.mark.parametrize(("fit_s", "epochs"), [(3600.0, 12), (1e-9, 1)])
def test_a_length_that_is_fitted_is_twice_the_planned_one_at_most_and_its_schedule_ends(make_run, fit_s, epochs):
    run = make_run(epochs=6, schedule="cosine", learning_rate=0.5)
    run.spec = replace(run.spec, fit_s=fit_s)
    run._validate = lambda: scored(5)
    record = run.train(pretrained=None, reused=True, on_epoch=lambda epoch: None).record
    assert (record.status, record.epochs_planned, record.epochs_run) == (COMPLETED, 6, epochs)
    assert len(run.graph.rates) == 4 * epochs
    if epochs == 12:
        assert run.graph.rates[3] == 0.5 * cosine(3 / 24), "planned so far"
        assert run.graph.rates[4] == 0.5 * cosine(4 / 48)
        assert 0 < run.graph.rates[-1] < 0.005


def test_one_slow_epoch_stops_no_training_whose_length_is_fitted(make_run):
    """Two epochs took 10 and 40 s; 3 more at the last one's pace would end at 170 s."""
    run = make_run(epochs=5)
    run.curve = [
        EpochRecord(epoch=number, train_loss=0.5, val_loss=None, val_iou=None, elapsed_s=seconds)
        for number, seconds in ((1, 10.0), (2, 50.0))
    ]
    run.spec = replace(run.spec, time_limit_s=100.0)
    assert run._out_of_time(3)
    run.spec = replace(run.spec, fit_s=98.0)
    assert not run._out_of_time(3)


def test_a_probe_for_which_there_is_too_little_time_ends_with_its_second_step(make_run):
    """The first one compiles, and says nothing of the others."""
    run = make_run(epochs=6)
    hurried = replace(run.spec, fold=0, probe=True, time_limit_s=1e-9)
    probe = TrialRun(hurried, run.setup, FakeGraph(), run.pixels, run.truth)
    record = probe.train(pretrained=None, reused=True, on_epoch=lambda epoch: None).record
    assert (record.status, record.epochs_run, len(probe.graph.rates)) == (STOPPED, 2, 2)


class Lit(FakeGraph):
    """Its probability of a pixel is the brightness of that pixel, mirrored images dimmer by a half."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        mirrored = images.flags["C_CONTIGUOUS"] and images[0, 0, 0, 0] > images[0, 0, -1, 0]
        return images[..., :1].astype(np.float32) / 255 * (0.5 if mirrored else 1.0)


def ramps(count: int) -> CachedPixels:
    """Images that get brighter from left to right."""
    row = np.linspace(0, 255, SIZE).astype(np.uint8)
    images = np.broadcast_to(row[:, None], (count, SIZE, SIZE, 3)).copy()
    masks = np.zeros((count, SIZE, SIZE), np.uint8)
    return CachedPixels(ids=tuple(map(str, range(count))), images=images, masks=masks, valid=masks == 0)


def test_probability_maps_are_of_the_image_and_of_the_mean_with_its_mirrored_copy():
    pixels = ramps(5)
    maps = probability_maps(Lit(), pixels, pixels.ids, batch_size=2)  # type: ignore[arg-type]
    assert (maps.ids, maps.values.shape, maps.values.dtype) == (pixels.ids, (5, 2, SIZE, SIZE, 1), np.uint8)
    np.testing.assert_array_equal(maps.values[:, 0, :, :, 0], pixels.images[..., 0])
    brightness = pixels.images[..., 0].astype(float)
    np.testing.assert_allclose(maps.values[:, 1, :, :, 0], 0.75 * brightness, atol=0.51)  # (1 + 1/2) / 2 of it


def test_of_many_images_maps_are_kept_of_an_even_spread():
    pixels = ramps(3 * MAP_IMAGES)
    maps = probability_maps(Lit(), pixels, pixels.ids, batch_size=64)  # type: ignore[arg-type]
    places = [int(name) for name in maps.ids]
    assert (len(places), places[0], places[-1]) == (MAP_IMAGES, 0, 3 * MAP_IMAGES - 1)
    assert set(np.diff(places)) <= {3, 4}
