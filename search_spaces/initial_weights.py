"""Initial weights of a trial: a function of its seed and, if it asks for one, of a pretrained encoder.

Models are built once and used again, so the weights drawn at building do not count. They are drawn anew for every
trial, each variable from its own layer's initialiser with its own seed.
"""

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from search_spaces.architectures.encoder_decoders import build_encoder
from search_spaces.backbones import BACKBONES, Source
from search_spaces.encoders import mix_transformer, packaged_weights, weights_files

Weights = Mapping[str, list[np.ndarray]]
"""Layer name -> its arrays, in the order of `layer.weights`."""

FOREGROUND_PRIOR = 0.1
"""The probability of foreground in an untrained network's predictions (docs/decisions/0018-prior.md)."""

_INITIALIZER_OF = {"kernel": ("kernel_initializer", "depthwise_initializer")}


class WeightsError(ValueError):
    """Pretrained weights cannot be had or do not fit; the message is one line for the user."""


def initialise(model: Any, seed: int, pretrained: Weights | None = None) -> None:
    """Sets every variable of `model` to its initial value, dropout's random state included.

    `pretrained` overrides layers by name, in the order of the encoder. An architecture may cut the encoder short
    (PSPNet does); raises WeightsError if another layer of it is missing or has other shapes.
    """
    left = dict(pretrained or {})
    for place, layer in enumerate(layers_of(model)):  # not by name: Keras numbers names by what was built before
        arrays = left.pop(layer.name, None) if layer.weights else None
        if arrays is not None:
            _set(layer, arrays)
        else:
            for owner, variable in _owned(layer):
                within = "" if owner is layer else f"{owner.name}/"  # four parts of an attention have a kernel each
                own_seed = _seed_of(seed, place, f"{within}{variable.name}")
                variable.assign(_initializer(owner, variable, own_seed)(variable.shape, dtype=variable.dtype))
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            generator.state.assign(np.array([_seed_of(seed, place, "dropout"), 0], generator.state.dtype))
    names = list(pretrained or {})
    if left and (len(left) == len(names) or names[-len(left) :] != list(left)):
        raise WeightsError(f"pretrained layers {', '.join(list(left)[:3])} are not in model {model.name}")


def begin_with_prior(model: Any) -> None:
    """Sets the bias of a segmentation network's output layer to the logit of `FOREGROUND_PRIOR`, which several classes
    share equally, as focal loss does for detection (Lin et al. 2017, arXiv:1708.02002, section 3.3)."""
    head = [layer for layer in layers_of(model) if getattr(layer, "bias", None) is not None][-1]
    head.bias.assign(_prior_logits(head.bias.shape[0]))


def load_encoder(backbone: str, encoder_weights: str) -> Weights:
    """Pretrained weights of a backbone: "imagenet", or from a file: `.weights.h5` of Keras's encoder, `.keras` of a
    network that has it (the first of several counts), and of a Mix Transformer also what PyTorch saved and
    `.safetensors`.

    ImageNet's come from the backbone's package (`search_spaces.encoders.packaged_weights`) if there is one, otherwise
    through Keras's cache (`KERAS_HOME`), where a file that no package has is put by the user. The network is built for
    images of any size, so that one file serves all.
    Raises WeightsError, naming the file and the ways out, if the weights are not available: random weights never
    replace pretrained ones.
    """
    from_file, suffix = encoder_weights != "imagenet", Path(encoder_weights).suffix.lower()
    if from_file and not Path(encoder_weights).is_file():
        raise WeightsError(
            f"encoder_weights {encoder_weights!r} is no file; choose imagenet, none or the path of a weights file"
        )
    if not from_file and backbone in packaged_weights.PACKAGES:
        try:
            return packaged_weights.imagenet_weights(backbone)
        except packaged_weights.PackageError as error:
            raise WeightsError(str(error)) from error
    if not from_file and BACKBONES[backbone].source is Source.FILE:
        try:
            return load_encoder(backbone, str(weights_files.imagenet_file(backbone)))
        except weights_files.MissingFileError as error:
            raise WeightsError(str(error)) from error
    try:
        if suffix == ".keras":
            return _of_network(backbone, Path(encoder_weights))
        if from_file and suffix != ".h5" and backbone in mix_transformer.VARIANTS:
            return mix_transformer.to_keras(backbone, weights_files.tensors_of(Path(encoder_weights)))
        network = build_encoder(backbone, weights=None if from_file else "imagenet")
        if from_file:
            network.load_weights(encoder_weights)
    except Exception as error:
        raise WeightsError(_why(backbone, encoder_weights, error)) from error
    return {layer.name: layer.get_weights() for layer in layers_of(network) if layer.weights}


