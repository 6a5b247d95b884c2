"""EfficientNet-Lite 0 to 2 (Google, 2020): EfficientNet for small devices, which no library of this project has.

It has no squeeze and excitation, ReLU6 in the place of swish, and a stem of 32 filters in every size. An encoder ends
with the last block, at 1/32 of the image: the 1280 channels that follow serve the classifier, and would cost a decoder
more than they tell it. The ImageNet weights are in `search_spaces.encoders.packaged_weights`.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

BATCH_NORM_EPSILON = 1e-3
STEM_FILTERS = 32
SKIPS = tuple(f"block{stage}a_expand_activation" for stage in (6, 4, 3, 2))
"""The layers whose outputs a decoder takes, at 1/16, 1/8, 1/4 and 1/2 of the image."""


class Variant(NamedTuple):
    """What the channels of every block, and the repeats of every stage, are multiplied by."""

    width: float
    depth: float


VARIANTS: dict[str, Variant] = {
    "efficientnet_lite0": Variant(1.0, 1.0),
    "efficientnet_lite1": Variant(1.0, 1.1),
    "efficientnet_lite2": Variant(1.1, 1.2),
}


class _Stage(NamedTuple):
    kernel: int
    stride: int
    expand: int
    filters: int
    repeats: int


_STAGES = (
    _Stage(3, 1, 1, 16, 1),
    _Stage(3, 2, 6, 24, 2),
    _Stage(5, 2, 6, 40, 2),
    _Stage(3, 2, 6, 80, 3),
    _Stage(5, 1, 6, 112, 3),
    _Stage(5, 2, 6, 192, 4),
    _Stage(3, 1, 6, 320, 1),
)


class Block(NamedTuple):
    """An inverted residual: 1x1 to `expanded` (left out if that is `inputs`), depthwise, 1x1 to `filters`."""

    name: str
    kernel: int
    stride: int
    inputs: int
    expanded: int
    filters: int


def build(name: str, input_shape: tuple[int | None, int | None, int], weights: None = None, **_others: Any) -> Any:
    """The encoder as a `keras.Model` with random weights, as segmentation-models' decoders ask for one.

    From float32 [batch, height, width, 3], (RGB - 127) / 128, to float32 [batch, height / 32, width / 32, channels],
    sides rounded up; 320 channels, lite2: 352. Its layers have the same names whatever was built before. What else
    segmentation-models hands to a backbone is not used. Raises ValueError if `weights` asks for pretrained ones.
    """
    import keras

    if weights is not None:
        raise ValueError(f"{name} is built with random weights; search_spaces.encoders.packaged_weights has others")
    inputs = keras.Input(input_shape)
    x = _convolution(inputs, "stem_conv", STEM_FILTERS, kernel=3, strides=2)
    x = _normalised(x, "stem_bn", "stem_activation")
    for block in blocks(name):
        x = _inverted_residual(x, block)
    return keras.Model(inputs, x, name=name)


def blocks(name: str) -> Iterator[Block]:
    """Every block in order. The first and the last stage have one block at any depth; channels are multiples of 8."""
    variant = VARIANTS[name]
    inputs = STEM_FILTERS
    for number, stage in enumerate(_STAGES, start=1):
        filters = _multiple_of_8(stage.filters * variant.width)
        repeats = stage.repeats if number in (1, len(_STAGES)) else math.ceil(stage.repeats * variant.depth)
        for repeat in range(repeats):
            stride = stage.stride if repeat == 0 else 1
            yield Block(
                f"block{number}{'abcdefgh'[repeat]}", stage.kernel, stride, inputs, inputs * stage.expand, filters
            )
            inputs = filters


def _multiple_of_8(channels: float) -> int:
    """The nearest one, but never less than 90 % of what was asked for."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


def _inverted_residual(x: Any, block: Block) -> Any:
    from keras import layers

    shortcut, name = x, block.name
    if block.expanded != block.inputs:
        x = _convolution(x, f"{name}_expand_conv", block.expanded)
        x = _normalised(x, f"{name}_expand_bn", f"{name}_expand_activation")
    x = layers.DepthwiseConv2D(
        block.kernel,
        strides=block.stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=_initializer(),
        name=f"{name}_dwconv",
    )(x)
    x = _normalised(x, f"{name}_bn", f"{name}_activation")
    x = _convolution(x, f"{name}_project_conv", block.filters)
    x = _normalised(x, f"{name}_project_bn")
    if block.stride == 1 and block.inputs == block.filters:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _convolution(x: Any, name: str, filters: int, kernel: int = 1, strides: int = 1) -> Any:
    from keras import layers

    return layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer=_initializer(),
        name=name,
    )(x)


def _normalised(x: Any, name: str, activation: str | None = None) -> Any:
    from keras import layers

    x = layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=name)(x)
    return x if activation is None else layers.ReLU(6.0, name=activation)(x)


def _initializer() -> Any:
    """He's initialisation by the fan out, as EfficientNet has it: Keras's default makes depthwise kernels tiny."""
    from keras import initializers

    return initializers.VarianceScaling(2.0, mode="fan_out", distribution="untruncated_normal")
