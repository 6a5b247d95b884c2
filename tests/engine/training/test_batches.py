"""Which images are seen when, and what the trainer gets."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bench.datasets.cache import CachedPixels, open_cache
from bench.datasets.dataset import VOID
from bench.engine.training.batches import PROBE_STEPS, TrainingBatches, TrainingPlan, holders
from tests.engine.tiny import SIZE, make_setup, spec


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


def test_each_step_of_a_probe_is_an_epoch(tmp_path):
    setup = make_setup(tmp_path)
    data = open_cache(setup.cache_directory, SIZE)
    assert TrainingPlan.of(spec(fold=0), setup, data, setup.train_ids).steps_per_epoch == setup.steps_per_epoch == 4
    probe = replace(spec(epochs=PROBE_STEPS, fold=0), probe=True)
    assert TrainingPlan.of(probe, setup, data, setup.train_ids).steps_per_epoch == 1


def three_classes() -> CachedPixels:
    """Ten images: class 1 in image0 to image7, class 2 in image7 alone, class 3 nowhere; image8
    and image9 are empty but for void."""
    masks = np.zeros((10, 32, 32), np.uint8)
    masks[:8, 0, 0], masks[7, 1, 1], masks[8:, 2, 2] = 1, 2, VOID
    return replace(pixels(), masks=masks)


def test_the_holders_of_a_class_are_the_images_with_a_pixel_of_it():
    ids = ("image9", "image7", "image0")
    assert holders(three_classes(), ids, num_classes=4) == ((1, 2), (1,))


def test_half_of_an_oversampled_batch_is_of_each_class_in_turn(tmp_path):
    data = three_classes()
    setup = replace(make_setup(tmp_path), classes=("one", "two", "three"))
    oversampling = spec(batch_size=4, foreground_oversampling=0.5)
    drawn = TrainingPlan.of(oversampling, setup, data, data.ids)
    usual = replace(drawn, oversampled=0, holders=())
    batches = [drawn.batch(step) for step in range(50)]
    assert all({-1 - step} == {number for number, _ in batch[:2]} for step, batch in enumerate(batches))
    assert all(batch[2:] == usual.batch(step)[2:] for step, batch in enumerate(batches))
    assert {batch[0][1] for batch in batches} == set(range(8))
    assert {batch[1][1] for batch in batches} == {7}
    assert batches == [drawn.batch(step) for step in range(50)]


def test_without_oversampling_batches_are_those_of_the_passes(tmp_path):
    data, setup = three_classes(), make_setup(tmp_path)
    plain, off = (
        TrainingPlan.of(spec(**more), setup, data, data.ids) for more in ({}, {"foreground_oversampling": 0.0})
    )
    assert plain == off
    assert plain.holders == ()


def test_images_without_foreground_are_drawn_as_ever_where_no_class_occurs(tmp_path):
    data = replace(pixels(), masks=np.zeros((10, 32, 32), np.uint8))
    setup = make_setup(tmp_path)
    plan_of_none = TrainingPlan.of(spec(foreground_oversampling=1.0), setup, data, data.ids)
    assert [number for number, _ in plan_of_none.batch(0)] == [0, 0]


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
