"""Backbones by name: our own, and those of segmentation-models 1.0.1 that build on Keras 3 with stable layer names.

Stable names are what lets one ImageNet file serve every architecture and image size (`search_spaces.initial_weights`). Left out
for want of them: inception*, seresnet*, resnext*, seresnext*, senet154; for failing to build: densenet*.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """What a backbone's ImageNet weights expect, from RGB 0-255: (x * scale) - mean, then / std; `bgr` swaps the channels first."""

    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bgr: bool = False

    def apply(self, images: Any) -> Any:
        """RGB images 0-255, float tensor or array [..., 3], to what the backbone expects; the input is left unchanged."""
        if self.bgr:
            images = images[..., ::-1]
        return (images * self.scale - list(self.mean)) / list(self.std)


IDENTITY = Preprocessing()  # the network normalises its input itself
CAFFE = Preprocessing(mean=(103.939, 116.779, 123.68), bgr=True)
MINUS_ONE_TO_ONE = Preprocessing(scale=1 / 127.5, mean=(1.0, 1.0, 1.0))
TORCH = Preprocessing(scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
CENTRED = Preprocessing(mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0))
UNIT = Preprocessing(scale=1 / 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """One row of the table; `params_m` is the encoder's parameters in millions."""

    description: str
    params_m: float
    preprocessing: Preprocessing


BACKBONES: dict[str, Backbone] = {
    "mobilenet": Backbone(
        description="depthwise separable convolutions, very light", params_m=3.2, preprocessing=MINUS_ONE_TO_ONE
    ),
    "mobilenetv2": Backbone(description="inverted residuals, very light", params_m=2.3, preprocessing=MINUS_ONE_TO_ONE),
    "efficientnet_lite0": Backbone(
        description="EfficientNet for small devices; ImageNet weights without a download",
        params_m=3.0,
        preprocessing=CENTRED,
    ),
    "efficientnet_lite1": Backbone(description="one step up from lite0", params_m=3.8, preprocessing=CENTRED),
    "efficientnet_lite2": Backbone(description="two steps up from lite0", params_m=4.4, preprocessing=CENTRED),
    "efficientnetb0": Backbone(description="compound scaling, light but deep", params_m=4.0, preprocessing=TORCH),
    "efficientnetb1": Backbone(description="one step up from b0", params_m=6.6, preprocessing=TORCH),
    "efficientnetb2": Backbone(description="two steps up from b0", params_m=7.8, preprocessing=TORCH),
    "efficientnetb3": Backbone(description="three steps up from b0", params_m=10.8, preprocessing=TORCH),
    "resnet18": Backbone(description="the small residual network", params_m=11.2, preprocessing=IDENTITY),
    "resnet34": Backbone(description="residual network, 34 layers", params_m=21.3, preprocessing=IDENTITY),
    "resnet50": Backbone(description="residual network with bottlenecks", params_m=23.5, preprocessing=IDENTITY),
    "resnet101": Backbone(description="resnet50, deeper", params_m=42.6, preprocessing=IDENTITY),
    "vgg16": Backbone(description="plain 3x3 stack, heavy on the CPU", params_m=14.7, preprocessing=CAFFE),
    "vgg19": Backbone(description="vgg16, three layers deeper", params_m=20.0, preprocessing=CAFFE),
}
