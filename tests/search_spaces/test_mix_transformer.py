"""The Mix Transformer against the authors' network, in figures that PyTorch computed, and weights out of a file."""

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

from search_spaces.architectures.encoder_decoders import feature_maps
from search_spaces.backbones import BACKBONES
from search_spaces.encoders import mix_transformer
from search_spaces.encoders.mix_transformer import SKIPS, VARIANTS, to_keras
from search_spaces.initial_weights import WeightsError, initialise, layers_of, load_encoder
from search_spaces.segmentation import build_network
from search_spaces.space import Space
from tests.search_spaces.torch_files import write_archive

SIZE = 64
CHANNELS = {"mit_b0": (32, 64, 160, 256), "mit_b1": (64, 128, 320, 512)}
PUBLISHED_M = {"mit_b0": 3.319, "mit_b1": 13.151}
"""Parameters of segmentation-models-pytorch's encoders, millions."""

COMPUTED = {
    1: [-0.06902, -0.14210, -2.13324, 1.06402],
    2: [0.78514, 1.16286, -0.29234, -0.57758],
    3: [1.65424, -0.08243, -0.76029, 0.31527],
    4: [0.22470, 1.29907, 1.02149, 0.04990],
}
"""First channels of each stage of MiT-B0, averaged over the map, of `tensors` and `picture`: the encoder `mit_b0` of
segmentation-models-pytorch 0.6.0 on PyTorch 2.14, which has the authors' code."""


@pytest.fixture(autouse=True)
def _fresh_names() -> Iterator[None]:
    yield
    keras.backend.clear_session()


