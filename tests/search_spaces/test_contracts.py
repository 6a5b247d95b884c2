"""What every name in the tables must do. A new row is tested by being there."""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from search_spaces import batch_normalization
from search_spaces.architectures import ARCHITECTURES
from search_spaces.architectures.encoder_decoders import build_encoder, library
from search_spaces.backbones import BACKBONES
from search_spaces.encoders import efficientnet_lite, mix_transformer
from search_spaces.encoders.keras_applications import APPLICATIONS
from search_spaces.initial_weights import FOREGROUND_PRIOR, begin_with_prior, initialise, layers_of
from search_spaces.losses import LOSSES, loss_value
from search_spaces.optimizers import OPTIMIZERS
from search_spaces.segmentation import build_network
from search_spaces.space import Space

SIZE = 96
LIGHT = "mobilenet"


@pytest.fixture(autouse=True)
def _fresh_names():
    yield
    keras.backend.clear_session()


def values(architecture: str, **changed: object) -> dict[str, object]:
    backbone = {"backbone": LIGHT} if ARCHITECTURES[architecture].has_backbone else {}
    return {"architecture": architecture, "image_size": SIZE, **backbone, **changed}


@cache
def built(architecture: str, num_classes: int) -> tuple[keras.Model, Any]:
    """One network for the tests of this file that ask no more of its weights than that they are numbers."""
    return build_network(values(architecture), num_classes)


@cache
def encoder_weights(backbone: str) -> dict[str, list[np.ndarray]]:
    """Random ones, as pretrained ones are loaded."""
    return {layer.name: layer.get_weights() for layer in layers_of(build_encoder(backbone)) if layer.weights}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("num_classes", "outputs"), [(2, 1), (4, 4)])
def test_every_architecture_maps_raw_pixels_to_probabilities(architecture, num_classes, outputs):
    model, momentum = built(architecture, num_classes)
    images = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    probabilities = model(images, training=False).numpy()
    assert probabilities.shape == (2, SIZE, SIZE, outputs)
    assert probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1
    if outputs > 1:
        np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    assert (momentum is None) == (architecture == "plain_unet")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("num_classes", [2, 4])
def test_every_architecture_begins_with_one_belief_in_foreground(architecture, num_classes):
    model, _ = built(architecture, num_classes)
    begin_with_prior(model)
    kernel, bias = model.trainable_variables[-2:]
    assert tuple(bias.shape) == model.output_shape[-1:]
    kernel.assign(np.zeros(kernel.shape))
    pixel = model(np.zeros((1, *model.input_shape[1:]), np.float32))[0, 0, 0].numpy()
    foreground = pixel[0] if num_classes == 2 else pixel[1:].sum()
    assert foreground == pytest.approx(FOREGROUND_PRIOR, abs=1e-5)


@pytest.mark.parametrize("architecture", [name for name, row in ARCHITECTURES.items() if row.has_backbone])
def test_every_batch_normalisation_is_ours(architecture):
    model, _ = built(architecture, 2)
    normalisations = [layer for layer in layers_of(model) if isinstance(layer, keras.layers.BatchNormalization)]
    assert normalisations
    assert all(type(layer) is not keras.layers.BatchNormalization for layer in normalisations)


def test_a_normalisation_of_the_images_follows_them_and_has_no_offset_to_train():
    model, momentum = build_network({"architecture": "unet", "backbone": "resnet18", "image_size": SIZE}, 2)
    (of_images,) = [layer for layer in layers_of(model) if layer.name == "bn_data"]
    assert not any(variable is of_images.beta for variable in model.trainable_variables)
    assert any(variable.path.endswith("bn0/beta") for variable in model.trainable_variables)
    momentum.variable.assign(0.0)
    before = of_images.moving_mean.numpy()
    model(np.full((2, SIZE, SIZE, 3), 200, np.uint8), training=True)
    np.testing.assert_allclose(of_images.moving_mean.numpy(), 200, rtol=1e-5)
    assert not np.allclose(before, of_images.moving_mean.numpy())


