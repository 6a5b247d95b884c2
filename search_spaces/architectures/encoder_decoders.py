"""Decoders over a classification backbone, from segmentation-models 1.0.1 (Iakubovskii 2019).

They are built without pretrained weights: `search_spaces.initial_weights` puts those in, the same way for every architecture.
"""

import contextlib
import io
import os
from functools import partial
from typing import Any

from search_spaces.encoders import efficientnet_lite

SLIM_FILTERS = (128, 64, 32, 16, 8)
"""Of the slim U-Net's decoder, from 1/16 of the image to the whole: half of the library's."""


def library() -> Any:
    """The segmentation_models module, set to tf.keras, with the line that it prints at import kept off the screen.

    Its table of backbones has ours too, so that its decoders take both alike.
    """
    os.environ["SM_FRAMEWORK"] = "tf.keras"
    with contextlib.redirect_stdout(io.StringIO()):
        import segmentation_models
    backbones = segmentation_models.backbones.backbones_factory.Backbones
    for name in efficientnet_lite.VARIANTS:
        backbones._models_update[name] = [partial(efficientnet_lite.build, name), None]  # we preprocess ourselves
        backbones._default_feature_layers[name] = efficientnet_lite.SKIPS
    return segmentation_models


def unet(backbone: str, image_size: int, outputs: int, activation: str) -> Any:
    return library().Unet(backbone, **_settings(image_size, outputs, activation))


def unet_slim(backbone: str, image_size: int, outputs: int, activation: str) -> Any:
    return library().Unet(backbone, decoder_filters=SLIM_FILTERS, **_settings(image_size, outputs, activation))


def fpn(backbone: str, image_size: int, outputs: int, activation: str) -> Any:
    # Summed (Kirillov 2019); to concatenate, the library's default, costs half a step more (docs/decisions/0011-cheaper-steps.md).
    return library().FPN(backbone, pyramid_aggregation="sum", **_settings(image_size, outputs, activation))


def linknet(backbone: str, image_size: int, outputs: int, activation: str) -> Any:
    return library().Linknet(backbone, **_settings(image_size, outputs, activation))


def pspnet(backbone: str, image_size: int, outputs: int, activation: str) -> Any:
    return library().PSPNet(backbone, **_settings(image_size, outputs, activation))


def _settings(image_size: int, outputs: int, activation: str) -> dict[str, Any]:
    shape = (image_size, image_size, 3)
    return {"input_shape": shape, "classes": outputs, "activation": activation, "encoder_weights": None}
