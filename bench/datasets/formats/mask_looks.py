"""What one mask file holds, before anybody decides what it means: values or colours, and which of them have an area."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from bench.datasets.images import Pixels, mask_pixels
from bench.datasets.runs import Runs, runs_of
from bench.errors import DataError

Colour = tuple[int, int, int]

VALUE, INDEX, COLOUR, ALPHA = "value", "index", "colour", "alpha"
"""Where a mask file says what a pixel is: in one channel, in palette indices, in colours, or in its transparency."""

MANY = 1024
"""Colours that are still told apart."""
_SMALL, _FEW = 127, 16

_PHOTOGRAPH_VALUES, _PHOTOGRAPH_RUN = 64, 4
"""A file of more values or colours is a photograph if its runs of equal pixels are shorter than this on average."""

_FLAT = 32
"""Greys that compression spreads within three pixels of an area; across the edge of white it is more."""

_SOLID = np.ones((3, 3), np.uint8)
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskLook:
    """What one mask file holds, before it is decided what its values mean.

    - `counts` are the pixels of each value (of `source` COLOUR: of each colour that has an area, or of all if none
      has).
    - `solid` are the values with an area, 3x3 pixels of one value. A painted value has one, the greys of a soft edge
      have none.
    - `palette` has the colour of each index in use.
    - `lossy` names a compression that changes values.
    - `middle_share` is, of a lossy file, the fraction of its pixels above dark that lies in areas of middle grey.
    - `runs` are the pixels of a flat file of one channel, so that it is decoded once.
    """

    path: Path
    source: str
    counts: Mapping[int, int]
    solid: frozenset[int] = frozenset()
    palette: Mapping[int, Colour] = field(default_factory=dict)
    lossy: str | None = None
    middle_share: float = 0.0
    photograph: bool = False
    pages: int = 1
    runs: Runs | None = field(default=None, repr=False, compare=False)

    @property
    def blank(self) -> bool:
        """Nothing but 0: it says nothing about what the others mean."""
        return not any(self.counts.keys() - {0})

    def colours(self) -> dict[int, int]:
        """Pixels of each packed colour, whatever the source."""
        if self.source == COLOUR:
            return dict(self.counts)
        as_colour = self.palette if self.source == INDEX else {v: (min(v, 255),) * 3 for v in self.counts}
        found: dict[int, int] = {}
        for value, count in self.counts.items():
            key = packed(as_colour[value])
            found[key] = found.get(key, 0) + count
        return found

    def solid_colours(self) -> set[int]:
        if self.source == COLOUR:
            return set(self.solid)
        as_colour = self.palette if self.source == INDEX else {v: (min(v, 255),) * 3 for v in self.counts}
        return {packed(as_colour[value]) for value in self.solid}


def packed(colour: Colour) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def hex_of(colour: int) -> str:
    """#rrggbb"""
    return f"#{colour:06x}"


def look_at(path: Path) -> MaskLook:
    """Decodes a mask. Raises UnreadableImageError, and DataError for values that no mask of classes has."""
    pixels = mask_pixels(path)
    channel, source, colours = channel_of(pixels, path)
    look = (
        _look_at_colours(path, colours, pixels.lossy)
        if colours is not None
        else _look_at_channel(path, channel, source, pixels)
    )
    return replace(look, pages=pixels.pages) if pixels.pages > 1 else look


def _look_at_channel(path: Path, channel: np.ndarray, source: str, pixels: Pixels) -> MaskLook:
    lossy = pixels.lossy
    runs = runs_of(channel)
    total = runs.counts()
    counts = {value: int(total[value]) for value in np.flatnonzero(total).tolist()}
    kept = runs if runs.is_flat and channel.dtype == np.uint8 and pixels.pending == 1 else None
    if source == INDEX:
        assert pixels.palette is not None
        palette = {value: _palette_colour(pixels.palette, value) for value in counts}
        return MaskLook(
            path=path, source=INDEX, counts=counts, solid=_solid_values(channel), palette=palette, runs=kept
        )
    values = counts.keys() - {0}  # a few small ids need no second look, nor do 0 and 255
    needs_areas = values != {255} and (lossy or max(values, default=0) > _SMALL or len(values) > _FEW)
    return MaskLook(
        path=path,
        source=source,
        counts=counts,
        solid=_solid_values(channel) if needs_areas else frozenset(counts),
        lossy=lossy,
        middle_share=_middle_share(channel) if lossy and needs_areas else 0.0,
        photograph=_is_busy(len(counts), runs),
        runs=kept,
    )


def channel_of(pixels: Pixels, path: Path) -> tuple[np.ndarray, str, np.ndarray | None]:
    """(one channel [H, W], its source, None); a mask that tells classes by colour has uint8 [H, W, 3] as the last."""
    stored, mode = pixels.stored, pixels.mode
    if mode in ("LA", "RGBA"):
        colour, alpha = stored[..., :-1], stored[..., -1]
        opaque = alpha == alpha.max(initial=0)
        if not opaque.all() and _is_flat(colour, opaque):
            return _to_integers(alpha, path), ALPHA, None
        if not opaque.all():  # what cannot be seen is background
            colour = np.where((alpha > 0)[..., None], colour, 0)
        stored = colour
    if stored.ndim == 3 and stored.shape[2] == 1:
        stored = stored[..., 0]
    if stored.ndim == 3:
        if bool((stored[..., 0] == stored[..., 1]).all() and (stored[..., 0] == stored[..., 2]).all()):
            stored = stored[..., 0]
        else:
            return stored[..., 0], COLOUR, _to_integers(stored, path).astype(np.uint8)
    return _to_integers(stored, path), INDEX if mode == "P" else VALUE, None