OWN = {*efficientnet_lite.VARIANTS, *mix_transformer.VARIANTS, *APPLICATIONS}
"""Backbones that segmentation-models' preprocessing does not know."""


@pytest.mark.parametrize("backbone", [name for name in BACKBONES if name not in OWN])
def test_preprocessing_is_what_the_weights_were_trained_with(backbone):
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.float32)
    expected = library().get_preprocessing(backbone)(images.copy())
    np.testing.assert_allclose(BACKBONES[backbone].preprocessing.apply(images), expected, atol=1e-4)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_layer_names_of_a_backbone_do_not_depend_on_what_was_built_before(backbone):
    with keras.StatelessScope():
        encoders = [build_encoder(backbone) for _ in range(2)]
    first, second = ([layer.name for layer in layers_of(encoder) if layer.weights] for encoder in encoders)
    assert first == second


OF_THE_LIBRARY = ("unet", "fpn", "linknet", "pspnet")
"""Each takes an encoder in its own way; our own decoders all take it through `feature_maps`."""


@pytest.mark.parametrize(
    ("architecture", "backbone"),
    [
        (architecture, backbone)
        for architecture, row in ARCHITECTURES.items()
        for backbone in ("efficientnet_lite0", "mobilenetv2", "resnet18", "efficientnetb0", "vgg16")
        if row.has_backbone and not architecture.endswith("_slim")
        if architecture in OF_THE_LIBRARY or backbone == "efficientnet_lite0"
    ],
)
def test_pretrained_encoders_of_every_family_fit_every_architecture(architecture, backbone):
    pretrained = encoder_weights(backbone)
    model, _ = build_network(values(architecture, backbone=backbone), 2)
    initialise(model, seed=1, pretrained=pretrained)
    first = next(iter(pretrained))
    layer = next(layer for layer in layers_of(model) if layer.name == first)
    np.testing.assert_array_equal(layer.get_weights()[0], pretrained[first][0])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_loss_prefers_the_truth_to_a_guess_and_a_guess_to_the_opposite(loss, outputs):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, max(outputs, 2), (2, 16, 16))
    truth = (ids[..., None] if outputs == 1 else np.eye(outputs)[ids]).astype(np.float32)
    guess = np.full_like(truth, 0.5 if outputs == 1 else 1 / outputs)
    opposite = 1 - truth if outputs == 1 else np.roll(truth, 1, axis=-1)
    mix = LOSSES[loss][1]
    right, unsure, wrong = (float(loss_value(mix, truth, tf.constant(p))) for p in (truth, guess, opposite))
    assert 0 <= right < 0.01
    assert right < unsure < wrong
    assert np.isfinite(wrong)


def test_tversky_minds_a_miss_more_than_a_false_alarm():
    truth = np.zeros((1, 4, 4, 1), np.float32)
    truth[0, :2] = 1  # 8 foreground pixels
    miss, alarm = truth.copy(), truth.copy()
    miss[0, 1], alarm[0, 2] = 0, 1  # 4 missed; 4 too many
    mix = LOSSES["tversky"][1]
    assert float(loss_value(mix, truth, tf.constant(miss))) == pytest.approx(1 - 4 / (4 + 0.7 * 4), abs=1e-5)
    assert float(loss_value(mix, truth, tf.constant(alarm))) == pytest.approx(1 - 8 / (8 + 0.3 * 4), abs=1e-5)


def test_dice_of_several_classes_leaves_background_out():
    truth = np.zeros((1, 2, 2, 3), np.float32)
    truth[0, ..., 0] = [[1, 1], [0, 0]]
    truth[0, ..., 1] = [[0, 0], [1, 0]]
    truth[0, ..., 2] = [[0, 0], [0, 1]]
    nothing = np.zeros_like(truth)
    nothing[..., 0] = 1  # background is right in two of four pixels, and that earns nothing
    assert float(loss_value(LOSSES["dice"][1], truth, tf.constant(nothing))) == pytest.approx(1, abs=1e-5)


