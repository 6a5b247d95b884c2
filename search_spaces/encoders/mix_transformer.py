"""The Mix Transformers B0 and B1, SegFormer's encoders (Xie et al. 2021, arXiv:2105.15203, section 3.1 and table 6).

Of stock Keras layers, so that a network loads without this project. There is nothing at 1/2 of the image. Stochastic
depth is left out: a small set is trained for a few hundred steps.

NVIDIA publishes ImageNet weights for research and evaluation only, and no package has them: they come from a file that
the user has, in the names of the authors (segmentation-models-pytorch keeps them) or of Hugging Face's transformers.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

MLP_RATIO = 4
BLOCK_EPSILON, PATCH_EPSILON = 1e-6, 1e-5
SKIPS = tuple(f"stage_{stage}_norm" for stage in (3, 2, 1))
"""The layers whose outputs a decoder takes, at 1/16, 1/8 and 1/4 of the image."""


class Stage(NamedTuple):
    """`patch`: side of the convolution that makes patches, every `stride` pixels. Keys and values of the attention are
    of a map that is `reduction` times smaller."""

    patch: int
    stride: int
    filters: int
    heads: int
    reduction: int


def _stages(*filters: int) -> tuple[Stage, ...]:
    heads, reductions = (1, 2, 5, 8), (8, 4, 2, 1)
    places = zip(filters, heads, reductions, strict=True)
    return tuple(Stage(3 if number else 7, 2 if number else 4, *each) for number, each in enumerate(places))


VARIANTS: dict[str, tuple[Stage, ...]] = {
    "mit_b0": _stages(32, 64, 160, 256),
    "mit_b1": _stages(64, 128, 320, 512),
}

DEPTH = 2
"""Blocks of a stage."""


def build(name: str, input_shape: tuple[int | None, int | None, int], weights: None = None, **_others: Any) -> Any:
    """The encoder as a `keras.Model` with random weights, as segmentation-models' decoders ask for one.

    From float32 [batch, height, width, 3], preprocessed, to float32 [batch, height / 32, width / 32, 256], mit_b1: 512
    channels. Other arguments of segmentation-models are not used. Raises ValueError if `weights` asks for pretrained
    ones.
    """
    import keras
    from keras import layers

    if weights is not None:
        raise ValueError(f"{name} is built with random weights; `to_keras` has others")
    inputs = x = keras.Input(input_shape)
    for number, stage in enumerate(VARIANTS[name], start=1):
        x = _patches(x, stage.filters, stage.patch, stage.stride, f"stage_{number}_patches")
        for block in range(1, DEPTH + 1):
            x = _block(x, stage, f"stage_{number}_block_{block}")
        x = layers.LayerNormalization(epsilon=BLOCK_EPSILON, name=f"stage_{number}_norm")(x)
    return keras.Model(inputs, x, name=name)


def _patches(x: Any, filters: int, side: int, stride: int, name: str) -> Any:
    from keras import layers

    x = layers.ZeroPadding2D(side // 2, name=f"{name}_pad")(x)  # as PyTorch pads, on both sides alike
    x = layers.Conv2D(filters, side, strides=stride, name=f"{name}_conv")(x)
    return layers.LayerNormalization(epsilon=PATCH_EPSILON, name=f"{name}_norm")(x)


def _block(x: Any, stage: Stage, name: str) -> Any:
    from keras import layers

    seen = query = layers.LayerNormalization(epsilon=BLOCK_EPSILON, name=f"{name}_attention_norm")(x)
    if stage.reduction > 1:
        seen = layers.Conv2D(stage.filters, stage.reduction, strides=stage.reduction, name=f"{name}_reduce_conv")(seen)
        seen = layers.LayerNormalization(epsilon=PATCH_EPSILON, name=f"{name}_reduce_norm")(seen)
    attention = layers.MultiHeadAttention(
        stage.heads, stage.filters // stage.heads, attention_axes=(1, 2), name=f"{name}_attention"
    )
    x = layers.Add(name=f"{name}_attention_add")([x, attention(query, seen)])
    mixed = layers.LayerNormalization(epsilon=BLOCK_EPSILON, name=f"{name}_mix_norm")(x)
    mixed = layers.Dense(MLP_RATIO * stage.filters, name=f"{name}_mix_widen")(mixed)
    mixed = layers.DepthwiseConv2D(3, padding="same", name=f"{name}_mix_dwconv")(mixed)
    mixed = layers.Activation("gelu", name=f"{name}_mix_gelu")(mixed)
    mixed = layers.Dense(stage.filters, name=f"{name}_mix_narrow")(mixed)
    return layers.Add(name=f"{name}_mix_add")([x, mixed])


def to_keras(name: str, tensors: Mapping[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    """PyTorch's tensors as the layers of the Keras encoder hold them: layer name -> float32 arrays in the order of
    `layer.weights`, in the order of the encoder.

    `tensors` have the authors' names or those of Hugging Face's transformers. A classifier's are left out. Raises
    ValueError if one of the encoder is missing or has another shape.
    """
    tensors = _with_authors_names(tensors)

    def array(source: str, *shape: int) -> np.ndarray:
        tensor = tensors.get(source)
        if tensor is None:
            raise ValueError(f"there is no tensor {source}")
        if tensor.shape != shape or tensor.dtype != np.float32:
            raise ValueError(f"tensor {source} is {tensor.dtype} {tensor.shape}, not float32 {shape}")
        return tensor

    def normalisation(source: str, width: int) -> list[np.ndarray]:
        return [array(f"{source}.{part}", width) for part in ("weight", "bias")]

    def dense(source: str, inputs: int, outputs: int) -> list[np.ndarray]:
        return [array(f"{source}.weight", outputs, inputs).T, array(f"{source}.bias", outputs)]

    def convolution(source: str, side: int, inputs: int, outputs: int) -> list[np.ndarray]:
        return [
            array(f"{source}.weight", outputs, inputs, side, side).transpose(2, 3, 1, 0),
            array(f"{source}.bias", outputs),
        ]

    def attention(source: str, width: int, heads: int) -> list[np.ndarray]:
        """Kernels and biases of query, key, value and output, with an axis for the heads."""
        pairs = [dense(f"{source}.q", width, width)]
        kernel, bias = dense(f"{source}.kv", width, 2 * width)
        pairs += [[kernel[:, :width], bias[:width]], [kernel[:, width:], bias[width:]]]
        by_head = [
            part for kernel, bias in pairs for part in (kernel.reshape(width, heads, -1), bias.reshape(heads, -1))
        ]
        kernel, bias = dense(f"{source}.proj", width, width)
        return [*by_head, kernel.reshape(heads, -1, width), bias]

    layers: dict[str, list[np.ndarray]] = {}
    inputs = 3
    for number, stage in enumerate(VARIANTS[name], start=1):
        width, wide, to = stage.filters, MLP_RATIO * stage.filters, f"stage_{number}"
        layers[f"{to}_patches_conv"] = convolution(f"patch_embed{number}.proj", stage.patch, inputs, width)
        layers[f"{to}_patches_norm"] = normalisation(f"patch_embed{number}.norm", width)
        for block in range(DEPTH):
            to, source = f"stage_{number}_block_{block + 1}", f"block{number}.{block}"
            layers[f"{to}_attention_norm"] = normalisation(f"{source}.norm1", width)
            if stage.reduction > 1:
                layers[f"{to}_reduce_conv"] = convolution(f"{source}.attn.sr", stage.reduction, width, width)
                layers[f"{to}_reduce_norm"] = normalisation(f"{source}.attn.norm", width)
            layers[f"{to}_attention"] = attention(f"{source}.attn", width, stage.heads)
            layers[f"{to}_mix_norm"] = normalisation(f"{source}.norm2", width)
            layers[f"{to}_mix_widen"] = dense(f"{source}.mlp.fc1", width, wide)
            kernel = array(f"{source}.mlp.dwconv.dwconv.weight", wide, 1, 3, 3).transpose(2, 3, 0, 1)
            layers[f"{to}_mix_dwconv"] = [kernel, array(f"{source}.mlp.dwconv.dwconv.bias", wide)]
            layers[f"{to}_mix_narrow"] = dense(f"{source}.mlp.fc2", wide, width)
        layers[f"stage_{number}_norm"] = normalisation(f"norm{number}", width)
        inputs = width
    return {layer: [np.ascontiguousarray(each) for each in arrays] for layer, arrays in layers.items()}


_AUTHORS_NAMES = (
    (r"^(segformer\.)?encoder\.", ""),
    (r"^patch_embeddings\.(\d)\.proj", lambda found: f"patch_embed{int(found[1]) + 1}.proj"),
    (r"^patch_embeddings\.(\d)\.layer_norm", lambda found: f"patch_embed{int(found[1]) + 1}.norm"),
    (r"^block\.(\d)\.", lambda found: f"block{int(found[1]) + 1}."),
    (r"^layer_norm\.(\d)", lambda found: f"norm{int(found[1]) + 1}"),
    (r"\.layer_norm_(\d)", r".norm\1"),
    (r"\.attention\.self\.(sr|query|key|value)", r".attn.\1"),
    (r"\.attention\.self\.layer_norm", ".attn.norm"),
    (r"\.attention\.output\.dense", ".attn.proj"),
    (r"\.attn\.query", ".attn.q"),
    (r"\.mlp\.dense(\d)", r".mlp.fc\1"),
)
"""What turns a name of Hugging Face's transformers into the authors', in this order."""


def _with_authors_names(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The authors hold key and value in one tensor."""
    named: dict[str, np.ndarray] = {}
    given_names: dict[str, str] = {}
    for given, tensor in tensors.items():
        name = given
        for pattern, replacement in _AUTHORS_NAMES:
            name = re.sub(pattern, replacement, name)
        named[name], given_names[name] = tensor, given
    for name in sorted({re.sub(r"\.attn\.(key|value)\.", ".attn.kv.", name) for name in named} - set(named)):
        pair = [each for each in (name.replace(".kv.", f".{part}.") for part in ("key", "value")) if each in named]
        if len({named[each].shape for each in pair}) > 1 or len(pair) < 2:
            raise ValueError(f"keys and values belong together: {given_names[pair[0]]} has no partner of its shape")
        named[name] = np.concatenate([named.pop(each) for each in pair])
    return named
