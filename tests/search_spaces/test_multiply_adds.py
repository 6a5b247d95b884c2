"""Multiply-adds against numbers worked by hand."""

import keras
import pytest
from keras import layers

from search_spaces.architectures import ARCHITECTURES
from search_spaces.multiply_adds import multiply_adds


def counted(layer: keras.Layer, *shape: int) -> int:
    inputs = keras.Input(shape)
    return multiply_adds(keras.Model(inputs, layer(inputs)))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(4, 3, padding="same"), 8 * 8 * (3 * 3 * 6 * 4)),
        (layers.Conv2D(4, 3, padding="valid"), 6 * 6 * (3 * 3 * 6 * 4)),
        (layers.Conv2D(4, 3, strides=2, padding="same"), 4 * 4 * (3 * 3 * 6 * 4)),
        (layers.Conv2D(4, 3, dilation_rate=2, padding="same"), 8 * 8 * (3 * 3 * 6 * 4)),
        (layers.Conv2D(4, 1, groups=2), 8 * 8 * (3 * 4)),
        (layers.DepthwiseConv2D(5, padding="same"), 8 * 8 * (5 * 5 * 6)),
        (layers.SeparableConv2D(4, 3, padding="same"), 8 * 8 * (3 * 3 * 6 + 6 * 4)),
        (layers.Conv2DTranspose(4, 2, strides=2, padding="same"), 8 * 8 * (2 * 2 * 6 * 4)),
        (layers.Dense(5), 8 * 8 * (6 * 5)),
        (layers.BatchNormalization(), 0),
        (layers.UpSampling2D(), 0),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_layer_costs_what_is_worked_by_hand(layer, expected):
    assert counted(layer, 8, 8, 6) == expected


def test_an_attention_costs_its_two_products_and_what_makes_their_parts():
    query, value = keras.Input((4, 4, 6)), keras.Input((2, 2, 6))
    many = layers.MultiHeadAttention(num_heads=2, key_dim=5, attention_axes=(1, 2))
    parts = 16 * 6 * 10 + 4 * 6 * 10 + 4 * 6 * 10 + 16 * 10 * 6  # query, key, value, output
    assert multiply_adds(keras.Model([query, value], many(query, value))) == parts + 2 * (16 * 4 * 10)
    query, value = keras.Input((16, 3)), keras.Input((4, 7))
    keys = keras.Input((4, 3))
    model = keras.Model([query, value, keys], layers.Attention()([query, value, keys]))
    assert multiply_adds(model) == 16 * 4 * 3 + 16 * 4 * 7


def test_a_network_costs_what_its_layers_do_those_of_networks_within_it_too():
    inner_inputs = keras.Input((8, 8, 3))
    inner = keras.Model(inner_inputs, layers.Conv2D(2, 3, strides=2, padding="same")(inner_inputs))
    sequence = keras.Sequential([layers.Conv2D(5, 2, strides=2), layers.LayerNormalization()])
    inputs = keras.Input((8, 8, 3))
    outputs = layers.Dense(7)(layers.GlobalAveragePooling2D()(sequence(inner(inputs))))
    within = 4 * 4 * (3 * 3 * 3 * 2) + 2 * 2 * (2 * 2 * 2 * 5)
    assert multiply_adds(keras.Model(inputs, outputs)) == within + 5 * 7


def test_a_layer_counts_each_time_it_is_used_at_the_size_it_is_used_for():
    inputs, twice = keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same")
    outputs = twice(layers.MaxPooling2D()(twice(inputs)))
    assert multiply_adds(keras.Model(inputs, outputs)) == (8 * 8 + 4 * 4) * (3 * 3 * 3 * 3)
    twice(keras.Input((8, 8, 3)))  # elsewhere
    assert multiply_adds(keras.Model(inputs, outputs)) == (8 * 8 + 4 * 4) * (3 * 3 * 3 * 3)


def test_plain_unet_costs_what_its_ten_pairs_of_convolutions_do():
    """At 32 px: levels of 32, 16, 8, 4 and 2 px on a side with 16 to 256 filters."""
    side, filters = (32, 16, 8, 4, 2), (16, 32, 64, 128, 256)
    down = sum(
        s * s * 9 * (before * own + own * own) for s, before, own in zip(side, (3, *filters), filters, strict=False)
    )
    up = sum(
        s * s * 9 * (2 * own * own + own * own) + (s // 2) ** 2 * 9 * (2 * own * own)
        for s, own in zip(side[:4], filters[:4], strict=True)
    )
    head = 32 * 32 * 16
    assert multiply_adds(ARCHITECTURES["plain_unet"].build(None, 32, 1, "sigmoid")) == down + up + head
