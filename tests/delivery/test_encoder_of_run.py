"""`encoder_weights: run:NAME`: a delivered network's encoder begins another run's trainings."""

from pathlib import Path

import keras
import numpy as np
import pytest

from bench.cli.encoder_weights import with_weights_of_runs
from bench.delivery.network import ensemble
from bench.errors import DataError, UserError
from bench.experiments import Experiment, load_experiment
from bench.records import Member
from search_spaces.architectures.encoder_decoders import build_encoder
from search_spaces.initial_weights import WeightsError, fingerprint, initialise, layers_of, load_encoder
from search_spaces.segmentation import build_network
from search_spaces.space import Space
from tests.delivery.conftest import Delivered

SIZE = 32


def saved(folder: Path, architecture: str, *backbones: str, size: int = SIZE) -> Path:
    """A delivered network with a member of each backbone, whose weights are drawn."""
    members = []
    for number, backbone in enumerate(backbones):
        values: dict[str, object] = {"architecture": architecture, "backbone": backbone, "image_size": size}
        network, _ = build_network(values, 2)
        initialise(network, seed=number)
        name = f"{number}.weights.h5"
        network.save_weights(folder / name)
        members.append(Member(candidate=name, hyperparameters=values, fold=number, seed=0, weights=name))  # type: ignore[arg-type]
    ensemble(members, folder, num_classes=1, image_size=size, flips=True).save(folder / "model.keras")
    keras.backend.clear_session()
    return folder / "model.keras"


@pytest.mark.parametrize(
    ("architecture", "backbone"),
    [("unet_slim", "mobilenetv2"), ("linknet", "resnet18"), ("fpn", "efficientnet_lite0"), ("segformer", "mit_b0")],
)
def test_the_encoder_of_the_first_network_is_taken_whole(architecture: str, backbone: str, tmp_path: Path) -> None:
    loaded = load_encoder(backbone, str(saved(tmp_path, architecture, backbone, backbone)))
    network, _ = build_network({"architecture": architecture, "backbone": backbone, "image_size": SIZE}, 2)
    network.load_weights(tmp_path / "0.weights.h5")
    layers = {layer.name: layer for layer in layers_of(network)}
    assert list(loaded) == [layer.name for layer in layers_of(build_encoder(backbone)) if layer.weights]
    for name, arrays in loaded.items():
        for array, held in zip(arrays, layers[name].get_weights(), strict=True):
            np.testing.assert_array_equal(array, held)
    other, _ = build_network({"architecture": "unet_slim", "backbone": backbone, "image_size": SIZE}, 3)
    initialise(other, seed=1, pretrained=loaded)
    assert fingerprint(loaded) == fingerprint({name: other_layer(other, name).get_weights() for name in loaded})


def other_layer(network: keras.Model, name: str) -> keras.Layer:
    return next(layer for layer in layers_of(network) if layer.name == name)


def test_a_network_without_the_whole_encoder_is_refused_in_one_line(tmp_path: Path) -> None:
    path = saved(tmp_path, "pspnet", "mobilenetv2", size=48)  # ends the encoder at 1/8 of the image
    for backbone in ("mobilenetv2", "resnet18"):
        with pytest.raises(WeightsError, match=f"do not fit backbone {backbone}: its network has no layer ") as found:
            load_encoder(backbone, str(path))
        assert "\n" not in str(found.value)


def test_a_fingerprint_changes_with_a_name_a_shape_a_type_and_a_number() -> None:
    arrays = np.arange(6, dtype=np.float32)
    others = [
        {"conv": [arrays]},
        {"conv2": [arrays]},
        {"conv": [arrays.reshape(2, 3)]},
        {"conv": [arrays.view(np.int32)]},
        {"conv": [arrays + 1]},
        {"conv": [arrays[:3], arrays[3:]]},
    ]
    assert len({fingerprint(each) for each in others}) == len(others)


def asks_for(*weights: str) -> Experiment:
    chosen = load_experiment("transfer")
    space = Space(architecture=("unet_slim",), backbone=("mobilenetv2",), encoder_weights=weights)
    return chosen.model_copy(update={"space": space})


def test_a_runs_name_becomes_the_path_of_its_network(delivered: Delivered) -> None:
    run = delivered[0]
    chosen = with_weights_of_runs(asks_for("imagenet", f"run:{run.name}"), run.parent)
    assert chosen.space.encoder_weights == ("imagenet", str(run / "model" / "model.keras"))
    assert with_weights_of_runs(chosen, run.parent) == chosen  # as a resumed run has it


def test_a_run_that_is_not_there_and_a_file_that_no_model_has_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="crs"):
        with_weights_of_runs(asks_for("run:crs"), tmp_path)
    (tmp_path / "bad.keras").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"bad\.keras is no Keras model"):
        with_weights_of_runs(asks_for(str(tmp_path / "bad.keras")), tmp_path)
    missing = asks_for(str(tmp_path / "gone.keras"))
    assert with_weights_of_runs(missing, tmp_path) == missing
    with pytest.raises(WeightsError, match=r"gone\.keras' is no file"):
        load_encoder("mobilenetv2", missing.space.encoder_weights[0])
