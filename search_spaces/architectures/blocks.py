"""The block of our own decoders: a convolution, batch normalisation and ReLU, as in segmentation-models' decoders."""

from typing import Any


def convolution(x: Any, filters: int, kernel: int, name: str) -> Any:
    """float32 [batch, height, width, channels] to [..., filters]."""
    from keras import layers

    x = layers.Conv2D(filters, kernel, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return _normalised(x, name)


def separable(x: Any, filters: int, name: str, rate: int = 1) -> Any:
    """A 3x3 depthwise convolution whose taps are `rate` pixels apart, then a pointwise one, each normalised."""
    from keras import layers

    x = layers.DepthwiseConv2D(
        3, padding="same", dilation_rate=rate, use_bias=False, name=f"{name}_depthwise"
    )(x)  # fmt: skip
    return convolution(_normalised(x, f"{name}_depthwise"), filters, 1, name)


def _normalised(x: Any, name: str) -> Any:
    from keras import layers

    return layers.Activation("relu", name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_bn")(x))
