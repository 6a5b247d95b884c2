"""Many trained networks to one: their weighted mean over mirrored images, of Keras's own layers alone.

What is built here loads with `keras.models.load_model` where this project is not installed, in Keras's safe mode.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from bench.errors import DataError
from bench.records import HyperparameterValue, Member, configuration_key, configuration_of
from bench.records.store import inside
from bench.records.weights import check_weights_file
from search_spaces.backbones import BACKBONES, UNIT, Preprocessing
from search_spaces.segmentation import build_network

_ACTIVATIONS = {"swish": "silu", "relu6": "relu6"}
"""Functions that libraries give to `Activation` -> Keras's name of the same function."""


def ensemble(
    members: Sequence[Member],
    weights_folder: Path,
    *,
    num_classes: int,
    image_size: int,
    flips: bool,
    tell: Callable[[str], None] = lambda text: None,
) -> keras.Model:
    """The mean of `members`, one that is named k times weighing k, and with `flips` of horizontally mirrored inputs.

    It maps RGB 0-255, float32 [batch, S, S, 3], to float32 probabilities [batch, S, S, channels]. Raises DataError,
    naming the file, for weights that cannot be read or are of another network.
    """
    different = list(dict.fromkeys(member.weights for member in members))
    images = keras.Input((image_size, image_size, 3), name="image")
    inputs = keras.ops.concatenate([images, keras.ops.flip(images, axis=2)], axis=0) if flips else images
    prepared: dict[Preprocessing, Any] = {}
    networks = _Networks(num_classes, image_size)
    total: Any = None
    for number, weights in enumerate(different, start=1):
        tell(f"building member {number} of {len(different)}")
        same = [member for member in members if member.weights == weights]
        network, preprocessing = networks.load(
            same[0].hyperparameters, inside(weights_folder, weights), f"member_{number}"
        )
        if preprocessing not in prepared:
            prepared[preprocessing] = _preprocess(inputs, preprocessing, f"preprocessing_{len(prepared) + 1}")
        share = network(prepared[preprocessing]) * (len(same) / len(members))
        total = share if total is None else total + share
    if flips:
        straight, mirrored = keras.ops.split(total, 2, axis=0)
        total = (straight + keras.ops.flip(mirrored, axis=2)) * 0.5
    return keras.Model(images, total, name="segbench")


class _Networks:
    """Builds each configuration once, and loads the weights of its trainings into copies of it."""

    def __init__(self, num_classes: int, image_size: int) -> None:
        self._num_classes, self._image_size = num_classes, image_size
        self._built: dict[str, keras.Model] = {}

    def load(
        self, hyperparameters: Mapping[str, HyperparameterValue], weights: Path, name: str
    ) -> tuple[keras.Model, Preprocessing]:
        values = {**configuration_of(hyperparameters), "image_size": self._image_size}
        key = configuration_key(values)
        if key not in self._built:
            self._built[key], _ = build_network(values, self._num_classes)
        network = self._built[key]
        if not weights.is_file():
            raise DataError(f"the weights {weights} of a member are missing")
        check_weights_file(weights)
        try:
            network.load_weights(weights)
        except Exception as error:  # h5py and Keras raise OSError, ValueError, KeyError and more
            raise DataError(f"the weights {weights} cannot be loaded: {' '.join(str(error).split())[:200]}") from error
        backbone = values.get("backbone")
        return plain(network.layers[-1], name), BACKBONES[str(backbone)].preprocessing if backbone else UNIT


def plain(network: keras.Model, name: str) -> keras.Model:
    """A copy of `network` with its weights, called `name`, of Keras's own layers.

    Raises TypeError for a layer that has no counterpart.
    """

    def clone(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Layer):  # an operation, a sum: without weights and without a precision
            return layer.__class__.from_config(layer.get_config())
        if isinstance(layer, keras.Model):
            return plain(layer, layer.name)
        kind: Any = type(layer)
        config = layer.get_config()
        while not _is_of_keras(kind):  # a subclass that trains in its own way and predicts as what it derives from
            kind = kind.__base__
        if kind in (keras.layers.Layer, object):
            raise TypeError(f"layer {layer.name} ({type(layer).__name__}) is none of Keras's own")
        activation = getattr(layer, "activation", None)
        if activation is not None and not _is_of_keras(activation):
            config["activation"] = _ACTIVATIONS[activation.__name__]
        if kind is keras.layers.Dropout:
            config.setdefault("noise_shape", None)
        config["dtype"] = "float32"  # whatever it was trained in
        return _from_config(kind, config)

    copy = keras.models.clone_model(network, clone_function=clone)
    copy.set_weights(network.get_weights())
    copy.name = name
    return copy


def _from_config(kind: Any, config: Mapping[str, Any]) -> Any:
    """The layer with initialisers of Keras, since loaded weights replace the initial ones.

    So the file needs no foreign function.
    """
    for key in [key for key in config if key.endswith("_initializer")]:
        config = {**config, key: "zeros"}
    return kind.from_config(config)


def _is_of_keras(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "")).split(".")[0] == "keras"


def _preprocess(images: Any, preprocessing: Preprocessing, name: str) -> Any:
    if preprocessing.bgr:
        images = keras.ops.flip(images, axis=-1)
    scale = [preprocessing.scale / std for std in preprocessing.std]
    offset = [-mean / std for mean, std in zip(preprocessing.mean, preprocessing.std, strict=True)]
    return keras.layers.Rescaling(scale, offset, name=name)(images)
