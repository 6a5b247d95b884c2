"""Files to pixels: upright, 8 bit, complete. What cannot be decoded whole raises `UnreadableImageError`.

Pillow decodes, because it notices a truncated file, while OpenCV fills the rest with grey and reports nothing. OpenCV
decodes only what Pillow has no mode for: colour with 16 bit a channel, of which Pillow keeps the upper byte.
"""

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from bench.datasets.dataset import Sample
from bench.datasets.file_kinds import lossy_kind, pages_of, refuse_many_scans, two_colour_bmp
from bench.errors import DataError
from bench.records import ValueRange

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".pgm", ".ppm", ".jp2")
"""Of image files, whatever their case."""

PIXEL_LIMIT = 300_000_000
"""Pixels of the largest image that is read; decoding takes about six bytes a pixel, 1.8 GB.

Pillow's own limit protects web servers from small files that unpack to huge images. Cameras and scanners deliver larger
images than it allows.
"""

CONVERTED_PIXEL_LIMIT = PIXEL_LIMIT // 2
"""Of images with transparency, of four inks and others that are converted: 12 bytes a pixel."""

BUFFERED_PIXEL_LIMIT = PIXEL_LIMIT // 3
"""Of WebP and JPEG 2000, whose decoders keep buffers of their own: 20 bytes a pixel."""

DEEP_PIXEL_LIMIT = PIXEL_LIMIT // 4
"""Of images with more than 8 bit a channel: while they are scaled, they take up to 24 bytes a pixel."""

_ORIENTATION_TAG = 0x0112
_TIFF_MAGIC = (b"II*\0", b"MM\0*")
_WIDTH, _HEIGHT, _BITS, _SAMPLES, _EXTRA_SAMPLES = 256, 257, 258, 277, 338
_ALPHA = (1, 2)
_PIXELS_AT_ONCE = 2**22

cv2.utils.logging.setLogLevel(
    cv2.utils.logging.LOG_LEVEL_ERROR
)  # errors: what OpenCV thinks of a TIFF's tags is said by the audit, once
Image.MAX_IMAGE_PIXELS = PIXEL_LIMIT  # Pillow has no other setting; `_refuse_huge` says more than Pillow's error


class UnreadableImageError(DataError):
    """A file that should hold an image and cannot be decoded completely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file says about its image before any pixel is decoded.

    `deep`: more than 8 bit a channel, or floating point. `extra_band`: the file has a fourth band and does not call it
    transparency.
    """

    width: int
    height: int
    deep: bool
    extra_band: bool
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """Pixels as they are stored, [H, W] or [H, W, channels], and Pillow's name of their mode.

    `pending` is the part of the EXIF `orientation` that is not applied to them yet. `palette` is uint8 [n, 3] for mode
    P. `lossy` names a compression that changes values. `pages` are counted for masks; the first is read.
    """

    stored: np.ndarray
    mode: str
    orientation: int
    pending: int
    palette: np.ndarray | None = None
    lossy: str | None = None
    pages: int = 1


