"""MA-Net over a classification backbone (Fan et al. 2020, "MA-Net: A Multi-Scale Attention Network for Liver and Tumor
Segmentation", IEEE Access 8): a U-Net whose coarsest map attends to itself, position to position, and whose skips
reweigh the channels of the map that they are joined to.

One thing differs from the paper: its encoder has squeeze and excitation of its own, ours are as they come.
"""

from typing import Any

from search_spaces.architectures.blocks import convolution
from search_spaces.architectures.encoder_decoders import FILTERS, feature_maps

KEY_FILTERS = 64
"""Channels by which the positions of the coarsest map are compared."""

SQUEEZE = 16
"""Channels are squeezed to this fraction before they are weighed."""


def build(backbone: str, image_size: int, outputs: int, activation: str, *, filters: tuple[int, ...] = FILTERS) -> Any:
    """Untrained model; `filters` are its width."""
    from keras import Model, layers

    inputs, (last, *skips) = feature_maps(backbone, image_size)
    x = _attended(last, filters[0])
    for number, width in enumerate(filters):
        name = f"decoder_{number}"
        x = _joined(x, skips[number], name) if number < len(skips) else layers.UpSampling2D(name=f"{name}_up")(x)
        x = convolution(convolution(x, width, 3, f"{name}a"), width, 3, f"{name}b")
    x = layers.Conv2D(outputs, 3, padding="same", name="final_conv")(x)
    return Model(inputs, layers.Activation(activation, name=activation)(x))


def _attended(x: Any, filters: int) -> Any:
    """The paper's position-wise attention: every position gets what the positions like it have."""
    from keras import layers

    x = convolution(x, filters, 3, "attention_input")
    height, width = x.shape[1:3]
    query, key, value = (
        layers.Reshape((height * width, channels), name=f"attention_{name}_sequence")(
            layers.Conv2D(channels, 1, name=f"attention_{name}")(x)
        )
        for name, channels in (("query", KEY_FILTERS), ("key", KEY_FILTERS), ("value", filters))
    )
    found = layers.Attention(name="attention")([query, value, key])
    found = layers.Reshape((height, width, filters), name="attention_map")(found)
    return convolution(layers.Add(name="attention_add")([x, found]), filters, 3, "attention_output")


def _joined(x: Any, skip: Any, name: str) -> Any:
    """The paper's multi-scale fusion attention: the map, enlarged and with the skip's number of channels, is weighed
    channel by channel as both of them ask, and then stands beside the skip."""
    from keras import layers

    channels = skip.shape[-1]
    x = convolution(x, x.shape[-1], 3, f"{name}_wide")
    x = layers.UpSampling2D(name=f"{name}_up")(convolution(x, channels, 1, f"{name}_narrow"))
    weights = layers.Add(name=f"{name}_weights")([_weights(x, f"{name}_map"), _weights(skip, f"{name}_skip")])
    x = layers.Multiply(name=f"{name}_weighed")([x, weights])
    return layers.Concatenate(name=f"{name}_concat")([x, skip])


def _weights(x: Any, name: str) -> Any:
    """Squeeze and excitation without its product: a weight from 0 to 1 for each channel."""
    from keras import layers

    channels = x.shape[-1]
    mean = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(x)
    squeezed = layers.Conv2D(max(1, channels // SQUEEZE), 1, activation="relu", name=f"{name}_squeeze")(mean)
    return layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}_excite")(squeezed)
