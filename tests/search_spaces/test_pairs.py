"""Every architecture with every backbone that a space allows builds, trains a step, is saved as a delivered model is,
and predicts as before when it is loaded: at its smallest size.

There are some two hundred pairs, a few seconds each. Those of `DRAWN` are tried always, all with CONTRACTS=all, and
with CONTRACTS=2/8 the second of eight parts.
"""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from bench.delivery.network import plain
from bench.models import Pair, pairs
from search_spaces.architectures import ARCHITECTURES
from search_spaces.backbones import BACKBONES, UNIT
from search_spaces.initial_weights import begin_with_prior, initialise
from search_spaces.losses import LOSSES, loss_value
from search_spaces.optimizers import OPTIMIZERS
from search_spaces.segmentation import build_network

DRAWN: tuple[Pair, ...] = (
    ("plain_unet", None),
    ("unet_plus_plus_slim", "mobilenetv3small"),
    ("pspnet", "densenet121"),
    ("ma_net_slim", "efficientnet_lite0"),
    ("attention_unet_slim", "efficientnet_lite0"),
    ("segformer", "mit_b0"),
    ("unet_slim", "mit_b0"),
)


def asked() -> list[Pair]:
    which = os.environ.get("CONTRACTS", "")
    if not which:
        return list(DRAWN)
    if which == "all":
        return pairs()
    part, parts = map(int, which.split("/"))
    return pairs()[part - 1 :: parts]


@pytest.mark.parametrize("pair", asked(), ids=lambda pair: "-".join(filter(None, pair)))
def test_a_pair_trains_a_step_and_predicts_as_before_when_it_is_loaded(pair: Pair, tmp_path: Path) -> None:
    architecture, backbone = pair
    size = max(32, ARCHITECTURES[architecture].size_multiple)
    model, _ = build_network({"architecture": architecture, "backbone": backbone, "image_size": size}, 2)
    initialise(model, seed=0)
    begin_with_prior(model)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (4, size, size, 3)).astype(np.float32)
    truth = tf.constant(random.integers(0, 2, (4, size, size, 1)), tf.float32)

    before = [variable.numpy() for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = loss_value(LOSSES["bce_dice"][1], truth, model(images, training=True))
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    assert np.isfinite(float(loss))
    assert all(gradient is not None and np.isfinite(gradient.numpy()).all() for gradient in gradients)
    optimizer = OPTIMIZERS["adam"][1](1e-3, 0.0)
    optimizer.build(model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    after = [variable.numpy() for variable in model.trainable_variables]
    changed = [not np.array_equal(old, new) for old, new in zip(before, after, strict=True)]
    assert np.mean(changed) > 0.95  # a unit that no image of a batch of four wakes stays as it is

    prepared = (BACKBONES[backbone].preprocessing if backbone else UNIT).apply(images)
    path = tmp_path / "network.keras"
    plain(model.layers[-1], "network").save(path)
    loaded = keras.models.load_model(path)
    np.testing.assert_allclose(
        loaded(prepared, training=False).numpy(), model(images, training=False).numpy(), atol=1e-4
    )
    keras.backend.clear_session()