def is_image_file(path: Path) -> bool:
    """Whether a path has the suffix of an image and is no hidden file (macOS writes a `._` copy to foreign disks)."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def list_images(folder: Path) -> list[Path]:
    """The image files directly in `folder`, sorted by name. Raises DataError for a name that records cannot hold."""
    found = sorted(path for path in folder.iterdir() if is_image_file(path) and path.is_file())
    for path in found:
        require_utf8(path)
    return found


def require_utf8(path: Path) -> None:
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise DataError(f"file name {path.name!a} in {path.parent} is not UTF-8; rename it") from None


def decode(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """One sample's pixels, upright: image uint8 RGB [H, W, 3] and class ids uint8 [H, W], 255 for void.

    Raises UnreadableImageError for a broken file and DataError for an annotation that does not fit its image.
    """
    image, orientation = read_image(sample.image_path, sample.value_range)
    return image, sample.annotation.rasterise(image.shape[0], image.shape[1], orientation)


def read_image(path: Path, value_range: ValueRange | None = None) -> tuple[np.ndarray, int]:
    """The image as it is shown, uint8 RGB [H, W, 3], and the EXIF orientation 1-8 that was applied to it.

    Transparency is laid over white, as annotation tools show it. Values of more than 8 bit are scaled from
    `value_range` (that of the whole data set). Without one, 16-bit grey is scaled from its full range, or from 12 bit
    if the values end at 4095, and kept if they end at 255. A LabelMe JSON gives the image that is stored in it. Raises
    UnreadableImageError.
    """
    pixels = read_pixels(path)
    return upright(_to_rgb(pixels.stored, pixels.mode, value_range), pixels.pending), pixels.orientation


def read_header(path: Path) -> Header:
    """The header of an image.

    Raises UnreadableImageError if Pillow knows none, or if it states more than PIXEL_LIMIT pixels.
    """
    try:
        with Image.open(path) as file:
            bands = _extra_band(file)
            return Header(
                width=file.width,
                height=file.height,
                deep=_is_deep(file),
                extra_band=bands,
                pages=pages_of(file),
            )
    except Exception as error:
        if path.suffix.lower() in (".tif", ".tiff"):
            tags = _tiff_tags(_bytes_of(path))
            if _WIDTH in tags and _HEIGHT in tags:
                extra = tags.get(_SAMPLES, 1) >= 4 and not _says_alpha(tags)
                return Header(width=tags[_WIDTH], height=tags[_HEIGHT], deep=True, extra_band=extra, pages=1)
        raise UnreadableImageError(f"cannot read image {path}: {_reason(error, True)}") from error


def read_pixels(path: Path) -> Pixels:
    """The stored pixels of an image, or of a mask: a palette keeps its indices in a mask, see `mask_pixels`."""
    return _decode_file(path, keep_palette=False)


def mask_pixels(path: Path) -> Pixels:
    """The same with the indices and colours of a palette."""
    return _decode_file(path, keep_palette=True)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels [H, W, ...] turned to how EXIF orientation 1-8 shows them (5-8 swap height and width)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _decode_file(path: Path, *, keep_palette: bool) -> Pixels:
    content = _bytes_of(path)
    deep, palette = False, None
    try:
        with Image.open(io.BytesIO(content)) as file:
            deep = _is_deep(file)
            _refuse_huge(file.width, file.height, _pixel_limit(file, deep))
            refuse_many_scans(file, content)
            orientation, extra = _orientation(file), _extra_band(file)
            lossy, pages = lossy_kind(file, content), pages_of(file) if keep_palette else 1
            two_colours = two_colour_bmp(file, content)
            deep_colour = deep and file.mode in ("RGB", "RGBA", "RGBX")
            file.load()
            pending = _orientation(file)  # Pillow turns a TIFF by itself and then drops the tag
            if file.mode == "P" and keep_palette:
                palette = np.array(file.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
            image = _in_known_mode(file, keep_palette, extra)
            pixels, mode = np.asarray(image), image.mode
            if two_colours is not None:
                pixels, mode = two_colours, "L"
            if deep_colour:
                pixels, mode = _deep_colour(content, mode), "RGBA" if mode == "RGBA" else "RGB"
                pending = orientation
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more
        if content[:4] in _TIFF_MAGIC and not deep and not isinstance(error, _TooLargeError):
            unknown_mode = _decode_unknown_tiff(path, content)
            if unknown_mode is not None:
                return unknown_mode
        raise UnreadableImageError(f"cannot read image {path}: {_reason(error, bool(content))}") from error
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * np.uint8(1 if keep_palette else 255)
    return Pixels(
        stored=pixels,
        mode=mode,
        orientation=orientation,
        pending=pending,
        palette=palette,
        lossy=lossy,
        pages=pages,
    )


class _TooLargeError(Exception):
    pass


def _pixel_limit(file: Image.Image, deep: bool) -> int:
    if deep:
        return DEEP_PIXEL_LIMIT
    if file.format in ("WEBP", "JPEG2000"):
        return BUFFERED_PIXEL_LIMIT
    is_plain = file.mode in ("1", "L", "P", "RGB") and "transparency" not in file.info
    return PIXEL_LIMIT if is_plain else CONVERTED_PIXEL_LIMIT


def _refuse_huge(width: int, height: int, limit: int) -> None:
    if width * height > limit:
        of = {DEEP_PIXEL_LIMIT: " of more than 8 bit", PIXEL_LIMIT: ""}.get(limit, " of such a kind")
        raise _TooLargeError(
            f"{width}x{height} pixels are more than the {limit // 10**6} million{of} that are read; "
            "cut it into tiles, or shrink it with its mask"
        )


def _reason(error: Exception, has_content: bool) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image" if has_content else "the file is empty"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {PIXEL_LIMIT // 10**6} million pixels; cut it into tiles, or shrink it with its mask"
    return " ".join(str(error).split()) or type(error).__name__


def _bytes_of(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"cannot read image {path}: {error.strerror}") from error
    return _embedded_image(path, content) if path.suffix.lower() == ".json" else content


def _embedded_image(path: Path, content: bytes) -> bytes:
    """The image that LabelMe stores in its JSON."""
    try:
        return base64.b64decode(json.loads(content)["imageData"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableImageError(f"cannot read the picture in {path}: imageData is no base64") from error


def _in_known_mode(image: Image.Image, keep_palette: bool, extra_band: bool) -> Image.Image:
    if image.mode == "P" and not keep_palette:
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode == "RGBA" and extra_band:
        return image.convert("RGB")
    if image.mode in ("1", "L", "P", "LA", "RGB", "RGBA", "F", "I") or image.mode.startswith("I;"):
        return image
    return image.convert("RGBA" if image.mode in ("PA", "La", "RGBa") else "RGB")


def _is_deep(file: Image.Image) -> bool:
    """Before pixels are loaded: the decoder's name of their layout ends in ;16 and the like."""
    if file.mode in ("I", "F") or file.mode.startswith("I;"):
        return True
    return any(";16" in str(tile[3]) for tile in getattr(file, "tile", ()))


