"""Which statistics validation runs on."""

import numpy as np

from bench.engine.training.batch_statistics import STATISTICS_IMAGES, statistics_rows, step_momentum


def test_images_whose_names_begin_with_their_class_are_all_drawn_from():
    classes = np.repeat(np.arange(5), 80)  # 400 training images in the order of their names
    drawn = classes[statistics_rows(np.arange(400))]
    assert len(drawn) == STATISTICS_IMAGES
    assert np.bincount(drawn, minlength=5).min() >= 3


def test_a_small_set_is_used_whole():
    assert sorted(statistics_rows(np.arange(30))) == list(range(30))


def test_the_draw_is_the_same_for_every_trial():
    np.testing.assert_array_equal(statistics_rows(np.arange(400)), statistics_rows(np.arange(400)))


def test_the_mean_over_an_epoch_weighs_its_steps_alike():
    mean = 0.0
    for step, value in enumerate([3.0, 6.0, 12.0]):
        kept = step_momentum("epoch_mean", step)
        mean = mean * kept + value * (1 - kept)
    assert mean == 7.0
