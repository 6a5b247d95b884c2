"""Training and scoring batches from cached pixels. Training batches are augmented in threads, ahead of the step that
takes them."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from bench.datasets.cache import CachedPixels
from bench.datasets.native import NativePixels
from bench.engine.spec import TrialSetup, TrialSpec
from search_spaces.augmentations import augment

Batch = tuple[np.ndarray, np.ndarray]
"""uint8 RGB [batch, size, size, 3] and uint8 class ids [batch, size, size]."""

Example = Callable[[int, int], tuple[np.ndarray, np.ndarray]]
"""From the number of a pass and that of an image to what is trained on of it: RGB uint8 [size, size, 3] and class ids
uint8 [size, size]."""

THREADS = max(1, (os.cpu_count() or 1) // 2)
"""That augment: half of the cores, since the step wants the others."""

_BATCHES_AHEAD = 8

PROBE_STEPS = 10
"""Of a training that is held for its cost: the first compiles, the others are measured. Each is an epoch, which is
heard of."""

PROBE_SHARE = 0.25
"""Of the time that a probe is given. Where all of its steps would take more it ends with what it has measured, two
steps at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """Which images are seen when: an endless row of shuffled passes over the training images, cut into batches and
    epochs.

    A function of the seed alone, so that equal trials see equal batches. An epoch is `steps_per_epoch` optimiser steps,
    whatever the number of images: 30 images and 3,000 are trained for as long.

    The first `oversampled` places of each batch are not of that row: they are drawn from the images that hold a class,
    `holders` of each foreground class in turn, so that what is rare is seen as often as what is not. Such a place names
    no pass, but its step below 0.
    """

    num_images: int
    batch_size: int
    steps_per_epoch: int
    seed: int
    oversampled: int = 0
    holders: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(
        cls, spec: TrialSpec, setup: TrialSetup, pixels: CachedPixels | NativePixels, train_ids: Sequence[str]
    ) -> "TrainingPlan":
        batch_size = int(spec.hyperparameters["batch_size"])
        oversampled = round(float(spec.hyperparameters.get("foreground_oversampling", 0.0)) * batch_size)
        return cls(
            num_images=len(train_ids),
            batch_size=batch_size,
            oversampled=oversampled,
            holders=holders(pixels, train_ids, setup.num_classes) if oversampled else (),
            steps_per_epoch=1 if spec.probe else setup.steps_per_epoch,
            seed=spec.seed,
        )

    def batch(self, step: int) -> list[tuple[int, int]]:
        """(pass, image) for each place of batch number `step`, counted from the start of training."""
        first, stop = step * self.batch_size, (step + 1) * self.batch_size
        orders = {
            number: self._order(number) for number in range(first // self.num_images, stop // self.num_images + 1)
        }
        seen = [
            (place // self.num_images, int(orders[place // self.num_images][place % self.num_images]))
            for place in range(first, stop)
        ]
        if not self.holders:
            return seen
        return [(-1 - step, self._drawn(step, place)) for place in range(self.oversampled)] + seen[self.oversampled :]

    def _drawn(self, step: int, place: int) -> int:
        """An image of the class whose turn it is."""
        holders = self.holders[(step * self.oversampled + place) % len(self.holders)]
        return holders[int(np.random.default_rng([self.seed, step, place]).integers(len(holders)))]

    def _order(self, number: int) -> np.ndarray:
        return np.random.default_rng([self.seed, number]).permutation(self.num_images)


def holders(pixels: CachedPixels | NativePixels, ids: Sequence[str], num_classes: int) -> tuple[tuple[int, ...], ...]:
    """Of each foreground class that occurs the positions in `ids` of the images that hold it, by masks as they are
    trained on."""
    rows = pixels.rows(ids)
    if isinstance(pixels, NativePixels):
        found = [
            tuple(n for n, row in enumerate(rows) if len(pixels.points[row][number]))
            for number in range(num_classes - 1)
        ]
    else:
        masks = [np.asarray(pixels.masks[row]) for row in rows]
        found = [tuple(n for n, mask in enumerate(masks) if (mask == number).any()) for number in range(1, num_classes)]
    return tuple(own for own in found if own)


class TrainingBatches:
    """Augmented batches of a trial, in the plan's order whatever the number of threads. `place` takes each where it is
    wanted, in the thread that made it. `example` is what is seen of an image (None: its pixels as they are cached).
    `wait_s` adds up the time for which the consumer stood still."""

    def __init__(
        self,
        pixels: CachedPixels,
        ids: Sequence[str],
        plan: TrainingPlan,
        strength: float,
        place: Callable[[Batch], Batch] = lambda batch: batch,
        *,
        mirror: bool = True,
        example: Example | None = None,
    ) -> None:
        self.wait_s = 0.0
        self._place = place
        self._pixels = pixels
        self._ids = ids
        self._rows = pixels.rows(ids)
        self.example = example or self._whole
        self._plan = plan
        self._strength = strength
        self._mirror = mirror

    def steps(self, count: int) -> Iterator[Batch]:
        """The first `count` batches, made ahead in threads."""
        waiting: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(THREADS, thread_name_prefix="augment") as pool:
            try:
                for step in range(count + _BATCHES_AHEAD):
                    if step < count:
                        waiting.append(pool.submit(self._make, step))
                    if step >= _BATCHES_AHEAD and waiting:
                        yield self._take(waiting)
                while waiting:
                    yield self._take(waiting)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _take(self, waiting: deque[Future[Batch]]) -> Batch:
        started = time.perf_counter()
        batch = waiting.popleft().result()
        self.wait_s += time.perf_counter() - started
        return batch

    def _make(self, step: int) -> Batch:
        images, masks = [], []
        for number, index in self._plan.batch(step):
            image, mask = augment(
                *self.example(number, index),
                strength=self._strength,
                seed=self._plan.seed,
                epoch=number,
                image_id=self._ids[index],
                mirror=self._mirror,
            )
            images.append(image)
            masks.append(mask)
        return self._place((np.stack(images), np.stack(masks)))

    def _whole(self, _number: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        row = self._rows[index]
        return self._pixels.images[row], self._pixels.masks[row]


def in_batches(rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Row numbers in order, `batch_size` at a time; the last may be shorter."""
    for start in range(0, len(rows), batch_size):
        yield rows[start : start + batch_size]
