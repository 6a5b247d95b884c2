"""Our own decoders: what they are made of, against the papers' figures."""

import keras
import pytest

from search_spaces.architectures import ARCHITECTURES, deeplab
from search_spaces.initial_weights import layers_of

SIZE = 64


@pytest.fixture(autouse=True)
def _fresh_names():
    yield
    keras.backend.clear_session()


def built(architecture: str, backbone: str = "mobilenetv3small") -> keras.Model:
    with keras.StatelessScope():
        return ARCHITECTURES[architecture].build(backbone, SIZE, 1, "sigmoid")


def shape(model: keras.Model, name: str) -> tuple[int, int, int]:
    """Height, width and channels of what a layer yields."""
    return tuple(model.get_layer(name).output.shape[1:])


def fed_by(model: keras.Model, name: str) -> list[str]:
    return [each._keras_history.operation.name for each in model.get_layer(name).input]


def test_a_node_of_unet_plus_plus_sees_all_before_it_at_its_scale_and_the_coarser_one_before_it():
    """Figure 1a of the paper: ten nodes for five scales; X(0,4), here at 1/2, is fed by X(0,0) to X(0,3) and X(1,3)."""
    model = built("unet_plus_plus")
    nodes = {layer.name.removesuffix("_concat") for layer in layers_of(model) if layer.name.endswith("_concat")}
    assert nodes == {f"node_{scale}_{column}" for scale in range(1, 5) for column in range(1, scale + 1)}
    skip_at_half = "skip_2"
    assert fed_by(model, "node_4_4_concat") == ["node_4_4_up", skip_at_half, *(f"node_4_{n}b_relu" for n in (1, 2, 3))]
    assert model.get_layer("node_4_4_up").input._keras_history.operation.name == "node_3_3b_relu"
    assert fed_by(model, "node_1_1_concat") == ["node_1_1_up", "skip_16"]
    assert model.get_layer("node_1_1_up").input._keras_history.operation.name == "encoder_output"
    assert [shape(model, f"node_{scale}_1b_relu") for scale in (1, 2, 3, 4)] == [
        (4, 4, 256),
        (8, 8, 128),
        (16, 16, 64),
        (32, 32, 32),
    ]
    assert shape(model, "last_5b_relu") == (64, 64, 16)


def test_unet_plus_plus_without_a_map_at_half_the_image_ends_with_two_blocks():
    model = built("unet_plus_plus_slim", "convnext_tiny")
    assert {layer.name for layer in layers_of(model) if layer.name.endswith("b_relu") and "last" in layer.name} == {
        "last_4b_relu",
        "last_5b_relu",
    }
    assert shape(model, "node_3_3b_relu") == (16, 16, 32)
    assert shape(model, "last_5b_relu") == (64, 64, 8)


def test_deeplabs_rates_grow_with_its_map():
    assert deeplab.rates(33) == [6, 12, 18]  # the paper's, of an image of 513 px
    assert deeplab.rates(66) == [12, 24, 36]  # the paper's at twice the resolution
    assert deeplab.rates(12) == [2, 4, 7]  # of 192 px
    assert deeplab.rates(2) == [1, 1, 1]


def test_deeplab_has_five_branches_and_one_skip_from_a_quarter_of_the_image():
    model = built("deeplabv3_plus")
    assert fed_by(model, "pyramid_concat") == [*(f"pyramid_{n}_relu" for n in range(4)), "pyramid_mean_up"]
    assert fed_by(model, "pyramid_input") == ["last_up", "skip_16"]
    dilations = [model.get_layer(f"pyramid_{n}_depthwise").dilation_rate for n in (1, 2, 3)]
    assert dilations == [(rate, rate) for rate in deeplab.rates(4)]
    assert shape(model, "pyramid_relu") == (4, 4, 256)
    assert shape(model, "skip_relu") == (16, 16, 48)
    assert shape(model, "decoder_2_relu") == (16, 16, 256)
    assert model.output_shape == (None, SIZE, SIZE, 1)
    slim = built("deeplabv3_plus_slim")
    assert (shape(slim, "decoder_2_relu"), shape(slim, "skip_relu")) == ((16, 16, 128), (16, 16, 24))


