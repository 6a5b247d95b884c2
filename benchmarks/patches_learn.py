"""Whether patches learn cracks of 3 px, compared with the best that whole images can reach.

`python benchmarks/patches_learn.py [--side 1000] [--size 64]`

It draws images (benchmarks/thin_cracks.py) and trains a network on windows of half of them as the engine does. It
prints IoU on windows every few steps, and scores the other half through overlapping windows at their own resolution.
With --steps 0 nothing is trained.

The limit of whole images needs no training. A first perfect network predicts its training mask, shrunk to its size by
majority; this is enlarged and cut at 0.5. A second one predicts each pixel's exact share of a crack, which no training
shows it; this is enlarged and cut at the image's best threshold. Intervals are percentiles of 10,000 draws of the
images.
"""

import argparse
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from thin_cracks import photograph

from bench.datasets.letterbox import letterbox_mask, valid_area
from bench.datasets.windows import through_windows
from bench.engine.devices import Placement, prepare

CEILINGS = (64, 96, 128, 192, 384)
THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
Picture = tuple[np.ndarray, np.ndarray, list[np.ndarray]]
"""RGB, mask, and the pixels of the crack."""


def main() -> None:
    asked = _arguments()
    pictures = [_picture(asked.side, number) for number in range(asked.count)]
    seen, held = pictures[: asked.count // 2], pictures[asked.count // 2 :]
    print(f"{len(seen)} photographs to learn from, {len(held)} to score, {asked.side} px, cracks of 3 px:")
    for size in sorted({*CEILINGS, asked.size}):
        hard, soft = (_within([of(mask, size) for _, mask, _ in held]) for of in (_trained_on, _ceiling))
        print(f"whole images of {size} px: its mask {hard}; each pixel's share {soft}", flush=True)
    if not asked.steps:
        return
    predict = _trained(seen, held, asked)
    counts = []
    for image, mask, _ in held:
        found = through_windows(image, asked.size, predict, 16)[..., 0] >= 0.5
        counts.append(_counts(found, mask == 1))
        print(f"  a photograph: IoU {counts[-1][0] / counts[-1][1]:.3f}", flush=True)
    print(f"patches of {asked.size} px, {asked.steps} steps: {_within(counts)}")
    for name, of in (("its mask", _trained_on), ("each pixel's share", _ceiling)):
        print(f"patches - {name} at {asked.size} px: {_within(counts, [of(mask, asked.size) for _, mask, _ in held])}")


def _picture(side: int, number: int) -> Picture:
    image, mask = photograph(side * 3 // 4, side, 3, np.random.default_rng([0, number]))
    return np.ascontiguousarray(image[..., ::-1]), mask, [np.argwhere(mask == 1)]


def _counts(found: np.ndarray, truth: np.ndarray) -> tuple[int, int]:
    """Pixels of the intersection and of the union."""
    return int((found & truth).sum()), int((found | truth).sum())


def _trained_on(mask: np.ndarray, size: int) -> tuple[int, int]:
    """Of the mask that a network of `size` px is trained on."""
    square, valid = letterbox_mask(mask, size), valid_area(*mask.shape, size)
    small = square[valid.any(axis=1)][:, valid.any(axis=0)].astype(np.float32)
    return _counts(cv2.resize(small, mask.shape[::-1], interpolation=cv2.INTER_LINEAR) >= 0.5, mask == 1)


def _ceiling(mask: np.ndarray, size: int) -> tuple[int, int]:
    """Of each pixel's share, at the threshold that suits this photograph best."""
    height, width = mask.shape
    inner = (size, max(1, round(size * height / width)))
    small = cv2.resize(mask.astype(np.float32), inner, interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    of_thresholds = [_counts(large >= threshold, mask == 1) for threshold in THRESHOLDS]
    return max(of_thresholds, key=lambda counts: counts[0] / counts[1])


def _within(counts: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]] | None = None) -> str:
    """IoU pooled over images, or its difference to that of the same images in `others`, with its 95 % interval."""

    def iou(of: np.ndarray) -> np.ndarray:
        return of[..., 0].sum(-1) / of[..., 1].sum(-1)

    def value(rows: np.ndarray) -> np.ndarray:
        own = iou(np.array(counts)[rows])
        return own if others is None else own - iou(np.array(others)[rows])

    draws = value(np.random.default_rng(0).integers(0, len(counts), (10_000, len(counts))))
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{float(value(np.arange(len(counts)))):.3f} ({low:.3f} to {high:.3f})"


def _trained(
    seen: Sequence[Picture], held: Sequence[Picture], asked: argparse.Namespace
) -> Callable[[np.ndarray], np.ndarray]:
    prepare(Placement())  # before TensorFlow is imported, as in a worker
    from bench.engine.training.graph import GraphKey, TrainingGraph
    from search_spaces.defaults import default_configuration
    from search_spaces.initial_weights import load_encoder
    from search_spaces.optimizers import SCHEDULES
    from search_spaces.space import Space

    space = Space(
        architecture=(asked.architecture,),
        backbone=(asked.backbone,),
        encoder_weights=("imagenet",),
        image_size=(asked.size,),
    )
    values = default_configuration(space)
    graph = TrainingGraph(GraphKey.of(values, num_classes=2, evaluation_size=asked.size, threshold=0.5))
    graph.reset(values, seed=0, pretrained=load_encoder(asked.backbone, "imagenet"))
    factor, rate = SCHEDULES[str(values["schedule"])][1], float(values["learning_rate"])
    random, losses = np.random.default_rng(0), []
    for step in range(asked.steps):
        graph.set_learning_rate(rate * factor(step / asked.steps))
        graph.set_statistics_momentum(min(0.9, step / (step + 1)))
        losses.append(float(graph.train_step(*_batch(seen, asked.size, 8, random))))
        if (step + 1) % (asked.steps // 4) == 0:
            known, new = (_iou_of_windows(graph.predict, pictures, asked.size, random) for pictures in (seen, held))
            loss = f"loss {np.mean(losses[-20:]):.3f}"
            print(f"  step {step + 1}: {loss}, IoU on windows {known:.3f}, of other photographs {new:.3f}", flush=True)
    return lambda windows: np.asarray(graph.predict(windows))


def _batch(
    pictures: Sequence[Picture], size: int, count: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Windows as the engine draws them, mirrored in half of the cases."""
    from bench.engine.training.patches import window_at

    images, masks = [], []
    for _ in range(count):
        image, mask, points = pictures[random.integers(len(pictures))]
        top, left = window_at(*mask.shape, size, points, random)
        here = slice(top, top + size), slice(left, left + size)
        turn = -1 if random.random() < 0.5 else 1
        images.append(image[here][:, ::turn])
        masks.append(mask[here][:, ::turn])
    return np.stack(images), np.stack(masks)


def _iou_of_windows(
    predict: Callable[[np.ndarray], object], pictures: Sequence[Picture], size: int, random: np.random.Generator
) -> float:
    inside, union = 0, 0
    for _ in range(4):
        images, masks = _batch(pictures, size, 8, random)
        both, either = _counts(np.asarray(predict(images))[..., 0] >= 0.5, masks == 1)
        inside, union = inside + both, union + either
    return inside / union


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=8, help="photographs; half of them are learnt from")
    parser.add_argument("--side", type=int, default=1000, help="their longest side, pixels")
    parser.add_argument("--architecture", default="unet_slim")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, default=64, help="of a window, pixels")
    parser.add_argument("--steps", type=int, default=60)
    return parser.parse_args()


if __name__ == "__main__":
    main()
