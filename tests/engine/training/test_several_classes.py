"""A trial of several classes: weights from the images that train, no mirrored image where a class forbids it,
void nowhere."""

from dataclasses import replace

import numpy as np
import pytest

from bench.datasets.cache import CachedPixels, open_cache
from bench.datasets.dataset import VOID
from bench.engine.training.scoring import probability_maps
from bench.engine.training.trial import TrialRun
from tests.engine.tiny import SIZE, make_setup, spec
from tests.engine.training.test_trial import FakeGraph


@pytest.fixture
def setup(tmp_path):
    return make_setup(tmp_path)


def run(setup, masks: np.ndarray, **changed: object) -> TrialRun:
    cached = open_cache(setup.cache_directory, SIZE)
    pixels = CachedPixels(ids=cached.ids, images=cached.images, masks=masks, valid=cached.valid)
    return TrialRun(spec(**changed), setup, FakeGraph(), pixels, pixels)  # type: ignore[arg-type]


def test_classes_weigh_by_the_pixels_that_train_without_void(setup) -> None:
    masks = np.zeros((10, SIZE, SIZE), np.uint8)
    masks[:7, 0] = 1  # 7 * 32 pixels of 7 * 1024 train; what validates has more
    masks[7:] = 1
    masks[:7, 1] = VOID
    weights = run(setup, masks, class_weights="inverse_frequency")._class_weights()
    assert weights == pytest.approx(((31 / 30) / 2, 31 / 2))


def test_a_trial_without_a_rule_has_no_weights(setup) -> None:
    assert run(setup, np.zeros((10, SIZE, SIZE), np.uint8))._class_weights() is None


@pytest.mark.parametrize("mirror", [True, False])
def test_left_stays_left_where_a_class_forbids_a_mirror(setup, mirror: bool) -> None:
    setup = replace(setup, mirror=mirror)
    trial = run(setup, np.zeros((10, SIZE, SIZE), np.uint8), augmentation=1e-6)
    trial.batches._pixels.images[:] = 0
    trial.batches._pixels.images[:, :, : SIZE // 2] = 200
    images = np.concatenate([images for images, _ in trial.batches.steps(8)]).astype(int)
    left_is_bright = images[:, :, 4].mean(axis=(1, 2)) > images[:, :, -4].mean(axis=(1, 2))
    assert left_is_bright.all() == (not mirror)


def test_without_a_mirror_an_ensemble_gains_nothing_from_it(setup) -> None:
    class Graph:
        def predict(self, images: np.ndarray) -> np.ndarray:
            return images[..., :1] / 255

    pixels = open_cache(setup.cache_directory, SIZE)
    maps = probability_maps(Graph(), pixels, setup.val_ids, 2, mirror=False)  # type: ignore[arg-type]
    np.testing.assert_array_equal(maps.values[:, 0], maps.values[:, 1])
