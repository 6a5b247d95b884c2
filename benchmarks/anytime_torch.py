"""The peer of anytime.py with PyTorch: Optuna over segmentation-models-pytorch; the best is trained again.

    PYTHONPATH=<repository> python anytime_torch.py FOLDER SETTINGS

Multivariate TPE with a Hyperband pruner searches U-Net, a U-Net of half the decoder's filters, Linknet and FPN on
EfficientNet-Lite, with this project's ImageNet weights, losses, strengths and learning rates. A trial has 100 steps
with a whole schedule, and is scored on the validation images every 25. The best configuration is trained again on
training and validation images for the rest of the time.

FOLDER/pixels.npz holds images, and masks of all but the held-out ones. Probabilities of the held-out images, averaged
with their mirrored copies, go to FOLDER/probabilities.npy. Prints one JSON object.
"""

import json
import math
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import segmentation_models_pytorch as smp
import torch
from torch.nn import functional

from search_spaces.augmentations import augment

BATCH_SIZE, STEPS, LOOK = 8, 100, 25
SLIM = (128, 64, 32, 16, 8)
VOID = 255
ARCHITECTURES: dict[str, Any] = {
    "unet": smp.Unet,
    "unet_slim": lambda *of, **named: smp.Unet(*of, decoder_channels=SLIM, **named),
    "linknet": smp.Linknet,
    "fpn": smp.FPN,
}
FALLBACK = {"architecture": "unet", "encoder": "lite0", "loss": "bce_dice", "augmentation": 0.5, "learning_rate": 1e-3}
LOSSES = ("bce", "dice", "focal", "bce_dice", "tversky")
PROBE_STEPS = 6
MARGIN = 1.1
CLOSING_S = 5.0


@dataclass(frozen=True)
class Part:
    """Images uint8 [N, S, S, 3], masks uint8 [N, S, S] class ids, valid bool [N, S, S]: what is no padding."""

    images: np.ndarray
    masks: np.ndarray
    valid: np.ndarray

    def __add__(self, other: "Part") -> "Part":
        names = ("images", "masks", "valid")
        return Part(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names))


@dataclass
class Search:
    train: Part
    val: Part
    num_classes: int
    seed: int
    ends_at: float
    encoders: Mapping[str, str]
    step_s: float = 0.0

    def run(self, until: float) -> dict[str, Any]:
        """The best parameters by validation IoU, `FALLBACK` where no trial came to its end."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.until = until
        self.study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=self.seed, multivariate=True),
            pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=STEPS // LOOK, reduction_factor=3),
        )
        self.study.optimize(self.trial, timeout=max(1.0, until - time.time()))
        ended = [trial for trial in self.study.trials if trial.value is not None]
        return max(ended, key=lambda trial: trial.value).params if ended else FALLBACK

    def trial(self, trial: optuna.Trial) -> float:
        parameters = {
            "architecture": trial.suggest_categorical("architecture", list(ARCHITECTURES)),
            "encoder": trial.suggest_categorical("encoder", list(self.encoders)),
            "loss": trial.suggest_categorical("loss", LOSSES),
            "augmentation": trial.suggest_categorical("augmentation", [0.0, 0.25, 0.5, 0.75]),
            "learning_rate": trial.suggest_float("learning_rate", 3e-4, 3e-3, log=True),
        }
        score = 0.0
        for step, model in self.training(parameters, self.train, STEPS, seed=self.seed + trial.number):
            if step < STEPS and time.time() > self.until:
                raise optuna.TrialPruned
            if step % LOOK == 0:
                score = iou(model, self.val, self.num_classes)
                trial.report(score, step // LOOK)
                if step < STEPS and trial.should_prune():
                    raise optuna.TrialPruned
        return score

    def trained(self, parameters: Mapping[str, Any], part: Part, steps: int) -> torch.nn.Module:
        return deque(self.training(parameters, part, steps, seed=self.seed), maxlen=1)[0][1]

    def training(
        self, parameters: Mapping[str, Any], part: Part, steps: int, *, seed: int
    ) -> Iterator[tuple[int, torch.nn.Module]]:
        """(steps done, model) after each step; warm-up over a tenth of them, then down to 0 along half a cosine."""
        torch.manual_seed(seed)
        model = network(parameters, self.num_classes, self.encoders)
        optimizer = torch.optim.Adam(model.parameters(), lr=parameters["learning_rate"])
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(step / steps))
        criterion = Loss(parameters["loss"], self.num_classes)
        batches = augmented(part, parameters["augmentation"], seed)
        for step in range(1, steps + 1):
            began = time.perf_counter()
            model.train()
            images, masks = next(batches)
            optimizer.zero_grad()
            criterion(model(as_input(images)), torch.from_numpy(masks).long()).backward()
            optimizer.step()
            schedule.step()
            took = time.perf_counter() - began
            self.step_s = took if step <= 2 else 0.9 * self.step_s + 0.1 * took  # the first one sets things up
            yield step, model


class Loss:
    """Of logits [N, C, S, S] and class ids int64 [N, S, S], VOID where nothing counts."""

    def __init__(self, name: str, num_classes: int) -> None:
        self.name, self.binary = name, num_classes == 2
        mode = "binary" if self.binary else "multiclass"
        self.dice = smp.losses.DiceLoss(mode, from_logits=True, ignore_index=VOID)
        self.tversky = smp.losses.TverskyLoss(mode, from_logits=True, ignore_index=VOID, alpha=0.3, beta=0.7)
        self.focal = smp.losses.FocalLoss(mode, alpha=0.75 if self.binary else None, gamma=2.0, ignore_index=VOID)

    def __call__(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        aligned = truth[:, None] if self.binary else truth
        if self.name == "bce":
            return self.bce(logits, truth)
        if self.name == "bce_dice":
            return (self.bce(logits, truth) + self.dice(logits, aligned)) / 2
        return getattr(self, self.name)(logits, aligned)

    def bce(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        if not self.binary:
            return functional.cross_entropy(logits, truth, ignore_index=VOID)
        known = truth != VOID
        return functional.binary_cross_entropy_with_logits(logits[:, 0][known], truth[known].float())


def network(parameters: Mapping[str, Any], num_classes: int, encoders: Mapping[str, str]) -> torch.nn.Module:
    name = parameters["encoder"]
    make = ARCHITECTURES[parameters["architecture"]]
    outputs = 1 if num_classes == 2 else num_classes
    model = make(f"tu-tf_efficientnet_{name}", encoder_weights=None, classes=outputs)
    load_encoder(model.encoder, encoders[name])
    return model.to(memory_format=torch.channels_last)


def load_encoder(encoder: torch.nn.Module, path: str) -> None:
    """Loads the weights of the original package, which has its tensors in timm's order. Raises ValueError if one does
    not fit."""
    given = list(torch.load(path, map_location="cpu", weights_only=True).items())
    own = encoder.state_dict()
    for (name, tensor), (theirs, values) in zip(own.items(), given, strict=False):
        if tensor.shape != values.shape or name.rsplit(".", 1)[-1] != theirs.rsplit(".", 1)[-1]:
            raise ValueError(f"{theirs} {tuple(values.shape)} does not fit {name} {tuple(tensor.shape)}")
        own[name] = values
    encoder.load_state_dict(own)


def factor(progress: float) -> float:
    if progress < 0.1:
        return (progress + 0.01) / 0.11
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - 0.1) / 0.9)))


def augmented(part: Part, strength: float, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches without end: shuffled passes over the images, cut into batches."""
    waiting: list[tuple[int, int]] = []
    epoch = 0
    while True:
        while len(waiting) < BATCH_SIZE:
            order = np.random.default_rng((seed, epoch)).permutation(len(part.images))
            waiting += [(epoch, int(row)) for row in order]
            epoch += 1
        here, waiting = waiting[:BATCH_SIZE], waiting[BATCH_SIZE:]
        pairs = [
            augment(part.images[row], part.masks[row], strength=strength, seed=seed, epoch=number, image_id=str(row))
            for number, row in here
        ]
        images, masks = zip(*pairs, strict=True)
        yield np.stack(images), np.stack(masks)