def palette_pixels(channel: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """The colours of palette indices, uint8 [H, W, 3]."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette[:256]
    return table[channel]


def pack(colours: np.ndarray) -> np.ndarray:
    """uint8 [..., 3] as one number for each colour, int32."""
    wide = colours.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def _is_flat(colour: np.ndarray, seen: np.ndarray) -> bool:
    """Whether all that can be seen has one colour, so that only transparency tells anything."""
    shown = colour[seen]
    return len(shown) == 0 or bool((shown == shown[0]).all())


def _to_integers(values: np.ndarray, path: Path) -> np.ndarray:
    """uint8, or uint16 where values are above 255 and are not 8 bit stretched to 16."""
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise DataError(f"mask {path} holds values that are no numbers (NaN or infinite)")
        top = values.max(initial=0)
        values = values * 255 if 0 < top <= 1 and bool((values % 1 > 0).any()) else values
        values = np.round(values)
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < 0 or high > 65535:
        raise DataError(f"mask {path} holds values from {low} to {high}; a mask needs class ids from 0 to 255")
    wide = values.astype(np.uint16)
    if high > 255 and bool((wide % 257 == 0).all()):
        wide = wide // 257
    return wide.astype(np.uint8) if wide.max(initial=0) <= 255 else wide


def _solid_values(channel: np.ndarray) -> frozenset[int]:
    flat = channel[_solid_pixels(channel)]
    return frozenset(np.flatnonzero(np.bincount(flat)).tolist()) if flat.size else frozenset()


def _solid_pixels(channel: np.ndarray) -> np.ndarray:
    same = cv2.erode(channel, _SOLID) == cv2.dilate(channel, _SOLID)
    return same if same.ndim == 2 else same.all(axis=2)


def _middle_share(channel: np.ndarray) -> float:
    """Compression leaves greys at the edges of white; classes leave areas of grey."""
    if channel.dtype != np.uint8:
        return 1.0
    smooth = cv2.blur(channel, (3, 3))
    spread = cv2.subtract(cv2.dilate(smooth, _SOLID), cv2.erode(smooth, _SOLID))
    middle = (smooth > 48) & (smooth < 208) & (spread <= _FLAT)
    return float(middle.sum() / max(1, (channel > 48).sum()))


def _look_at_colours(path: Path, colours: np.ndarray, lossy: str | None) -> MaskLook:
    keys = pack(colours)
    runs = runs_of(keys)
    if _is_busy(len(np.unique(runs.values)), runs):
        return MaskLook(path=path, source=COLOUR, counts=_distinct(keys.ravel()), lossy=lossy, photograph=True)
    if lossy:
        return _look_at_lossy_colours(path, colours, lossy)
    in_area = _solid_pixels(np.ascontiguousarray(colours))
    solid = _distinct(keys[in_area])
    counted = solid if solid.keys() - {0} else _distinct(keys.ravel())
    return MaskLook(path=path, source=COLOUR, counts=counted, solid=frozenset(solid))


def _is_busy(num_values: int, runs: Runs) -> bool:
    """Whether it is a photograph: many values, and hardly two neighbours have the same."""
    return num_values > _PHOTOGRAPH_VALUES and len(runs.lengths) * _PHOTOGRAPH_RUN > runs.height * runs.width


def _look_at_lossy_colours(path: Path, colours: np.ndarray, lossy: str) -> MaskLook:
    """Which of the three channels are strong, as a colour of 0 and 255 each."""
    strong = (colours > max(127, int(colours.max(initial=0)) // 2)) @ np.array([4, 2, 1])
    painted = np.bincount(strong.ravel(), minlength=8)
    shares = painted[1:] / max(1, painted[1:].sum())
    counts = {0: int(painted[0])} if painted[0] else {}
    for row, share in enumerate(shares.tolist(), start=1):
        if share > 0.02:
            counts[packed((255 * (row >> 2 & 1), 255 * (row >> 1 & 1), 255 * (row & 1)))] = int(painted[row])
    return MaskLook(path=path, source=COLOUR, counts=counts, solid=frozenset(counts), lossy=lossy)


def _distinct(keys: np.ndarray) -> dict[int, int]:
    """Pixels of each colour of a row of them, from its runs: masks are flat, so there are few."""
    if not keys.size:
        return {}
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    lengths = np.diff([*starts.tolist(), keys.size])
    values, row_of = np.unique(keys[starts], return_inverse=True)
    sums = np.bincount(row_of, lengths)
    return {int(value): int(total) for value, total in zip(values[:MANY], sums[:MANY], strict=True)}


def _palette_colour(palette: np.ndarray, value: int) -> Colour:
    if value >= len(palette):
        return _BLACK
    red, green, blue = palette[value].tolist()
    return red, green, blue