def after_five_steps(optimiser: keras.Optimizer, start: np.ndarray) -> np.ndarray:
    variable = keras.Variable(start)
    optimiser.build([variable])
    step = tf.function(lambda gradient: optimiser.apply([gradient], [variable]))
    for number in range(5):
        step(tf.constant(np.sin(start + number), tf.float32))
    return variable.numpy()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_the_fused_optimiser_steps_as_keras_does(optimizer, weight_decay):
    theirs_of = {
        "adam": lambda: keras.optimizers.Adam(0.01, weight_decay=weight_decay or None),
        "sgd": lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True, weight_decay=weight_decay or None),
    }
    ours, theirs = OPTIMIZERS[optimizer][1](0.01, weight_decay), theirs_of[optimizer]()
    start = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    results = [after_five_steps(optimiser, start) for optimiser in (ours, theirs)]
    np.testing.assert_allclose(results[0], results[1], rtol=2e-6, atol=1e-6)
    assert not np.allclose(results[0], start)


def test_averaging_momentum_gives_the_mean_of_the_batches():
    inputs = keras.Input((4, 4, 3))
    model, momentum = batch_normalization.replace(keras.Model(inputs, keras.layers.BatchNormalization()(inputs)))
    batches = [np.random.default_rng(n).normal(n, 1 + n, (8, 4, 4, 3)).astype(np.float32) for n in range(3)]
    for number, batch in enumerate(batches):
        momentum.variable.assign(number / (number + 1))
        model(batch, training=True)
    layer = model.layers[-1]
    means = np.mean([batch.mean((0, 1, 2)) for batch in batches], axis=0)
    variances = np.mean([batch.var((0, 1, 2)) for batch in batches], axis=0)
    np.testing.assert_allclose(layer.moving_mean.numpy(), means, rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance.numpy(), variances, rtol=1e-4)


def test_our_batch_normalisation_computes_what_keras_computes():
    inputs = keras.Input((6, 6, 5))
    theirs = keras.Model(inputs, keras.layers.BatchNormalization()(inputs))
    ours, momentum = batch_normalization.replace(theirs)
    momentum.variable.assign(0.99)
    batch = np.random.default_rng(0).normal(2, 3, (4, 6, 6, 5)).astype(np.float32)
    for training in (True, False):
        np.testing.assert_allclose(ours(batch, training=training), theirs(batch, training=training), atol=1e-4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"architecture": ["unet"], "backbone": []}, "unet need a backbone; choose from"),
        ({"architecture": ["pspnet"], "image_size": [128]}, "image_size 128 is impossible for pspnet.*multiple of 48"),
        ({"loss": ["dcie"]}, "unknown loss 'dcie'; choose from bce, dice, focal"),
        ({"augmentation": [1.5]}, "less than or equal to 1"),
        ({"augmentation": {"min": 0.5, "max": 2}}, "augmentation goes from 0 to 1, not from 0.5 to 2"),
        ({"learning_rate": {"min": 1e-2, "max": 1e-3}}, "min 0.01 is not below max 0.001"),
        ({"learning_rate": {"min": -1, "max": 1}}, "learning_rate goes from 1e-09"),
        ({"learning_rate": {"min": 0, "max": 1e-3, "sampling": "log"}}, "must be above 0"),
        ({"backbone": [LIGHT, LIGHT]}, "named twice"),
        ({"backbones": [LIGHT]}, "Extra inputs"),
    ],
)
def test_a_space_that_cannot_be_is_refused_up_front(changed, message):
    with pytest.raises(ValueError, match=message):
        Space.model_validate({"architecture": ["unet"], "backbone": [LIGHT], **changed})
