"""Mask files as annotations: what a decided meaning makes of their pixels."""

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from bench.datasets.dataset import VOID
from bench.datasets.formats.mask_looks import ALPHA, COLOUR, INDEX, VALUE, channel_of, pack, palette_pixels
from bench.datasets.images import mask_pixels, upright
from bench.datasets.runs import Runs
from bench.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a pixel of a mask file stands for.

    `table` has the class id of each value 0-255, for the sources VALUE, INDEX and ALPHA. For COLOUR, `colours` are
    packed colours with the class id of each; any other colour, on a soft edge, counts as the nearest of them. With
    `any_value`, every value that is neither 0 nor void in `table` is class 1, also above 255. With `brightest`, the
    brightest channel of a lossy colour mask is the value.
    """

    source: str
    table: bytes = b""
    colours: tuple[tuple[int, int], ...] = ()
    any_value: bool = False
    brightest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One mask file of an image.

    `class_id` replaces every foreground id, for a file of one class. `runs` are the pixels of the channel that
    `meaning` reads; if they are None, the file is decoded.
    """

    path: Path
    meaning: Meaning
    class_id: int | None = None
    runs: Runs | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskFile:
    """The masks of one image, usually one; later ones lie on top."""

    image_path: Path
    layers: tuple[Layer, ...]

    def rasterise(self, height: int, width: int, orientation: int = 1) -> np.ndarray:
        """Class ids uint8 [height, width].

        A mask of the stored, unrotated size is turned with its image. If both sizes are the same (square, or turned by
        180 degrees), the mask is taken as shown. Raises DataError for another size.
        """
        whole: np.ndarray | None = None
        for layer in self.layers:
            ids = _ids_of(layer)
            if ids.shape != (height, width) and orientation in (5, 6, 7, 8) and ids.shape == (width, height):
                ids = upright(ids, orientation)
            if ids.shape != (height, width):
                raise DataError(
                    f"mask {layer.path} is {ids.shape[1]}x{ids.shape[0]} pixels, but its image {self.image_path} is "
                    f"{width}x{height}; save masks at the size of their images"
                )
            if layer.class_id is not None:
                ids = np.where((ids > 0) & (ids != VOID), np.uint8(layer.class_id), ids)
            whole = ids if whole is None else np.where(ids > 0, ids, whole)
        assert whole is not None
        return whole

    def outside(self, height: int, width: int) -> tuple[int, ...]:
        return ()


def _ids_of(layer: Layer) -> np.ndarray:
    path, meaning = layer.path, layer.meaning
    if layer.runs is not None:
        return layer.runs.pixels(np.frombuffer(meaning.table, np.uint8))
    pixels = mask_pixels(path)
    channel, source, colours = channel_of(pixels, path)
    if meaning.source == COLOUR or meaning.brightest:
        if colours is None:
            colours = (
                palette_pixels(channel, pixels.palette)
                if source == INDEX and pixels.palette is not None
                else np.repeat(_narrow(channel, path)[..., None], 3, axis=2)
            )
        if meaning.brightest:
            ids = np.frombuffer(meaning.table, np.uint8)[colours.max(axis=2)]
        else:
            ids = _any_colour(colours, meaning.colours) if meaning.any_value else _nearest(colours, meaning.colours)
        return upright(ids, pixels.pending)
    if colours is not None:
        raise DataError(f"mask {path} is painted in colours while the others are not")
    if meaning.source == VALUE and source == INDEX and pixels.palette is not None:
        channel = palette_pixels(channel, pixels.palette)[..., 0]  # black and white, by colour
    assert source != ALPHA or meaning.source == ALPHA or not channel.any()
    table = np.frombuffer(meaning.table, np.uint8)
    if meaning.any_value and channel.dtype != np.uint8:
        ids = np.where(channel > 255, np.uint8(1), table[np.minimum(channel, 255)])
    else:
        ids = cv2.LUT(_narrow(channel, path), table)
    return upright(ids, pixels.pending)


def _narrow(channel: np.ndarray, path: Path) -> np.ndarray:
    if channel.dtype != np.uint8:
        raise DataError(f"mask {path} holds values up to {int(channel.max())}; class ids end at 254")
    return channel


def _any_colour(colours: np.ndarray, known: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Class 1 wherever the colour is not a known one."""
    keys = pack(colours)
    ids = np.ones(keys.shape, np.uint8)
    for key, number in known:
        ids[keys == key] = number
    return ids


def _nearest(colours: np.ndarray, known: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Class ids by exact colour, and for what has none of them by the nearest in RGB."""
    keys = pack(colours)
    order = sorted(known)
    values, ids = np.array([key for key, _ in order]), np.array([number for _, number in order], np.uint8)
    index = np.minimum(np.searchsorted(values, keys), len(values) - 1)
    found = ids[index]
    strange = values[index] != keys
    if strange.any():
        table = np.stack([values >> 16 & 255, values >> 8 & 255, values & 255], axis=1).astype(np.int32)
        odd, back = np.unique(keys[strange], return_inverse=True)
        channels = np.stack([odd >> 16 & 255, odd >> 8 & 255, odd & 255], axis=1).astype(np.int32)
        distance = ((channels[:, None, :] - table[None]) ** 2).sum(axis=2)
        found[strange] = ids[distance.argmin(axis=1)][back]
    return found
