"""Augmentation: image and mask together, the same for the same (seed, epoch, image id)."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from search_spaces.augmentations import Pipeline, augment, build


def picture(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A bright square on dark ground, whose mask is the square."""
    mask = np.zeros((96, 96), np.uint8)
    mask[30:60, 40:75] = 1
    noise = np.random.default_rng(seed).integers(0, 20, (96, 96, 1))
    return (np.repeat(noise, 3, axis=2) + 200 * mask[..., None]).astype(np.uint8), mask


def variant(
    strength: float = 1.0, *, seed: int = 0, epoch: int = 0, image_id: str = "a"
) -> tuple[np.ndarray, np.ndarray]:
    return augment(*picture(), strength=strength, seed=seed, epoch=epoch, image_id=image_id)


def test_strength_zero_changes_nothing():
    image, mask = picture()
    changed_image, changed_mask = variant(0.0)
    np.testing.assert_array_equal(changed_image, image)
    np.testing.assert_array_equal(changed_mask, mask)


@pytest.mark.parametrize("changed", [{"seed": 1}, {"epoch": 1}, {"image_id": "b"}])
def test_seed_epoch_and_image_each_make_another_variant(changed):
    assert not np.array_equal(variant()[0], variant(**changed)[0])


def test_seeding_in_place_makes_the_variants_that_albumentations_own_seeding_makes():
    ours, theirs = Pipeline(build(1.0)), build(1.0)
    image, mask = picture()
    for seed in range(50):
        ours.seed(seed)
        theirs.set_random_seed(seed)
        expected = theirs(image=image, mask=mask)
        result = ours.transform(image=image, mask=mask)
        np.testing.assert_array_equal(result["image"], expected["image"])
        np.testing.assert_array_equal(result["mask"], expected["mask"])


def test_threads_do_not_change_a_variant():
    jobs = [(epoch, image_id, strength) for epoch in range(4) for image_id in "abcdef" for strength in (0.5, 1.0)]

    def make(job: tuple[int, str, float]) -> bytes:
        epoch, image_id, strength = job
        return b"".join(part.tobytes() for part in variant(strength, epoch=epoch, image_id=image_id))

    alone = [make(job) for job in jobs]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(make, reversed(jobs))) == alone[::-1]


@pytest.mark.parametrize("epoch", range(8))
def test_the_mask_moves_with_the_image(epoch):
    image, mask = variant(epoch=epoch)
    inside, outside = image[mask == 1].mean(), image[mask == 0].mean()
    assert mask.any()
    assert set(np.unique(mask)) <= {0, 1}
    assert inside > outside + 50


def test_a_greater_strength_moves_more():
    _, mask = picture()

    def moved(strength: float) -> float:
        variants = [variant(strength, epoch=epoch)[1] for epoch in range(30)]
        either_side = [
            min(np.mean(v != mask), np.mean(v[:, ::-1] != mask)) for v in variants
        ]  # a flip is not a strength
        return float(np.mean(either_side))

    assert 0 < moved(0.25) < moved(0.5) < moved(1.0)
