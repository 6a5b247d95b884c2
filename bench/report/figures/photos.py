"""Pixels for the page: small pictures as data URIs, outlines of masks, masks with few bits a pixel."""

import base64
import io

import numpy as np

SIDE_PX = 192
"""The longer side of a picture in the page."""

OUTLINE = (255, 255, 255)


def webp(pixels: np.ndarray, quality: int = 62) -> str:
    """RGB uint8 [H, W, 3] as a data URI, scaled down to SIDE_PX."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="webp", quality=quality, method=5)
    return _uri("image/webp", buffer)


def mask_step(num_classes: int) -> int:
    """The grey of class 1 in `mask_png`; class n has n times as much."""
    return 255 // max(1, num_classes)


def mask_png(mask: np.ndarray, num_classes: int) -> str:
    """Class ids uint8 [H, W] as the data URI of a PNG with a grey for each class, of one bit a pixel where there is
    one class."""
    from PIL import Image

    picture = Image.fromarray(mask)
    side = min(1.0, SIDE_PX / max(mask.shape))
    size = (max(1, round(mask.shape[1] * side)), max(1, round(mask.shape[0] * side)))
    picture = picture.resize(size, Image.Resampling.NEAREST)
    picture.putpalette([level * mask_step(num_classes) for level in range(num_classes + 1) for _ in "rgb"])
    buffer = io.BytesIO()
    picture.save(
        buffer,
        format="png",
        optimize=True,
        bits=1 if num_classes == 1 else 2 if num_classes < 4 else 4 if num_classes < 16 else 8,
    )
    return _uri("image/png", buffer)


def outlined(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture with a white line around its foreground, of two pixels in 192."""
    from scipy import ndimage

    foreground = mask > 0
    width = max(1, round(max(mask.shape) / 96))
    edge = ndimage.binary_dilation(foreground, iterations=width) & ~foreground
    drawn = pixels.copy()
    drawn[edge] = OUTLINE
    return drawn


def without_padding(pixels: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The part of [H, W] or [H, W, 3] in which pixels count."""
    rows, columns = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    if not rows.size:
        return pixels
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _uri(kind: str, buffer: io.BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
