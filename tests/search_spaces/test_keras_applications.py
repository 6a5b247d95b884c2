"""Encoders of keras.applications: their skips, their preprocessing, and weights out of a file.
ImageNet's own files are not needed."""

import keras
import numpy as np
import pytest

from search_spaces.architectures.encoder_decoders import build_encoder, feature_maps
from search_spaces.backbones import BACKBONES
from search_spaces.encoders.keras_applications import APPLICATIONS
from search_spaces.initial_weights import WeightsError, initialise, layers_of, load_encoder
from search_spaces.segmentation import build_network
from search_spaces.space import Space

SIZE = 64
CHANNELS = {
    "mobilenetv3small": (576, 288, 96, 72, 16),
    "mobilenetv3large": (960, 672, 240, 72, 64),
    "efficientnetv2b0": (1280, 672, 192, 128, 16),
    "efficientnetv2s": (1280, 960, 256, 192, 24),
    "resnet50v2": (2048, 1024, 512, 256, 64),
    "densenet121": (1024, 1024, 512, 256, 64),
    "convnext_tiny": (768, 384, 192, 96),
}
"""At 1/32, 1/16, 1/8, 1/4 and 1/2 of the image, from the papers' tables of layers."""

PUBLISHED_M = {
    "mobilenetv3small": 0.939,
    "mobilenetv3large": 2.996,
    "efficientnetv2b0": 5.919,
    "efficientnetv2s": 20.331,
    "resnet50v2": 23.565,
    "densenet121": 7.038,
    "convnext_tiny": 27.820,
}
"""Parameters without the classifier, millions."""


@pytest.fixture(autouse=True)
def _fresh_names():
    yield
    keras.backend.clear_session()


@pytest.mark.parametrize("backbone", APPLICATIONS)
def test_a_decoder_gets_maps_at_every_scale_whatever_was_built_before(backbone):
    with keras.StatelessScope():
        keras.layers.ReLU()
        inputs, maps = feature_maps(backbone, SIZE)
    strides = (32, 16, 8, 4, 2)[: len(CHANNELS[backbone])]
    assert [tuple(each.shape[1:]) for each in maps] == [
        (SIZE // stride, SIZE // stride, channels) for stride, channels in zip(strides, CHANNELS[backbone], strict=True)
    ]
    assert strides[-1] == BACKBONES[backbone].finest
    parameters = keras.Model(inputs, maps[0]).count_params() / 1e6
    assert parameters == pytest.approx(PUBLISHED_M[backbone], abs=1e-3)
    assert BACKBONES[backbone].params_m == pytest.approx(parameters, abs=0.06)


def preprocessing_within(function: str) -> keras.Model:
    """What a network of keras.applications does to its images before its first convolution."""
    with keras.StatelessScope():
        network = getattr(keras.applications, function)(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    layers = [each for each in network.layers if isinstance(each, keras.layers.Rescaling | keras.layers.Normalization)]
    return keras.Sequential(
        [keras.Input((None, None, 3)), *(type(each).from_config(each.get_config()) for each in layers)]
    )


@pytest.mark.parametrize("backbone", APPLICATIONS)
def test_preprocessing_is_what_the_weights_were_trained_with(backbone):
    images = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3)).astype(np.float32)
    if APPLICATIONS[backbone].is_bare:
        expected = preprocessing_within(APPLICATIONS[backbone].function)(images)
    else:
        module = {"resnet50v2": "resnet_v2", "densenet121": "densenet"}[backbone]
        expected = getattr(keras.applications, module).preprocess_input(images.copy())
    np.testing.assert_allclose(BACKBONES[backbone].preprocessing.apply(images), expected, atol=1e-4)


@pytest.mark.parametrize("backbone", ["mobilenetv3small", "convnext_tiny"])
def test_one_file_of_weights_serves_a_network_of_any_size(backbone, tmp_path):
    saved = build_encoder(backbone)
    path = tmp_path / "encoder.weights.h5"
    saved.save_weights(path)
    pretrained = load_encoder(backbone, str(path))
    assert [len(arrays) for arrays in pretrained.values()] == [
        len(layer.weights) for layer in layers_of(saved) if layer.weights
    ]
    model, _ = build_network({"architecture": "pspnet", "backbone": backbone, "image_size": 48}, 2)
    initialise(model, seed=1, pretrained=pretrained)
    within = {layer.name: layer for layer in layers_of(model)}
    found = [name for name in pretrained if name in within]
    assert len(found) > len(pretrained) / 4  # PSPNet takes an encoder up to 1/8 of the image
    for name in found:
        for ours, theirs in zip(within[name].get_weights(), pretrained[name], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_random_start_never_goes_by_the_name_of_imagenet(monkeypatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("URL fetch failure on https://example.org/weights_mobilenet_v3_small.h5: None -- no network")

    monkeypatch.setattr("keras.src.applications.mobilenet_v3.file_utils.get_file", refuse)
    with pytest.raises(WeightsError, match=r"weights_mobilenet_v3_small\.h5"):
        load_encoder("mobilenetv3small", "imagenet")


def test_a_backbone_without_a_map_of_half_the_image_is_refused_where_one_is_needed():
    with pytest.raises(ValueError, match="convnext_tiny is impossible for fpn, which needs a map of 1/2 of the image"):
        Space.model_validate({"architecture": ["unet", "fpn"], "backbone": ["convnext_tiny"]})
    assert Space.model_validate({"architecture": ["unet"], "backbone": ["convnext_tiny"]})
