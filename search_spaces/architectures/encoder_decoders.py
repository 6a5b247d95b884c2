"""Decoders over a classification backbone, from segmentation-models 1.0.1 (Iakubovskii 2019).

They are built without pretrained weights: `search_spaces.initial_weights` puts those in, the same way for every architecture.
"""

import contextlib
import io
import os
from typing import Any


def library() -> Any:
    """The segmentation_models module, set to tf.keras, with the line that it prints at import kept off the screen."""
    os.environ["SM_FRAMEWORK"] = "tf.keras"
    with contextlib.redirect_stdout(io.StringIO()):
        import segmentation_models
    return segmentation_models


def unet(backbone: str, image_size: int, outputs: int, activation: str) -> Any:
    return library().Unet(backbone, **_settings(image_size, outputs, activation))


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
