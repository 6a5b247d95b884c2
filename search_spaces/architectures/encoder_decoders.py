"""Decoders over a classification backbone, from segmentation-models 1.0.1 (Iakubovskii 2019).

They are built without pretrained weights: `search_spaces.initial_weights` loads those in one way for all architectures.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

from search_spaces.encoders import efficientnet_lite, keras_applications, mix_transformer

FILTERS = (256, 128, 64, 32, 16)
"""Filters of a decoder, from 1/16 of the image to the whole: the library's, and those of our own decoders."""

SLIM_FILTERS = (128, 64, 32, 16, 8)
"""Filters of the slim U-Net's decoder, from 1/16 of the image to the whole: half of the library's."""


def library() -> Any:
    """The segmentation_models module, set to tf.keras. The line that it prints on import is hidden.

    Its table of backbones includes ours, so that its decoders take both.
    """
    os.environ["SM_FRAMEWORK"] = "tf.keras"
    with contextlib.redirect_stdout(io.StringIO()):
        import segmentation_models
    backbones = segmentation_models.backbones.backbones_factory.Backbones
    for name in efficientnet_lite.VARIANTS:
        backbones._models_update[name] = [partial(efficientnet_lite.build, name), None]  # we preprocess ourselves
        backbones._default_feature_layers[name] = efficientnet_lite.SKIPS
    for name in mix_transformer.VARIANTS:
        backbones._models_update[name] = [partial(mix_transformer.build, name), None]
        backbones._default_feature_layers[name] = mix_transformer.SKIPS
    for name in keras_applications.APPLICATIONS:
        backbones._models_update[name] = [partial(keras_applications.build, name), None]
        backbones._default_feature_layers[name] = keras_applications.skips(name)
    backbones._models_delete = [name for name in backbones._models_delete if name not in backbones._models_update]
    return segmentation_models


def build_encoder(backbone: str, image_size: int | None = None, weights: str | None = None) -> Any:
    """The backbone alone, a `keras.Model` of preprocessed RGB images, of any size if `image_size` is None. Its layers
    have the same names in every model. `weights` is None (random) or "imagenet"."""
    import tensorflow as tf

    keras = tf.keras
    parts = {"backend": keras.backend, "layers": keras.layers, "models": keras.models, "utils": keras.utils}
    with warnings.catch_warnings():  # that the weights of 224 px are taken for any size is what we want
        warnings.simplefilter("ignore")
        return library().backbones.backbones_factory.Backbones.get_backbone(
            backbone, input_shape=(image_size, image_size, 3), weights=weights, include_top=False, **parts
        )


@contextlib.contextmanager
def shared_encoders() -> Iterator[None]:
    """Within it each backbone is built once for each size, and its networks share its layers. They are for counting,
    not for training."""
    backbones = library().backbones.backbones_factory.Backbones
    backbones.get_backbone = cache(backbones.get_backbone)  # of the one object, in front of its class's
    try:
        yield
    finally:
        del backbones.get_backbone


def feature_maps(backbone: str, image_size: int) -> tuple[Any, list[Any]]:
    """A backbone's input, and the maps for a decoder: its output at 1/32 of the image, then those at 1/16, 1/8, 1/4
    and, if there is one, 1/2."""
    network = build_encoder(backbone, image_size)
    names = library().backbones.backbones_factory.Backbones.get_feature_layers(backbone, n=4)
    return network.input, [network.output, *(network.get_layer(name).output for name in names)]


def unet(backbone: str, image_size: int, outputs: int, activation: str) -> Any:
    return library().Unet(backbone, **_settings(image_size, outputs, activation))


def unet_slim(backbone: str, image_size: int, outputs: int, activation: str) -> Any:
    return library().Unet(backbone, decoder_filters=SLIM_FILTERS, **_settings(image_size, outputs, activation))


def fpn(backbone: str, image_size: int, outputs: int, activation: str) -> Any:
    # Summed (Kirillov 2019): concatenation, the library's default, makes a step half as expensive again
    # (docs/decisions/0011-cheaper-steps.md).
    return library().FPN(backbone, pyramid_aggregation="sum", **_settings(image_size, outputs, activation))


def linknet(backbone: str, image_size: int, outputs: int, activation: str) -> Any:
    return library().Linknet(backbone, **_settings(image_size, outputs, activation))


def pspnet(backbone: str, image_size: int, outputs: int, activation: str) -> Any:
    return library().PSPNet(backbone, **_settings(image_size, outputs, activation))


def _settings(image_size: int, outputs: int, activation: str) -> dict[str, Any]:
    shape = (image_size, image_size, 3)
    return {"input_shape": shape, "classes": outputs, "activation": activation, "encoder_weights": None}