def shapes(variant: str) -> dict[str, tuple[int, ...]]:
    """Of every tensor, by the authors' names."""
    found: dict[str, tuple[int, ...]] = {}

    def both(name: str, outputs: int, *rest: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = (outputs, *rest), (outputs,)

    inputs = 3
    for stage, (width, reduction) in enumerate(zip(CHANNELS[variant], (8, 4, 2, 1), strict=True), start=1):
        side = 7 if stage == 1 else 3
        both(f"patch_embed{stage}.proj", width, inputs, side, side)
        both(f"patch_embed{stage}.norm", width)
        for block in (0, 1):
            name = f"block{stage}.{block}"
            for norm in (f"{name}.norm1", f"{name}.norm2"):
                both(norm, width)
            both(f"{name}.attn.q", width, width)
            both(f"{name}.attn.kv", 2 * width, width)
            both(f"{name}.attn.proj", width, width)
            if reduction > 1:
                both(f"{name}.attn.sr", width, width, reduction, reduction)
                both(f"{name}.attn.norm", width)
            both(f"{name}.mlp.fc1", 4 * width, width)
            both(f"{name}.mlp.dwconv.dwconv", 4 * width, 1, 3, 3)
            both(f"{name}.mlp.fc2", width, 4 * width)
        both(f"norm{stage}", width)
        inputs = width
    return found


def drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float32: a scale around 1, other vectors around 0, kernels that keep the size of what they are given."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    if len(shape) > 1:
        return random.normal(0, np.prod(shape[1:]) ** -0.5, shape).astype(np.float32)
    return random.normal(float("norm" in name and name.endswith("weight")), 0.3, shape).astype(np.float32)


def tensors(variant: str = "mit_b0") -> dict[str, np.ndarray]:
    return {name: drawn(name, shape) for name, shape in shapes(variant).items()}


def picture() -> np.ndarray:
    """float32 [1, 64, 96, 3]."""
    return np.random.default_rng(1).normal(size=(1, 64, 96, 3)).astype(np.float32)


def in_transformers_names(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """As transformers 4.46 saves a classifier."""
    found: dict[str, np.ndarray] = {"classifier.weight": np.zeros((1000, 256), np.float32)}
    for name, tensor in given.items():
        stage, *rest = name.split(".")
        number, part = int(stage[-1]) - 1, rest[-1]
        match [stage[:-1], *rest[:-1]]:
            case ["patch_embed", layer]:
                into = f"patch_embeddings.{number}.{'proj' if layer == 'proj' else 'layer_norm'}"
            case ["norm"]:
                into = f"layer_norm.{number}"
            case ["block", block, ("norm1" | "norm2") as norm]:
                into = f"block.{number}.{block}.layer_norm_{norm[-1]}"
            case ["block", block, "attn", "kv"]:
                for which, half in zip(("key", "value"), np.split(tensor, 2), strict=True):
                    found[f"segformer.encoder.block.{number}.{block}.attention.self.{which}.{part}"] = half
                continue
            case ["block", block, "attn", layer]:
                into = {"q": "self.query", "sr": "self.sr", "norm": "self.layer_norm", "proj": "output.dense"}[layer]
                into = f"block.{number}.{block}.attention.{into}"
            case ["block", block, "mlp", ("fc1" | "fc2") as layer]:
                into = f"block.{number}.{block}.mlp.dense{layer[-1]}"
            case ["block", block, "mlp", "dwconv", "dwconv"]:
                into = f"block.{number}.{block}.mlp.dwconv.dwconv"
        found[f"segformer.encoder.{into}.{part}"] = tensor
    return found


def test_its_features_are_those_of_the_authors_network():
    network = mix_transformer.build("mit_b0", (64, 96, 3))
    initialise(network, seed=0, pretrained=to_keras("mit_b0", tensors()))
    outputs = [network.get_layer(name).output for name in reversed(SKIPS)] + [network.output]
    maps = keras.Model(network.input, outputs)(picture())
    assert [tuple(each.shape[1:3]) for each in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    for stage, found in enumerate(maps, start=1):
        expected = COMPUTED[stage]
        np.testing.assert_allclose(np.mean(found, (0, 1, 2))[: len(expected)], expected, atol=2e-4)


def test_both_ways_to_name_its_tensors_give_the_same_layers():
    by_authors, by_transformers = to_keras("mit_b0", tensors()), to_keras("mit_b0", in_transformers_names(tensors()))
    assert list(by_authors) == list(by_transformers)
    for name, arrays in by_authors.items():
        for one, other in zip(arrays, by_transformers[name], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("backbone", VARIANTS)
def test_a_decoder_gets_maps_at_every_scale_but_the_finest(backbone):
    with keras.StatelessScope():
        inputs, maps = feature_maps(backbone, SIZE)
    assert [tuple(each.shape[1:]) for each in maps] == [
        (SIZE // stride, SIZE // stride, channels)
        for stride, channels in zip((32, 16, 8, 4), reversed(CHANNELS[backbone]), strict=True)
    ]
    assert BACKBONES[backbone].finest == 4
    parameters = keras.Model(inputs, maps[0]).count_params() / 1e6
    assert parameters == pytest.approx(PUBLISHED_M[backbone], abs=1e-3)
    assert BACKBONES[backbone].params_m == pytest.approx(parameters, abs=0.06)


def _write_safetensors(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


@pytest.mark.parametrize(("name", "write"), [("mit_b0.pth", write_archive), ("model.safetensors", _write_safetensors)])
def test_weights_are_read_from_the_file_that_is_named_and_reach_the_network(name, write, tmp_path):
    path = tmp_path / name
    write(path, tensors())
    loaded = load_encoder("mit_b0", str(path))
    network, _ = build_network({"architecture": "segformer", "backbone": "mit_b0", "image_size": SIZE}, 2)
    initialise(network, seed=0, pretrained=loaded)
    layers = {layer.name: layer for layer in layers_of(network)}
    assert set(loaded) <= set(layers)
    for name, arrays in loaded.items():
        for held, array in zip(layers[name].get_weights(), arrays, strict=True):
            np.testing.assert_array_equal(held, array)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"norm4.bias": None}, "there is no tensor norm4.bias"),
        ({"norm1.bias": np.zeros(31, np.float32)}, r"tensor norm1.bias is float32 \(31,\), not float32 \(32,\)"),
    ],
)
def test_a_file_of_another_network_is_refused_in_one_line(tmp_path, changed, reason):
    path = tmp_path / "other.pth"
    write_archive(path, {name: array for name, array in {**tensors(), **changed}.items() if array is not None})
    with pytest.raises(WeightsError, match=f"other.pth' do not fit backbone mit_b0: {reason}$"):
        load_encoder("mit_b0", str(path))


def test_a_torn_file_of_safetensors_is_refused_in_one_line(tmp_path):
    path = tmp_path / "model.safetensors"
    _write_safetensors(path, tensors())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"model.safetensors' do not fit backbone mit_b0: .*$") as found:
        load_encoder("mit_b0", str(path))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("lost", ["key", "value"])
@pytest.mark.parametrize("partner", [None, np.zeros(24, np.float32)])
def test_a_key_and_a_value_that_do_not_belong_together_are_named_as_the_file_names_them(lost, partner):
    given = in_transformers_names(tensors())
    name = "segformer.encoder.block.0.1.attention.self.{}.bias"
    del given[name.format(lost)]
    if partner is not None:
        given[name.format(lost)] = partner
    named = name.format("value" if lost == "key" and partner is None else "key").replace(".", r"\.")
    with pytest.raises(ValueError, match=f"keys and values belong together: {named} has no partner of its shape$"):
        to_keras("mit_b0", given)


def test_no_package_has_its_weights_and_a_file_beside_those_of_keras_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=r"put their file at .*models/mit_b0.safetensors \(or .pth, .bin\), or set"):
        load_encoder("mit_b0", "imagenet")
    (tmp_path / "models").mkdir()
    write_archive(tmp_path / "models" / "mit_b0.pth", tensors())
    assert list(load_encoder("mit_b0", "imagenet")) == list(to_keras("mit_b0", tensors()))


def test_the_parts_of_an_attention_begin_differently_and_the_same_way_every_time():
    first, second = (mix_transformer.build("mit_b0", (SIZE, SIZE, 3)) for _ in range(2))
    for network in (first, second):
        initialise(network, seed=3)
    names = [layer.name for layer in layers_of(first) if layer.name.endswith("_attention")]
    assert len(names) == 8
    for name in names:
        query, _, key, _, value, *_ = weights = first.get_layer(name).get_weights()
        assert np.abs(query - key).max() > 0.01
        assert np.abs(key - value).max() > 0.01
        for one, other in zip(weights, second.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_space_refuses_it_for_a_decoder_that_needs_a_finer_map():
    with pytest.raises(ValueError, match="mit_b0 is impossible for fpn"):
        Space.model_validate({"architecture": ["fpn"], "backbone": ["mit_b0"]})
    assert Space.model_validate({"architecture": ["segformer"], "backbone": ["mit_b0"]})
