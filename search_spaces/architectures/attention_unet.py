"""Attention U-Net over a classification backbone (Oktay et al. 2018, arXiv:1804.03999): a U-Net whose coarser map says
which pixels of a skip count before it is joined to it."""

from typing import Any

from search_spaces.architectures.blocks import convolution
from search_spaces.architectures.encoder_decoders import FILTERS, feature_maps


def build(backbone: str, image_size: int, outputs: int, activation: str, *, filters: tuple[int, ...] = FILTERS) -> Any:
    """Untrained model; `filters` are its width."""
    from keras import Model, layers

    inputs, (x, *skips) = feature_maps(backbone, image_size)
    for number, width in enumerate(filters):
        name = f"decoder_{number}"
        larger = layers.UpSampling2D(name=f"{name}_up")(x)
        if number < len(skips):
            gated = _gated(skips[number], x, name)
            larger = layers.Concatenate(name=f"{name}_concat")([larger, gated])
        x = convolution(convolution(larger, width, 3, f"{name}a"), width, 3, f"{name}b")
    x = layers.Conv2D(outputs, 3, padding="same", name="final_conv")(x)
    return Model(inputs, layers.Activation(activation, name=activation)(x))


def _gated(skip: Any, coarser: Any, name: str) -> Any:
    """The paper's additive attention gate (figure 2): `skip`, each pixel times a number from 0 to 1 that follows from
    it and from the map of half its size."""
    from keras import layers

    channels = max(1, skip.shape[-1] // 2)
    of_skip = layers.Conv2D(channels, 1, strides=2, use_bias=False, name=f"{name}_gate_skip")(skip)
    of_coarser = layers.Conv2D(channels, 1, name=f"{name}_gate_coarser")(coarser)
    both = layers.Activation("relu", name=f"{name}_gate_relu")(
        layers.Add(name=f"{name}_gate_sum")([of_skip, of_coarser])
    )
    weight = layers.Conv2D(1, 1, activation="sigmoid", name=f"{name}_gate_weight")(both)
    weight = layers.UpSampling2D(name=f"{name}_gate_up")(weight)
    return layers.Multiply(name=f"{name}_gated")([skip, weight])
