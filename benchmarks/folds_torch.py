"""segmentation-models-pytorch on a run's folds, for `bench score`.

`python benchmarks/folds_torch.py FOLDS OUT [--seconds 180]`

FOLDS is the output of `bench data split DIR --run RUN -o FOLDS --for smp`. For each fold a U-Net trains on the others
for its share of the time, and writes OUT/fold_K/. The held-out images get the mean of all networks, OUT/test/. It runs
in an interpreter with PyTorch:

    python -m venv venv-torch && venv-torch/bin/pip install torch segmentation-models-pytorch==0.6.0 albumentations

It takes one foreground class or several. Void (255) is left out of the loss. It uses no pretrained weights unless
--weights imagenet finds them.
"""

import argparse
import csv
import time
from pathlib import Path

import albumentations as A  # noqa: N812
import numpy as np
import segmentation_models_pytorch as smp
import torch
from PIL import Image

BATCH, VOID = 8, 255


class Pictures:
    """The pictures of a split, read once and shrunk to squares; `size` is in pixels."""

    def __init__(self, folds: Path, size: int) -> None:
        with (folds / "folds.csv").open(newline="") as file:
            self.rows = list(csv.DictReader(file))
        self.folds, self.size = folds, size
        self.images = [Image.open(folds / row["image"]).convert("RGB") for row in self.rows]
        masks = [Image.open(folds / row["mask"]) for row in self.rows]
        self.squares = np.stack([np.asarray(image.resize((size, size))) for image in self.images])
        self.masks = np.stack([np.asarray(mask.resize((size, size), Image.Resampling.NEAREST)) for mask in masks])
        self.classes = int(self.masks[self.masks != VOID].max())

    def of(self, parts: set[str]) -> list[int]:
        return [number for number, row in enumerate(self.rows) if row["part"] in parts]


def train(
    pictures: Pictures, chosen: list[int], seconds: float, arguments: argparse.Namespace
) -> tuple[torch.nn.Module, int]:
    """A network after `seconds`, and its number of steps. Adam starts at 1e-3 and falls to 0 by the clock; the loss is
    cross-entropy and Dice."""
    outputs = 1 if pictures.classes == 1 else pictures.classes + 1
    model = smp.Unet(arguments.encoder, encoder_weights=arguments.weights, classes=outputs)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    mode = "binary" if outputs == 1 else "multiclass"
    dice = smp.losses.DiceLoss(mode, ignore_index=VOID)
    flips = A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.Affine(scale=(0.8, 1.2), rotate=(-15, 15), p=0.8),
            A.RandomBrightnessContrast(p=0.8),
        ]
    )
    random, began, steps = np.random.default_rng(0), time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * max(0.0, 1 - spent / seconds)
        drawn = [flips(image=pictures.squares[n], mask=pictures.masks[n]) for n in random.choice(chosen, BATCH)]
        images = _tensor(np.stack([each["image"] for each in drawn]))
        masks = torch.from_numpy(np.stack([each["mask"] for each in drawn])).long()
        logits = model(images)
        known = masks != VOID
        if outputs == 1:
            entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0][known], masks[known].float())
            loss = entropy + dice(logits, masks[:, None])
        else:
            loss = torch.nn.functional.cross_entropy(logits, masks, ignore_index=VOID) + dice(logits, masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    return model.eval(), steps


def predict(models: list[torch.nn.Module], pictures: Pictures, number: int) -> np.ndarray:
    """Class ids uint8 [H, W] of a picture at its own size: the mean of the networks' probabilities."""
    width, height = pictures.images[number].size
    with torch.no_grad():
        logits = [model(_tensor(pictures.squares[number][None])) for model in models]
        found = torch.stack([each.sigmoid() if each.shape[1] == 1 else each.softmax(1) for each in logits]).mean(0)
        large = torch.nn.functional.interpolate(found, (height, width), mode="bilinear")[0]
    return ((large[0] >= 0.5) if len(large) == 1 else large.argmax(0)).numpy().astype(np.uint8)


def _tensor(images: np.ndarray) -> torch.Tensor:
    scaled = (images.astype(np.float32) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return torch.from_numpy(scaled.astype(np.float32).transpose(0, 3, 1, 2).copy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folds", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seconds", type=float, default=180, help="of training, all folds together")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--weights", help="such as imagenet; left out: none")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(2)
    pictures = Pictures(arguments.folds, arguments.size)
    parts = sorted({row["part"] for row in pictures.rows} - {"test"})
    models = []
    for part in parts:
        others = pictures.of(set(parts) - {part})
        model, steps = train(pictures, others, arguments.seconds / len(parts), arguments)
        print(f"{part}: {len(others)} images, {steps} steps")
        models.append(model)
        write(pictures, [model], part, arguments.output)
    write(pictures, models, "test", arguments.output)


def write(pictures: Pictures, models: list[torch.nn.Module], part: str, output: Path) -> None:
    (output / part).mkdir(parents=True, exist_ok=True)
    for number in pictures.of({part}):
        name = Path(pictures.rows[number]["mask"]).name
        Image.fromarray(predict(models, pictures, number)).save(output / part / name)


if __name__ == "__main__":
    main()
