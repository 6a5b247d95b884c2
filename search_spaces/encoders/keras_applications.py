"""Encoders of `keras.applications`, for the decoders of segmentation-models and our own.

Their ImageNet weights come through Keras's cache, one file for every image size. Each is built whole, so that the file
that Keras publishes fits, and without its own preprocessing: a row of `search_spaces.backbones` has that.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple


class Into(str):
    """The layer that takes a skip, if the skip's own layer has no stable name (Keras numbers layers by what was built
    before) or is a sum."""

    __slots__ = ()


class Application(NamedTuple):
    """A function of `keras.applications`. `skips` are the layers whose outputs a decoder takes, at 1/16, 1/8, 1/4 and
    1/2 of the image. `is_bare`: it has preprocessing of its own, which an argument leaves out."""

    function: str
    skips: tuple[str, ...]
    is_bare: bool = True


APPLICATIONS: dict[str, Application] = {
    "mobilenetv3small": Application(
        "MobileNetV3Small",
        tuple(Into(f"expanded_conv{block}_depthwise_pad") for block in ("_8", "_3", "_1", "")),
    ),
    "mobilenetv3large": Application(
        "MobileNetV3Large",
        tuple(Into(f"expanded_conv{block}_depthwise_pad") for block in ("_12", "_6", "_3", "_1")),
    ),
    "efficientnetv2b0": Application(
        "EfficientNetV2B0",
        (
            "block6a_expand_activation",
            "block4a_expand_activation",
            "block2b_expand_activation",
            "block1a_project_activation",
        ),
    ),
    "efficientnetv2s": Application(
        "EfficientNetV2S",
        ("block6a_expand_activation", "block4a_expand_activation", "block2d_expand_activation", "block1b_add"),
    ),
    "resnet50v2": Application(
        "ResNet50V2",
        ("conv4_block6_preact_relu", "conv3_block4_preact_relu", "conv2_block3_preact_relu", "conv1_conv"),
        is_bare=False,
    ),
    "densenet121": Application("DenseNet121", ("pool4_relu", "pool3_relu", "pool2_relu", "conv1_relu"), is_bare=False),
    "convnext_tiny": Application(
        "ConvNeXtTiny", tuple(Into(f"convnext_tiny_downsampling_block_{stage}") for stage in (2, 1, 0))
    ),
}
"""By backbone. ConvNeXt halves an image twice at once, and has nothing at 1/2 of it."""


def skips(name: str) -> tuple[str, ...]:
    """The names that the layers of `Application.skips` have in what `build` returns."""
    return tuple(
        _skip_name(place) if isinstance(layer, Into) else layer for place, layer in enumerate(APPLICATIONS[name].skips)
    )


def build(
    name: str, input_shape: tuple[int | None, int | None, int], weights: str | None = None, **_others: Any
) -> Any:
    """The encoder as a `keras.Model`, as segmentation-models' decoders ask for one, with random weights or "imagenet".

    From float32 [batch, height, width, 3], preprocessed, to float32 [batch, height / 32, width / 32, channels]. Other
    arguments of segmentation-models are not used.
    """
    import keras

    row = APPLICATIONS[name]
    bare = {"include_preprocessing": False} if row.is_bare else {}
    model = getattr(keras.applications, row.function)(
        include_top=False, weights=weights, input_shape=input_shape, **bare
    )
    model.layers[-1].name = "encoder_output"  # ConvNeXt's has weights
    names = {str(layer): _skip_name(place) for place, layer in enumerate(row.skips) if isinstance(layer, Into)}
    if not names:
        return model
    named = keras.models.clone_model(model, call_function=partial(_call, names))
    if weights is not None:
        named.set_weights(model.get_weights())
    return named


def _call(names: Mapping[str, str], layer: Any, *inputs: Any, **arguments: Any) -> Any:
    """Of a layer in `names` through one that does nothing and has the name there."""
    from keras import layers

    if layer.name in names:
        first, *others = inputs
        inputs = layers.Identity(name=names[layer.name])(first), *others
    return layer(*inputs, **arguments)


def _skip_name(place: int) -> str:
    return f"skip_{16 // 2**place}"