def _extra_band(file: Image.Image) -> bool:
    """Whether a fourth band of a TIFF is not said to be transparency."""
    tags = getattr(file, "tag_v2", None)
    if tags is None or tags.get(_SAMPLES, 1) < 4 or file.mode in ("CMYK", "LAB"):
        return False
    return not _says_alpha(tags)


def _says_alpha(tags: Any) -> bool:
    extra = tags.get(_EXTRA_SAMPLES, ())
    return any(value in _ALPHA for value in (extra if isinstance(extra, tuple) else (extra,)))


def _deep_colour(content: bytes, mode: str) -> np.ndarray:
    """uint16 [H, W, 3 or 4] in Pillow's order of a file that Pillow has found to be complete."""
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3:
        raise ValueError("16-bit colour of this kind is not read; save it as 8-bit PNG")
    return pixels[..., [2, 1, 0, 3] if mode == "RGBA" and pixels.shape[2] == 4 else [2, 1, 0]]


def _decode_unknown_tiff(path: Path, content: bytes) -> Pixels | None:
    """A TIFF of a mode that Pillow does not have, such as floating point colour, by OpenCV; None if that fails too."""
    tags = _tiff_tags(content)
    if not (_WIDTH in tags and _HEIGHT in tags):
        return None
    try:
        _refuse_huge(tags[_WIDTH], tags[_HEIGHT], DEEP_PIXEL_LIMIT)  # OpenCV would unpack it whatever it takes
    except (_TooLargeError, TypeError) as error:
        raise UnreadableImageError(f"cannot read image {path}: {error}") from error
    if tags.get(_SAMPLES, 1) > 4:
        raise UnreadableImageError(
            f"cannot read image {path}: it has {tags[_SAMPLES]} bands; save the three to train on as an RGB picture"
        )
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        return None
    if pixels.ndim == 2:
        return Pixels(stored=pixels, mode="F" if pixels.dtype.kind == "f" else "I", orientation=1, pending=1)
    alpha = pixels.shape[2] == 4 and _says_alpha(tags)
    order = [2, 1, 0, 3] if alpha else [2, 1, 0]
    return Pixels(stored=pixels[..., order], mode="RGBA" if alpha else "RGB", orientation=1, pending=1)


def _tiff_tags(content: bytes) -> dict[int, Any]:
    """The numbers and tuples of numbers of a TIFF's first directory; empty where it has none."""
    try:
        directory = ImageFileDirectory_v2(content[:8])
        stream = io.BytesIO(content)
        stream.seek(directory.next)
        directory.load(stream)
        return {tag: value for tag in directory if isinstance(value := directory[tag], int | tuple)}
    except Exception:  # whatever a broken directory makes the parser do
        return {}


def _orientation(image: Image.Image) -> int:
    """1 if there is no EXIF block, or one that cannot be read: viewers show such an image, too."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # Pillow's parser raises whatever it likes
        return 1
    return value if value in range(1, 9) else 1


def _to_rgb(pixels: np.ndarray, mode: str, value_range: ValueRange | None) -> np.ndarray:
    if pixels.dtype != np.uint8:
        full = 65535.0 if pixels.dtype == np.uint16 else 1.0
        colour = _to_8_bit(pixels[..., :-1] if mode == "RGBA" else pixels, value_range)
        if mode == "RGBA":  # transparency is a share, not a brightness
            alpha_8 = np.clip(np.round(pixels[..., -1:] * (255 / full)), 0, 255).astype(np.uint8)
            colour = np.concatenate([colour, alpha_8], axis=2)
        pixels = colour
    if mode in ("LA", "RGBA"):
        colour, alpha = pixels[..., :-1], pixels[..., -1:]
        pixels = colour if alpha.min() == 255 else _over_white(colour, alpha)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)


def _over_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Some rows at a time: what is computed with takes more than eight bytes a pixel."""
    shown = np.empty_like(colour)
    rows = max(1, _PIXELS_AT_ONCE // max(1, colour.shape[1]))
    for first in range(0, len(colour), rows):
        part = slice(first, first + rows)
        share = alpha[part].astype(np.uint16)
        shown[part] = (colour[part] * share + 255 * (255 - share) + 127) // 255
    return shown


def _to_8_bit(pixels: np.ndarray, value_range: ValueRange | None) -> np.ndarray:
    """Numbers that are none count as the lowest value, infinite ones as the nearest end of the range."""
    if value_range is not None:
        low, high = value_range.low, value_range.high
    else:
        finite = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels
        low, top = 0.0, float(finite.max(initial=0))
        if pixels.dtype.kind == "f":
            high = 1.0 if top <= 1 else 255.0
        else:
            high = 255.0 if top <= 255 else 4095.0 if top <= 4095 else 65535.0
    values = np.nan_to_num(pixels.astype(np.float64), nan=low, posinf=high, neginf=low)
    return np.clip(np.round((values - low) * (255 / (high - low))), 0, 255).astype(np.uint8)
