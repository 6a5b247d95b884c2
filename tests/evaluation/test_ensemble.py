"""The choice of an ensemble, on maps whose best answer is known."""

import numpy as np
import pytest

from bench.evaluation.ensemble import Choice, Images, choose, counts_with, out_of_fold_counts

SIZE = 8


def images(count: int = 4, folds: int = 2) -> Images:
    truth = np.zeros((count, SIZE, SIZE), np.uint8)
    truth[:, :4, :4] = 1
    return Images(
        ids=tuple(f"image{number}" for number in range(count)),
        fold=np.arange(count) % folds,
        truth=truth,
        valid=np.ones_like(truth, bool),
        num_classes=2,
    )


def maps(found: np.ndarray, mirrored: np.ndarray | None = None) -> np.ndarray:
    """Probabilities of a unit, [N, 2, S, S, 1], from what it finds with and without mirroring."""
    both = np.stack([found, found if mirrored is None else mirrored], axis=1)
    return (both[..., None] * 255).astype(np.uint8)


def test_the_best_unit_alone_is_chosen_where_the_others_only_do_harm():
    of = images()
    right, wrong = of.truth.astype(float), 1.0 - of.truth
    found = choose([maps(wrong), maps(right)], of)
    assert found.units == (1,)
    assert found.score == found.single == 1.0
    assert (found.threshold, found.smallest_object, found.flips) == (0.5, 0.0, False)


def test_units_that_mend_each_other_are_delivered_together():
    of = images()
    left, right = of.truth * 0.9, of.truth * 0.9
    left[:, :, :2] = np.where(of.truth[:, :, :2] == 1, 0.3, 0.0)
    right[:, :, 2:] = np.where(of.truth[:, :, 2:] == 1, 0.3, 0.0)
    found = choose([maps(left), maps(right)], of)
    assert found.units == (0, 1)
    assert found.single == pytest.approx(0.5)
    assert found.score == 1.0


@pytest.mark.parametrize("seed", range(6))
def test_what_is_chosen_is_never_worse_than_the_best_unit_alone(seed):
    of, random = images(), np.random.default_rng(seed)
    noisy = [np.clip(of.truth * 0.4 + random.random(of.truth.shape) * 0.6, 0, 1) for _ in range(6)]
    units = [maps(each, each[:, :, ::-1]) for each in noisy]
    found = choose(units, of)
    assert 0 < found.single <= found.score
    alone = choose(units, of, most=1)
    assert len(alone.units) == 1
    assert alone.single == found.single <= alone.score


def test_mirroring_is_used_where_it_helps_out_of_fold():
    of = images()
    half = of.truth.astype(float)
    half[:, :2] = 0
    assert choose([maps(half, of.truth.astype(float))], of).flips
    assert not choose([maps(of.truth.astype(float), half)], of).flips


def test_another_threshold_and_small_objects_need_a_gain():
    of = images()
    assert choose([maps(of.truth * 0.45)], of).threshold < 0.5
    specks = of.truth.astype(float)
    specks[:, 7, 7] = 1.0  # one pixel of 64, which is more than every share that may be dropped
    assert choose([maps(specks)], of).smallest_object == 0.0


def test_an_image_is_counted_by_a_choice_that_was_made_without_it():
    of = images()
    first = np.where((of.fold == 0)[:, None, None], of.truth, 0).astype(float)  # right on fold 0 alone
    second = np.where((of.fold == 1)[:, None, None], of.truth, 0).astype(float)
    counts = out_of_fold_counts([maps(first), maps(second)], of)
    assert list(counts) == list(of.ids)
    assert all(counts[name][1].tp == 0 for name in of.ids)  # what is right elsewhere is wrong here


def test_counts_follow_the_choice():
    of = images()
    chosen = Choice(units=(0, 0, 1), flips=False, threshold=0.5, smallest_object=0.0, score=0.0, single=0.0)
    counts = counts_with(chosen, [maps(of.truth.astype(float)), maps(np.zeros(of.truth.shape))], of)
    assert all(each[1].tp == 16 and each[1].fp == 0 for each in counts.values())


def test_maps_are_enlarged_to_the_truth():
    of = images()
    small = np.zeros((4, 2, SIZE // 2, SIZE // 2, 1), np.uint8)
    small[:, :, :2, :2] = 255
    assert choose([small], of).score > 0.8
