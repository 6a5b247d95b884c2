"""The weights that a trial starts from."""

import keras
import numpy as np
import pytest

from search_spaces.architectures.encoder_decoders import build_encoder
from search_spaces.initial_weights import WeightsError, initialise, load_encoder
from search_spaces.segmentation import build_network

VALUES = {"architecture": "linknet", "backbone": "mobilenet", "image_size": 96}


@pytest.fixture(scope="module")
def model():
    return build_network(VALUES, 2)[0]


def snapshot(model: keras.Model) -> list[np.ndarray]:
    return [variable.numpy() for variable in model.variables]


def test_equal_seeds_give_equal_weights_whatever_the_model_held(model):
    initialise(model, seed=3)
    first = snapshot(model)
    for variable in model.weights:
        variable.assign(variable + 1)
    initialise(model, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(first, snapshot(model), strict=True))


def test_another_seed_gives_other_weights(model):
    initialise(model, seed=3)
    first = snapshot(model)
    initialise(model, seed=4)
    assert any(not np.array_equal(a, b) for a, b in zip(first, snapshot(model), strict=True))


def test_two_models_of_one_kind_start_equal(model):
    twin = build_network(VALUES, 2)[0]
    for each in (model, twin):
        initialise(each, seed=0)
    assert all(np.array_equal(a, b) for a, b in zip(snapshot(model), snapshot(twin), strict=True))


def test_dropout_starts_from_the_seed():
    plain = build_network({"architecture": "plain_unet", "image_size": 32}, 2)[0]
    image = np.full((1, 32, 32, 3), 128, np.uint8)
    outputs = []
    for seed in (0, 0, 1):
        initialise(plain, seed=seed)
        outputs.append([plain(image, training=True).numpy() for _ in range(2)])
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0][0], outputs[0][1])
    assert not np.array_equal(outputs[0], outputs[2])


def test_pretrained_layers_override_the_random_ones(model):
    encoder = {"conv1": [np.full((3, 3, 3, 32), 0.5, np.float32)]}
    initialise(model, seed=0, pretrained=encoder)
    layer = next(layer for layer in model.layers[-1].layers if layer.name == "conv1")
    assert np.all(layer.get_weights()[0] == 0.5)


def test_pretrained_layers_that_do_not_fit_are_refused(model):
    with pytest.raises(WeightsError, match="elsewhere"):
        initialise(model, seed=0, pretrained={"elsewhere": [np.zeros(3)]})
    with pytest.raises(WeightsError, match="conv1 has shapes"):
        initialise(model, seed=0, pretrained={"conv1": [np.zeros(3)]})


def test_missing_imagenet_weights_name_the_file_and_the_ways_out(monkeypatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("URL fetch failure on https://example.org/files/resnet18_no_top.h5: None -- no network")

    monkeypatch.setattr("keras.utils.get_file", refuse)
    monkeypatch.setattr("tensorflow.keras.utils.get_file", refuse)
    with pytest.raises(WeightsError) as error:
        load_encoder("resnet18", "imagenet")
    message = str(error.value)
    assert "resnet18_no_top.h5" in message
    assert "encoder_weights: none" in message
    assert "KERAS_HOME" in message
    assert "\n" not in message


def test_a_weights_file_that_is_not_one_is_named(tmp_path):
    path = tmp_path / "encoder.weights.h5"
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"encoder\.weights\.h5"):
        load_encoder("mobilenet", str(path))


def test_a_saved_encoder_comes_back_through_its_path(tmp_path):
    encoder = build_encoder("mobilenet")
    path = tmp_path / "encoder.weights.h5"
    encoder.save_weights(path)
    loaded = load_encoder("mobilenet", str(path))
    np.testing.assert_array_equal(loaded["conv1"][0], encoder.get_layer("conv1").get_weights()[0])
