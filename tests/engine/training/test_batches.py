"""Which images are seen when, and what the trainer gets."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bench.datasets.cache import CachedPixels
from bench.engine.training.batches import PROBE_STEPS, TrainingBatches, TrainingPlan
from tests.engine.tiny import make_setup, spec


def plan(num_images: int = 10, batch_size: int = 4, steps: int = 3, seed: int = 0) -> TrainingPlan:
    return TrainingPlan(num_images=num_images, batch_size=batch_size, steps_per_epoch=steps, seed=seed)


def pixels(count: int = 10) -> CachedPixels:
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    masks = (images[..., 0] > 128).astype(np.uint8)
    ids = tuple(f"image{number}" for number in range(count))
    return CachedPixels(ids=ids, images=images, masks=masks, valid=np.ones_like(masks, bool))


@pytest.mark.parametrize("num_images", [3, 49, 3000])
def test_an_epoch_is_as_many_steps_whatever_the_number_of_images(num_images):
    assert plan(num_images, 8, steps=25).steps_per_epoch == 25


def test_a_share_of_the_images_is_seen_as_often_as_the_steps_ask_for():
    seen = Counter(image for step in range(6) for _, image in plan(12, 8, steps=6).batch(step))
    assert set(seen.values()) == {4}  # four passes over twelve images


def test_every_pass_shows_every_image_once():
    seen = [place for step in range(15) for place in plan().batch(step)]  # 15 batches of 4 are 6 passes over 10
    assert Counter(seen) == Counter((number, image) for number in range(6) for image in range(10))


def test_passes_are_in_different_orders_and_seeds_too():
    def order(number: int, seed: int = 0) -> list[int]:
        places = [place for step in range(10) for place in plan(seed=seed).batch(step)]
        return [image for shown, image in places if shown == number]

    assert order(0) != order(1)
    assert order(0) != order(0, seed=1)


def test_a_longer_training_begins_with_the_batches_of_a_shorter_one():
    short, long = (
        list(TrainingBatches(pixels(), pixels().ids, plan(), strength=0.7).steps(count)) for count in (12, 20)
    )
    assert (len(short), len(long)) == (12, 20)
    for (image, mask), (image_again, mask_again) in zip(short, long[:12], strict=True):
        np.testing.assert_array_equal(image, image_again)
        np.testing.assert_array_equal(mask, mask_again)


def test_a_probe_takes_its_own_few_steps_whatever_an_epoch_is(tmp_path):
    setup = make_setup(tmp_path)
    assert TrainingPlan.of(spec(fold=0), setup, setup.train_ids).steps_per_epoch == setup.steps_per_epoch == 4
    probe = replace(spec(epochs=1, fold=0), probe=True)
    assert TrainingPlan.of(probe, setup, setup.train_ids).steps_per_epoch == PROBE_STEPS == 6


def test_without_augmentation_the_pixels_pass_unchanged():
    data = pixels()
    ((images, masks),) = TrainingBatches(data, data.ids, plan(), strength=0.0).steps(1)
    rows = [image for _, image in plan().batch(0)]
    np.testing.assert_array_equal(images, data.images[rows])
    np.testing.assert_array_equal(masks, data.masks[rows])


def test_a_consumer_that_stops_early_leaves_no_thread_behind():
    import threading

    batches = TrainingBatches(pixels(), pixels().ids, plan(), strength=1.0).steps(1000)
    next(batches)
    batches.close()
    for thread in threading.enumerate():
        if thread.name.startswith("augment"):
            thread.join(timeout=5)
            assert not thread.is_alive()