def fingerprint(weights: Weights) -> str:
    """SHA-256 of every layer's name and arrays, in hexadecimal: names weights wherever they came from."""
    digest = hashlib.sha256()
    for layer, arrays in weights.items():
        digest.update(layer.encode())
        for array in arrays:
            digest.update(f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _of_network(backbone: str, path: Path) -> Weights:
    import keras

    held: dict[str, list[np.ndarray]] = {}
    for layer in layers_of(keras.models.load_model(path, compile=False)):
        held.setdefault(layer.name, layer.get_weights())
    wanted = [layer.name for layer in layers_of(build_encoder(backbone)) if layer.weights]
    if missing := [name for name in wanted if not held.get(name)]:
        raise ValueError(f"its network has no layer {missing[0]}")
    return {name: held[name] for name in wanted}


def layers_of(model: Any) -> Iterator[Any]:
    """Every layer, those of nested models included, in a stable order."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        else:
            yield layer


def _prior_logits(outputs: int) -> np.ndarray:
    """Float32 [outputs]: of one sigmoid, or of a softmax with background first."""
    if outputs == 1:
        return np.log([FOREGROUND_PRIOR / (1 - FOREGROUND_PRIOR)], dtype=np.float32)
    each = FOREGROUND_PRIOR / (outputs - 1)
    return np.log([1 - FOREGROUND_PRIOR, *[each] * (outputs - 1)], dtype=np.float32)


def _set(layer: Any, arrays: list[np.ndarray]) -> None:
    shapes = [tuple(variable.shape) for variable in layer.weights]
    if shapes != [array.shape for array in arrays]:
        raise WeightsError(f"pretrained layer {layer.name} has shapes {[a.shape for a in arrays]}, the model {shapes}")
    for variable, array in zip(layer.weights, arrays, strict=True):
        variable.assign(array)


def _owned(layer: Any) -> Iterator[tuple[Any, Any]]:
    """Each variable with the layer that declared it: an attention is made of layers."""
    owners = {id(variable): each for each in layer._flatten_layers() for variable in each.weights}
    return ((owners[id(variable)], variable) for variable in layer.weights)


def _initializer(layer: Any, variable: Any, seed: int) -> Any:
    if hasattr(layer, "init_values"):  # the LayerScale of keras.applications, which does not keep its initialiser
        from keras import initializers

        return initializers.Constant(layer.init_values)
    for attribute in _INITIALIZER_OF.get(variable.name, (f"{variable.name}_initializer",)):
        initializer = getattr(layer, attribute, None)
        if initializer is not None:
            config = initializer.get_config()
            if "seed" in config:
                config["seed"] = seed
            return type(initializer).from_config(config)
    raise TypeError(f"no initialiser known for {variable.name} of {layer.name} ({type(layer).__name__})")


def _seed_of(seed: int, place: int, name: str) -> int:
    return zlib.crc32(f"{seed}/{place}/{name}".encode()) & 0x7FFFFFFF


def _why(backbone: str, encoder_weights: str, error: Exception) -> str:
    reason = " ".join(str(error).split())
    if encoder_weights != "imagenet":
        return f"encoder_weights {encoder_weights!r} do not fit backbone {backbone}: {reason[:200]}"
    start = reason.find("http")
    url = reason[start:].split(" ")[0].rstrip(":,") if start >= 0 else None
    named = f"{url.rsplit('/', 1)[-1]} (from {url})" if url else reason[:200]
    return (
        f"no ImageNet weights for backbone {backbone}: cannot get {named}; connect to the network once (Keras keeps "
        "the file in $KERAS_HOME/models, by default ~/.keras/models) or set encoder_weights: none in the search "
        "space, as the experiment `default` does"
    )
