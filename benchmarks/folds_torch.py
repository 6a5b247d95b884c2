"""segmentation-models-pytorch on a run's folds, for `bench score`: the half of score_smp.py that needs PyTorch.

    PYTHONPATH=REPOSITORY python folds_torch.py FOLDS OUT SETTINGS

FOLDS is what `bench data split DIR --run RUN -o FOLDS --for smp` wrote, SETTINGS a JSON object with `steps`, `seed`,
`size` (pixels) and `encoder_file`, EfficientNet-Lite0's ImageNet weights. For each fold a U-Net with smp's own decoder
trains on the others, and writes class ids at each image's own size to OUT/fold_K/; OUT/test/ is from the mean of all
folds' probabilities. Adam, batch, learning-rate schedule, loss and augmentations are those of anytime_torch.py; images
are squeezed into squares. Void (255) is left out of the loss.
"""

import csv
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anytime_torch import FALLBACK, VOID, Part, Search, as_input
from PIL import Image
from torch.nn import functional


class Pictures:
    """The pictures of a split, read once and shrunk to squares of `size` pixels."""

    def __init__(self, folds: Path, size: int) -> None:
        with (folds / "folds.csv").open(newline="") as file:
            self.rows = list(csv.DictReader(file))
        images = [Image.open(folds / row["image"]).convert("RGB") for row in self.rows]
        masks = [Image.open(folds / row["mask"]) for row in self.rows]
        self.sizes = [image.size for image in images]
        self.images = np.stack([np.asarray(image.resize((size, size))) for image in images])
        self.masks = np.stack([np.asarray(mask.resize((size, size), Image.Resampling.NEAREST)) for mask in masks])
        self.num_classes = len(json.loads((folds / "split.json").read_text())["classes"])

    def of(self, parts: set[str]) -> list[int]:
        return [number for number, row in enumerate(self.rows) if row["part"] in parts]

    def part(self, parts: set[str]) -> Part:
        chosen = self.of(parts)
        return Part(self.images[chosen], self.masks[chosen], self.masks[chosen] != VOID)


@torch.inference_mode()
def predict(models: Sequence[torch.nn.Module], pictures: Pictures, number: int) -> np.ndarray:
    """Class ids uint8 [H, W] of a picture at its own size: the mean of the networks' probabilities, enlarged."""
    width, height = pictures.sizes[number]
    logits = [model(as_input(pictures.images[number][None])) for model in models]
    found = torch.stack([each.sigmoid() if each.shape[1] == 1 else each.softmax(1) for each in logits]).mean(0)
    large = functional.interpolate(found, (height, width), mode="bilinear")[0]
    return ((large[0] >= 0.5) if len(large) == 1 else large.argmax(0)).numpy().astype(np.uint8)


def write(pictures: Pictures, models: Sequence[torch.nn.Module], part: str, output: Path) -> None:
    (output / part).mkdir(parents=True)
    for number in pictures.of({part}):
        name = Path(pictures.rows[number]["mask"]).name
        Image.fromarray(predict(models, pictures, number)).save(output / part / name)


def trained(pictures: Pictures, others: set[str], settings: dict[str, Any]) -> torch.nn.Module:
    part, encoders = pictures.part(others), {FALLBACK["encoder"]: settings["encoder_file"]}
    search = Search(part, part, pictures.num_classes, settings["seed"], ends_at=0, encoders=encoders)
    return search.trained(FALLBACK, part, settings["steps"]).eval()


def main() -> None:
    folds, output, settings = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    pictures = Pictures(folds, settings["size"])
    parts = sorted({row["part"] for row in pictures.rows} - {"test"})
    models = []
    for part in parts:
        began = time.perf_counter()
        models.append(trained(pictures, set(parts) - {part}, settings))
        print(f"{part}: {settings['steps']} steps in {time.perf_counter() - began:.0f} s", flush=True)
        write(pictures, models[-1:], part, output)
    write(pictures, models, "test", output)


if __name__ == "__main__":
    main()
