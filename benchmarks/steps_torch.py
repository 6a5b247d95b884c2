"""The other side of step_time.py, with PyTorch: segmentation-models-pytorch, eager, with its defaults.

Reads lines "<memory format> <steps>" and answers each with the seconds of these training steps and the last loss.
"""

import sys
import time

import numpy as np
import torch

# A torchvision built for another PyTorch cannot load its compiled operators, and its import fails without their names.
# The networks here use none of these operators: its resnet18 is plain Python.
try:
    import torchvision  # noqa: F401  # only whether it can be imported
except RuntimeError:
    _NAMES = torch.library.Library("torchvision", "FRAGMENT")
    for _name in ("nms", "qnms"):
        _NAMES.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import segmentation_models_pytorch as smp  # after the names above

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class Training:
    """Unet resnet18 with BCE + Dice and Adam in one memory format."""

    def __init__(self, memory_format: torch.memory_format) -> None:
        torch.manual_seed(0)
        self._format = memory_format
        self._model = smp.Unet("resnet18", encoder_weights=None).to(memory_format=memory_format).train()
        self._dice = smp.losses.DiceLoss("binary", from_logits=True)
        self._bce = torch.nn.BCEWithLogitsLoss()
        self._optimizer = torch.optim.Adam(self._model.parameters(), lr=1e-3, eps=1e-7)

    def step(self, images: np.ndarray, masks: np.ndarray) -> float:
        """Loss of a step on uint8 RGB [batch, size, size, 3] and uint8 [batch, size, size]."""
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=self._format)
        truth = torch.from_numpy(masks)[:, None].float()
        logits = self._model(x)
        loss = self._bce(logits, truth) + self._dice(logits, truth)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss.item()


def main() -> None:
    with np.load(sys.argv[1]) as arrays:
        images, masks = arrays["images"], arrays["masks"]
    trainings = {name: Training(memory_format) for name, memory_format in FORMATS.items()}
    print(f"segmentation-models-pytorch {smp.__version__}, torch {torch.__version__}", flush=True)
    for line in sys.stdin:
        name, steps = line.split()
        started = time.perf_counter()
        for step in range(int(steps)):
            loss = trainings[name].step(images[step % len(images)], masks[step % len(images)])
        print(time.perf_counter() - started, loss, flush=True)


if __name__ == "__main__":
    main()
