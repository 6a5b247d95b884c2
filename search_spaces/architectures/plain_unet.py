"""The original baseline's network: a plain U-Net, with which the project began.

Four levels of two 3x3 convolutions from 16 filters on, max pooling, dropout 0.25 after the first level and 0.5 deeper,
transposed convolutions on the way up (Ronneberger, Fischer, Brox: "U-Net", 2015, with the dropout of its popular Keras
version).
"""

from typing import Any

LEVELS = 4
START_FILTERS = 16
FIRST_DROPOUT, DROPOUT = 0.25, 0.5


def build(backbone: str | None, image_size: int, outputs: int, activation: str) -> Any:
    """Untrained model; `backbone` is not used."""
    from keras import Input, Model, layers

    inputs = x = Input((image_size, image_size, 3))
    skips = []
    for level in range(LEVELS):
        x = _two_convolutions(x, START_FILTERS * 2**level)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(FIRST_DROPOUT if level == 0 else DROPOUT)(x)
    x = _two_convolutions(x, START_FILTERS * 2**LEVELS)
    for level in reversed(range(LEVELS)):
        x = layers.Conv2DTranspose(START_FILTERS * 2**level, 3, strides=2, padding="same")(x)
        x = layers.Concatenate()([x, skips[level]])
        x = layers.Dropout(DROPOUT)(x)
        x = _two_convolutions(x, START_FILTERS * 2**level)
    return Model(inputs, layers.Conv2D(outputs, 1, activation=activation)(x), name="plain_unet")


def _two_convolutions(x: Any, filters: int) -> Any:
    from keras import layers

    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    return x