def test_a_gate_of_attention_unet_weighs_each_pixel_of_a_skip_by_it_and_the_coarser_map():
    """Figures 1 and 2 of the paper, a gate for each skip; closed gates leave nothing of the skips."""
    model = built("attention_unet")
    for number, (skip, coarser) in enumerate(
        zip(
            ("skip_16", "skip_8", "skip_4", "skip_2"),
            ("encoder_output", *(f"decoder_{n}b_relu" for n in range(3))),
            strict=True,
        )
    ):
        name = f"decoder_{number}"
        assert fed_by(model, f"{name}_concat") == [f"{name}_up", f"{name}_gated"]
        assert fed_by(model, f"{name}_gated") == [skip, f"{name}_gate_up"]
        assert fed_by(model, f"{name}_gate_sum") == [f"{name}_gate_skip", f"{name}_gate_coarser"]
        for part, source in (("skip", skip), ("coarser", coarser)):
            assert model.get_layer(f"{name}_gate_{part}").input._keras_history.operation.name == source
        assert shape(model, f"{name}_gate_weight") == (*shape(model, f"{name}_gate_sum")[:2], 1)
    slim = built("attention_unet_slim", "convnext_tiny")
    assert [shape(slim, f"decoder_{number}b_relu")[2] for number in range(5)] == [128, 64, 32, 16, 8]
    assert not [layer.name for layer in layers_of(slim) if layer.name.startswith("decoder_3_gate")]


def test_ma_net_attends_at_the_coarsest_map_and_weighs_the_channels_of_what_it_joins():
    """Figures 2 to 4 of the paper: one position-wise attention, then a fusion attention for each skip."""
    model = built("ma_net")
    assert [layer.name for layer in layers_of(model) if isinstance(layer, keras.layers.Attention)] == ["attention"]
    assert fed_by(model, "attention") == [f"attention_{part}_sequence" for part in ("query", "value", "key")]
    assert fed_by(model, "attention_add") == ["attention_input_relu", "attention_map"]
    assert shape(model, "attention_output_relu") == (2, 2, 256)
    for number, skip in enumerate(("skip_16", "skip_8", "skip_4", "skip_2")):
        joined = f"decoder_{number}"
        assert fed_by(model, f"{joined}_concat") == [f"{joined}_weighed", skip]
        assert fed_by(model, f"{joined}_weighed") == [f"{joined}_up", f"{joined}_weights"]
        assert fed_by(model, f"{joined}_weights") == [f"{joined}_map_excite", f"{joined}_skip_excite"]
    assert [shape(model, f"decoder_{number}b_relu") for number in range(5)] == [
        (4, 4, 256),
        (8, 8, 128),
        (16, 16, 64),
        (32, 32, 32),
        (64, 64, 16),
    ]
    assert shape(built("ma_net_slim", "convnext_tiny"), "decoder_4b_relu") == (64, 64, 8)


def test_segformer_joins_four_scales_at_a_quarter_of_the_image():
    model = built("segformer", "mit_b0")
    assert fed_by(model, "scales_concat") == ["scale_0_up", "scale_1_up", "scale_2_up", "scale_3"]
    assert shape(model, "scales_concat") == (16, 16, 4 * 256)
    assert shape(model, "scales_relu") == (16, 16, 256)
    assert model.output_shape == (None, SIZE, SIZE, 1)


def test_segformer_with_its_own_encoder_is_as_large_as_the_papers_small_network():
    """3.8 million with 150 classes (table 1 of the paper)."""
    with keras.StatelessScope():
        model = ARCHITECTURES["segformer"].build("mit_b0", SIZE, 150, "softmax")
    assert model.count_params() / 1e6 == pytest.approx(3.8, abs=0.06)
