"""DeepLabV3+ over a classification backbone (Chen et al. 2018, arXiv:1802.02611): a pyramid of separable convolutions
with gaps at 1/16 of the image, then a decoder with one skip, from 1/4.

Two things differ from the paper. Its encoder ends at 1/16, with gaps in its last stage; ours end at 1/32, and the
pyramid gets that map, enlarged, beside the one at 1/16. Its rates are for a map of 33 px; here they grow with the map,
as the paper doubles them for a map of twice the size.
"""

from typing import Any

from search_spaces.architectures.blocks import convolution, separable
from search_spaces.architectures.encoder_decoders import feature_maps

FILTERS = 256
RATES, RATES_AT_PX = (6, 12, 18), 33
SKIP_SHARE = 48 / 256
"""Filters of the reduced skip, as a fraction of the others."""


def build(backbone: str, image_size: int, outputs: int, activation: str, *, filters: int = FILTERS) -> Any:
    """Untrained model; `filters` is its width."""
    from keras import Model, layers

    inputs, maps = feature_maps(backbone, image_size)
    last, sixteenth, _, quarter = maps[:4]
    enlarged = layers.UpSampling2D(2, interpolation="bilinear", name="last_up")(last)
    x = _pyramid(layers.Concatenate(name="pyramid_input")([enlarged, sixteenth]), filters)
    x = layers.UpSampling2D(4, interpolation="bilinear", name="pyramid_up")(x)
    skip = convolution(quarter, round(SKIP_SHARE * filters), 1, "skip")
    x = layers.Concatenate(name="decoder_input")([x, skip])
    for number in (1, 2):
        x = separable(x, filters, f"decoder_{number}")
    x = layers.Conv2D(outputs, 1, name="final_conv")(x)
    x = layers.UpSampling2D(4, interpolation="bilinear", name="final_up")(x)
    return Model(inputs, layers.Activation(activation, name=activation)(x))


def rates(map_px: int) -> list[int]:
    """The distances, in pixels, between the taps of the pyramid's convolutions on a map of `map_px` x `map_px`."""
    return [max(1, round(rate * map_px / RATES_AT_PX)) for rate in RATES]


def _pyramid(x: Any, filters: int) -> Any:
    from keras import layers

    side = int(x.shape[1])
    branches = [convolution(x, filters, 1, "pyramid_0")]
    branches += [separable(x, filters, f"pyramid_{number}", rate) for number, rate in enumerate(rates(side), start=1)]
    mean = convolution(layers.GlobalAveragePooling2D(keepdims=True, name="pyramid_mean")(x), filters, 1, "pyramid_4")
    branches.append(layers.UpSampling2D(side, name="pyramid_mean_up")(mean))
    return convolution(layers.Concatenate(name="pyramid_concat")(branches), filters, 1, "pyramid")