def as_input(images: np.ndarray) -> torch.Tensor:
    """Float [N, 3, S, S], scaled as EfficientNet-Lite's were: uint8 [N, S, S, 3] less 127, over 128."""
    scaled = (torch.from_numpy(np.ascontiguousarray(images)).float() - 127) / 128
    return scaled.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def probabilities(model: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    """float32 [N, S, S, channels]."""
    model.eval()
    parts = []
    for start in range(0, len(images), BATCH_SIZE):
        logits = model(as_input(images[start : start + BATCH_SIZE]))
        found = torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)
        parts.append(found.permute(0, 2, 3, 1).numpy())
    return np.concatenate(parts)


def iou(model: torch.nn.Module, part: Part, num_classes: int) -> float:
    """Mean over the foreground classes that occur, each pooled over the valid pixels of all images."""
    found = probabilities(model, part.images)
    predicted = (found[..., 0] >= 0.5).astype(int) if num_classes == 2 else found.argmax(-1)
    ratios = []
    for number in range(1, num_classes):
        one, other = (predicted == number) & part.valid, (part.masks == number) & part.valid
        if (one | other).any():
            ratios.append((one & other).sum() / (one | other).sum())
    return float(np.mean(ratios)) if ratios else 0.0


def main() -> None:
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    with np.load(folder / "pixels.npz") as arrays:
        train, val = (Part(*(arrays[f"{p}/{w}"] for w in ("images", "masks", "valid"))) for p in ("train", "val"))
        locked = arrays["test/images"]
    ends_at = settings["ends_at"] - CLOSING_S
    search = Search(train, val, settings["num_classes"], settings["seed"], ends_at, settings["encoders"])
    best = search.run(time.time() + settings["search_share"] * (ends_at - time.time()))
    whole = train + val
    search.trained(best, whole, PROBE_STEPS)  # what a step of the best costs
    steps = max(PROBE_STEPS, int((ends_at - time.time()) / (MARGIN * search.step_s)))
    model = search.trained(best, whole, steps)
    mirrored = probabilities(model, locked[:, :, ::-1])[:, :, ::-1]
    np.save(folder / "probabilities.npy", (probabilities(model, locked) + mirrored) / 2)
    ended = [trial.state.name for trial in search.study.trials]
    figures = {"trials": len(ended), "completed": ended.count("COMPLETE"), "steps": steps, "recipe": best}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
