"""The candidate of step_time.py that runs our TrainingGraph, set up as in the engine's worker.

Reads lines "<name> <steps>" and answers each with the seconds that so many training steps took and the last loss.
"""

import sys
import time

import numpy as np

from bench.engine.devices import Placement, prepare


def main() -> None:
    with np.load(sys.argv[1]) as arrays:
        images, masks = arrays["images"], arrays["masks"]
    prepare(Placement())  # before TensorFlow is imported, as in a worker
    import tensorflow as tf

    from bench.engine.training.graph import GraphKey, TrainingGraph

    values = {
        "architecture": "unet",
        "backbone": "resnet18",
        "image_size": images.shape[2],
        "optimizer": "adam",
        "loss": "bce_dice",
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
    }
    graph = TrainingGraph(GraphKey.of(values, num_classes=2, evaluation_size=images.shape[2], threshold=0.5))
    graph.reset(values, seed=0, pretrained=None)
    print(f"TrainingGraph, tensorflow {tf.__version__}", flush=True)
    for line in sys.stdin:
        steps = int(line.split()[1])
        started = time.perf_counter()
        for step in range(steps):
            loss = float(graph.train_step(images[step % len(images)], masks[step % len(images)]))
        print(time.perf_counter() - started, loss, flush=True)


if __name__ == "__main__":
    main()
