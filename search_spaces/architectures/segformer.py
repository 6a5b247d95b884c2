"""SegFormer's decoder over any backbone (Xie et al. 2021, arXiv:2105.15203, section 3.2): the maps from 1/4 to 1/32 of
the image, each mixed pixel by pixel to the same channels, enlarged and joined. With `mit_b0` and `mit_b1` it is the
paper's network, which calls its 1x1 convolutions linear layers."""

from typing import Any

from search_spaces.architectures.blocks import convolution
from search_spaces.architectures.encoder_decoders import feature_maps

FILTERS = 256
"""As the paper has with its two small encoders."""

DROPOUT = 0.1
SCALES = 4


def build(backbone: str, image_size: int, outputs: int, activation: str, *, filters: int = FILTERS) -> Any:
    """Untrained model; `filters` is its width."""
    from keras import Model, layers

    inputs, maps = feature_maps(backbone, image_size)
    joined = []
    for scale, found in enumerate(maps[:SCALES]):  # from 1/32 of the image on
        x = layers.Conv2D(filters, 1, name=f"scale_{scale}")(found)
        factor = 2 ** (SCALES - 1 - scale)
        enlarge = layers.UpSampling2D(factor, interpolation="bilinear", name=f"scale_{scale}_up")
        joined.append(enlarge(x) if factor > 1 else x)
    x = convolution(layers.Concatenate(name="scales_concat")(joined), filters, 1, "scales")
    x = layers.Dropout(DROPOUT, name="scales_dropout")(x)
    x = layers.Conv2D(outputs, 1, name="final_conv")(x)
    x = layers.UpSampling2D(4, interpolation="bilinear", name="final_up")(x)
    return Model(inputs, layers.Activation(activation, name=activation)(x))
