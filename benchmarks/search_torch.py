"""The other side of search_12min.py, with PyTorch: Optuna over segmentation-models-pytorch, as one would write it.

    PYTHONPATH=<repository> python search_torch.py PIXELS.npz SECONDS SEED

Multivariate TPE with a Hyperband pruner over the same networks, losses, strengths and learning rates, with the same
augmentation, batch size and epochs; eager, one process with PyTorch's own number of threads. A trial keeps its best
epoch by validation IoU; the best trial's weights are scored once on the held-out images. Prints one JSON object as its
last line.
"""

import copy
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import optuna
import segmentation_models_pytorch as smp
import torch

from search_spaces.augmentations import augment

BATCH_SIZE, EPOCHS = 8, 10
ARCHITECTURES = {"unet": smp.Unet, "linknet": smp.Linknet, "fpn": smp.FPN}
ENCODERS = {
    "mobilenetv2": "mobilenet_v2",
    "mobilenet": "tu-mobilenetv1_100",
    "resnet18": "resnet18",
    "efficientnetb0": "efficientnet-b0",
}
LOSSES = ("bce", "dice", "focal", "bce_dice", "tversky")
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Part:
    """Images uint8 [N, S, S, 3], masks uint8 [N, S, S] of 0 and 1, valid bool [N, S, S]: what is no padding."""

    images: np.ndarray
    masks: np.ndarray
    valid: np.ndarray


@dataclass
class Search:
    """What a trial needs, and the best that there was."""

    parts: dict[str, Part]
    deadline: float
    seed: int
    best_iou: float = -1.0
    test_iou: float | None = None
    ended: list[str] = field(default_factory=list)

    def run(self) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=self.seed, multivariate=True),
            pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3),
        )
        study.optimize(self.trial, timeout=self.deadline - time.monotonic())

    def trial(self, trial: optuna.Trial) -> float:
        """Best validation IoU of a training. Raises TrialPruned where the pruner or the clock ends it."""
        architecture = trial.suggest_categorical("architecture", list(ARCHITECTURES))
        encoder = trial.suggest_categorical("backbone", list(ENCODERS))
        loss = loss_of(trial.suggest_categorical("loss", LOSSES))
        strength = trial.suggest_categorical("augmentation", [0.0, 0.25, 0.5, 1.0])
        rate = trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True)
        torch.manual_seed(self.seed + trial.number)
        model = ARCHITECTURES[architecture](ENCODERS[encoder], encoder_weights=None)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        steps = EPOCHS * (len(self.parts["train"].images) // BATCH_SIZE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        best, weights = -1.0, model.state_dict()
        for epoch in range(EPOCHS):
            model.train()
            for images, masks in self.batches(strength, trial.number, epoch):
                optimizer.zero_grad()
                loss(model(as_input(images)), torch.from_numpy(masks)[:, None].float()).backward()
                optimizer.step()
                schedule.step()
            score = iou(model, self.parts["val"])
            if score > best:
                best, weights = score, copy.deepcopy(model.state_dict())
            trial.report(score, epoch + 1)
            if time.monotonic() > self.deadline:
                raise optuna.TrialPruned  # not counted: the clock ended it, and not the search
            if trial.should_prune():
                self.ended.append("pruned")
                self.keep(model, weights, best)
                raise optuna.TrialPruned
        self.ended.append("completed")
        self.keep(model, weights, best)
        return best

    def keep(self, model: torch.nn.Module, weights: dict[str, torch.Tensor], score: float) -> None:
        """Scores the trial on the locked images if none before was better on validation."""
        if score > self.best_iou:
            model.load_state_dict(weights)
            self.best_iou, self.test_iou = score, iou(model, self.parts["test"])

    def batches(self, strength: float, number: int, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Whole batches of augmented training images in a random order."""
        train = self.parts["train"]
        order = np.random.default_rng((self.seed, number, epoch)).permutation(len(train.images))
        for start in range(0, len(order) - BATCH_SIZE + 1, BATCH_SIZE):
            rows = order[start : start + BATCH_SIZE]
            pairs = [
                augment(
                    train.images[row], train.masks[row], strength=strength, seed=number, epoch=epoch, image_id=str(row)
                )
                for row in rows
            ]
            images, masks = zip(*pairs, strict=True)
            yield np.stack(images), np.stack(masks)


def loss_of(name: str) -> Loss:
    """Of logits and truth, both float [N, 1, S, S]."""
    dice = smp.losses.DiceLoss("binary", from_logits=True)
    bce = torch.nn.BCEWithLogitsLoss()
    losses: dict[str, Loss] = {
        "bce": bce,
        "dice": dice,
        "focal": smp.losses.FocalLoss("binary", alpha=0.75, gamma=2.0),
        "bce_dice": lambda logits, truth: (bce(logits, truth) + dice(logits, truth)) / 2,
        "tversky": smp.losses.TverskyLoss("binary", from_logits=True, alpha=0.3, beta=0.7),
    }
    return losses[name]


def as_input(images: np.ndarray) -> torch.Tensor:
    """Float [N, 3, S, S], scaled as ImageNet's: uint8 [N, S, S, 3] less its mean, over its deviation."""
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((torch.from_numpy(images).float() / 255 - mean) / deviation).permute(0, 3, 1, 2).contiguous()


@torch.inference_mode()
def iou(model: torch.nn.Module, part: Part) -> float:
    """Pooled over the pixels of all images that are no padding, at a probability of 0.5."""
    model.eval()
    both = either = 0
    for start in range(0, len(part.images), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        predicted = model(as_input(part.images[rows]))[:, 0].numpy() > 0
        truth, valid = part.masks[rows] > 0, part.valid[rows]
        both += int((predicted & truth & valid).sum())
        either += int(((predicted | truth) & valid).sum())
    return both / either if either else 0.0


def main() -> None:
    began = time.monotonic()
    path, seconds, seed = sys.argv[1:]
    with np.load(path) as arrays:
        parts = {
            name: Part(*(arrays[f"{name}/{what}"] for what in ("images", "masks", "valid")))
            for name in ("train", "val", "test")
        }
    search = Search(parts, began + float(seconds), int(seed))
    search.run()
    figures = {
        "trials": len(search.ended),
        "pruned": search.ended.count("pruned"),
        "longest": search.ended.count("completed"),
        "wall_s": time.monotonic() - began,
        "best_val_iou": search.best_iou,
        "test_iou": search.test_iou,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
