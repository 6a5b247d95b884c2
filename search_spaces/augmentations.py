"""Augmentation as one number: a strength from 0 (none) to 1 that scales geometry and colour together.

The result depends on (seed, epoch, image id) alone, not on the number of threads or their order.
"""

import os
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

_PER_THREAD = threading.local()


def augment(
    image: np.ndarray,
    mask: np.ndarray,
    *,
    strength: float,
    seed: int,
    epoch: int,
    image_id: str,
    mirror: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """A random variant of image and mask, moved together.

    `image` is uint8 RGB [size, size, 3], `mask` uint8 class ids [size, size]; the results have the same shapes and are
    new arrays unless `strength` is 0. Pixels that move in from outside are reflections. Without `mirror` no image is
    mirrored.
    """
    if strength == 0:
        return image, mask
    pipeline = _pipeline(strength, mirror)
    pipeline.seed(zlib.crc32(f"{seed}/{epoch}/{image_id}".encode()))
    result = pipeline.transform(image=image, mask=mask)
    return result["image"], result["mask"]


class Pipeline:
    """An albumentations pipeline that is seeded in place, with the same results as its own `set_random_seed`. That
    makes two new generators for each of its parts, which costs half as much as augmenting an image of 96 px."""

    def __init__(self, transform: Any) -> None:
        self.transform = transform
        transform.set_random_seed(0)  # gives every part generators of its own
        self._parts = list(_parts(transform))

    def seed(self, seed: int) -> None:
        """Does what `transform.set_random_seed(seed)` does."""
        state = np.random.PCG64(seed).state
        for part in self._parts:
            part.random_generator.bit_generator.state = state
            part.py_random.seed(seed)


def _parts(transform: Any) -> Iterator[Any]:
    yield transform
    for part in getattr(transform, "transforms", ()):
        yield from _parts(part)


def _pipeline(strength: float, mirror: bool) -> Pipeline:
    """This thread's pipeline: building one costs more than using it, and two threads must not share one."""
    cache: dict[tuple[float, bool], Pipeline] = _PER_THREAD.__dict__.setdefault("pipelines", {})
    if (strength, mirror) not in cache:
        cache[strength, mirror] = Pipeline(build(strength, mirror=mirror))
    return cache[strength, mirror]


def build(strength: float, *, mirror: bool = True) -> Any:
    """The albumentations pipeline of a strength in (0, 1]."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # or the import asks the network for its newest version
    import albumentations as A  # noqa: N812
    import cv2

    s = strength
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5 if mirror else 0),
            A.Affine(
                scale=(1 - 0.25 * s, 1 + 0.4 * s),
                translate_percent=(-0.15 * s, 0.15 * s),
                rotate=(-25 * s, 25 * s),
                shear=(-10 * s, 10 * s),
                border_mode=cv2.BORDER_REFLECT_101,
                mask_interpolation=cv2.INTER_NEAREST,
                p=0.9,
            ),
            A.RandomBrightnessContrast(brightness_limit=0.35 * s, contrast_limit=0.35 * s, p=0.8),
            A.HueSaturationValue(hue_shift_limit=20 * s, sat_shift_limit=50 * s, val_shift_limit=20 * s, p=0.6),
            A.OneOf(
                [
                    A.GaussianBlur(sigma_limit=(0.1, 0.1 + 1.4 * s), p=1),
                    A.GaussNoise(std_range=(0.005, 0.005 + 0.06 * s), p=1),
                ],
                p=0.4 * s,
            ),
        ]
    )
