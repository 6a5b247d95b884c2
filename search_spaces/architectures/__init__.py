"""Architectures by name. To add one: write its `build` in a file of its own family, and add a line here.

`build(backbone, image_size, outputs, activation)` returns an untrained `keras.Model` from float32 images [batch, size,
size, 3] (preprocessed for the backbone) to float32 probabilities [batch, size, size, outputs].
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from search_spaces.architectures import (
    attention_unet,
    deeplab,
    encoder_decoders,
    ma_net,
    plain_unet,
    segformer,
    unet_plus_plus,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One row of the table. `size_multiple`: the image's side, in pixels, must be a multiple of it.
    `finest`: the side of the image over that of the largest map that its backbone must have (`Backbone.finest`)."""

    description: str
    build: Callable[..., Any]
    has_backbone: bool = True
    size_multiple: int = 32
    finest: int = 4


ARCHITECTURES: dict[str, Architecture] = {
    "unet": Architecture(
        description="U-Net decoder with skip connections at every scale (Ronneberger 2015)", build=encoder_decoders.unet
    ),
    "unet_slim": Architecture(
        description="U-Net with half the filters in its decoder, where a light encoder leaves most of the work",
        build=encoder_decoders.unet_slim,
    ),
    "fpn": Architecture(
        description="feature pyramid network, four scales summed (Lin 2017, Kirillov 2019)",
        build=encoder_decoders.fpn,
        finest=2,
    ),
    "linknet": Architecture(
        description="like U-Net, but skips are added, not concatenated: lighter (Chaurasia 2017)",
        build=encoder_decoders.linknet,
        finest=2,
    ),
    "pspnet": Architecture(
        description="pyramid pooling over 1/8 resolution: context before detail (Zhao 2017)",
        build=encoder_decoders.pspnet,
        size_multiple=48,
    ),
    "unet_plus_plus": Architecture(
        description="U-Net whose skips pass through nodes of their own, each fed by all before it (Zhou 2018)",
        build=unet_plus_plus.build,
    ),
    "unet_plus_plus_slim": Architecture(
        description="U-Net++ with half the filters in its decoder",
        build=partial(unet_plus_plus.build, filters=encoder_decoders.SLIM_FILTERS),
    ),
    "deeplabv3_plus": Architecture(
        description="convolutions with gaps of several widths at 1/16, one skip from 1/4 (Chen 2018)",
        build=deeplab.build,
    ),
    "deeplabv3_plus_slim": Architecture(
        description="DeepLabV3+ with half the filters in its decoder",
        build=partial(deeplab.build, filters=deeplab.FILTERS // 2),
    ),
    "ma_net": Architecture(
        description="U-Net whose coarsest map attends to itself and whose skips weigh channels (Fan 2020)",
        build=ma_net.build,
    ),
    "ma_net_slim": Architecture(
        description="MA-Net with half the filters in its decoder",
        build=partial(ma_net.build, filters=encoder_decoders.SLIM_FILTERS),
    ),
    "attention_unet": Architecture(
        description="U-Net whose coarser map says which pixels of a skip count (Oktay 2018)",
        build=attention_unet.build,
    ),
    "attention_unet_slim": Architecture(
        description="Attention U-Net with half the filters in its decoder",
        build=partial(attention_unet.build, filters=encoder_decoders.SLIM_FILTERS),
    ),
    "segformer": Architecture(
        description="the maps of four scales, mixed pixel by pixel and joined at 1/4 (Xie 2021)",
        build=segformer.build,
    ),
    "plain_unet": Architecture(
        description="the project's origin: 4 levels, 16 start filters, dropout, no backbone and no batch normalisation",
        build=plain_unet.build,
        has_backbone=False,
        size_multiple=16,
    ),
}
