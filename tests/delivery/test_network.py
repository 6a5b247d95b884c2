"""Every network that a search can build becomes one of Keras's own layers, and says the same."""

from pathlib import Path

import numpy as np
import pytest

from bench.delivery.keras_file import check_keras_file
from search_spaces.architectures import ARCHITECTURES
from search_spaces.backbones import BACKBONES

pytestmark = pytest.mark.slow

LIGHT = "mobilenetv2"
ROUNDING = 3e-4
"""In probability: Keras's normalisation rounds differently from the fused kernel,
and untrained statistics let that grow (ResNet-18: 6e-5)."""

FAMILIES = {name.rstrip("0123456789"): name for name in reversed(BACKBONES)}
"""The first backbone of each family: the others have more of the same layers."""

PAIRS = [
    *((name, LIGHT if about.has_backbone else None, 96) for name, about in ARCHITECTURES.items()),
    *(("unet", backbone, 32) for backbone in FAMILIES.values() if backbone != LIGHT),
]


@pytest.mark.parametrize(("architecture", "backbone", "size"), PAIRS)
def test_a_plain_copy_predicts_what_the_trained_network_predicts(
    architecture: str, backbone: str | None, size: int, tmp_path: Path
) -> None:
    import keras

    from bench.delivery.network import ensemble
    from bench.records import Member
    from search_spaces.segmentation import build_network

    values: dict[str, object] = {"architecture": architecture, "image_size": size}
    values |= {"backbone": backbone} if backbone else {}
    network, _ = build_network(values, 3)
    random = np.random.default_rng(0)
    for variable in network.weights:
        if "moving_mean" in variable.path:  # such statistics as training leaves
            variable.assign(random.normal(0, 0.05, variable.shape))
        if "moving_variance" in variable.path:
            variable.assign(random.uniform(0.5, 2, variable.shape))
    network.save_weights(tmp_path / "a.weights.h5")
    member = Member(candidate="a", hyperparameters=values, fold=0, seed=0, weights="a.weights.h5")  # type: ignore[arg-type]
    made = ensemble([member], tmp_path, num_classes=3, image_size=size, flips=False)
    made.save(tmp_path / "model.keras")
    check_keras_file(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    images = random.integers(0, 256, (2, size, size, 3)).astype(np.float32)
    expected = np.asarray(network(images, training=False))
    assert expected.std() > 1e-4
    np.testing.assert_allclose(np.asarray(loaded(images, training=False)), expected, atol=ROUNDING)
