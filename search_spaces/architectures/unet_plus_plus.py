"""U-Net++ over a classification backbone (Zhou et al. 2018, arXiv:1807.10165).

A skip passes through nodes. Each node takes all earlier nodes of its scale, and the previous one of the next coarser
scale. The network has one output; the paper's deep supervision is left out."""

from typing import Any

from search_spaces.architectures.blocks import convolution
from search_spaces.architectures.encoder_decoders import FILTERS, feature_maps


def build(backbone: str, image_size: int, outputs: int, activation: str, *, filters: tuple[int, ...] = FILTERS) -> Any:
    """Untrained model; `filters` are its width."""
    from keras import Model, layers

    inputs, maps = feature_maps(backbone, image_size)
    scales = [[each] for each in maps]  # from 1/32 of the image on; of each its nodes
    for column in range(1, len(scales)):
        for coarser, (scale, nodes) in zip(scales[column - 1 :], list(enumerate(scales))[column:], strict=False):
            enlarged = layers.UpSampling2D(name=f"node_{scale}_{column}_up")(coarser[column - 1])
            x = layers.Concatenate(name=f"node_{scale}_{column}_concat")([enlarged, *nodes])
            nodes.append(_node(x, filters[scale - 1], f"node_{scale}_{column}"))
    x = scales[-1][-1]
    for number, width in enumerate(filters[len(scales) - 1 :], start=len(scales)):
        x = _node(layers.UpSampling2D(name=f"last_{number}_up")(x), width, f"last_{number}")
    x = layers.Conv2D(outputs, 3, padding="same", name="final_conv")(x)
    return Model(inputs, layers.Activation(activation, name=activation)(x))


def _node(x: Any, filters: int, name: str) -> Any:
    return convolution(convolution(x, filters, 3, f"{name}a"), filters, 3, f"{name}b")
