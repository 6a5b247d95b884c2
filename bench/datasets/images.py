"""Files to pixels: upright, 8 bit, complete. What cannot be decoded whole raises `UnreadableImageError`.

Pillow decodes, because it notices a truncated file where OpenCV fills the rest with grey and says nothing.
"""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from bench.datasets.dataset import Sample
from bench.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_ORIENTATION_TAG = 0x0112
_TIFF_MAGIC = (b"II*\0", b"MM\0*")


class UnreadableImageError(DataError):
    """A file that should hold an image and cannot be decoded completely."""


def list_images(folder: Path) -> list[Path]:
    """The image files directly in `folder`, by suffix, sorted by name. Raises DataError for a name that no record could hold."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    for path in found:
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise DataError(f"file name {path.name!a} in {folder} is not UTF-8; rename it") from None
    return found


def decode(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """One sample's pixels, upright: image uint8 RGB [H, W, 3] and class ids uint8 [H, W].

    Raises UnreadableImageError for a broken file and DataError for an annotation that does not fit its image.
    """
    image, orientation = read_image(sample.image_path)
    return image, sample.annotation.rasterise(image.shape[0], image.shape[1], orientation)


def read_image(path: Path) -> tuple[np.ndarray, int]:
    """The image as it is shown, uint8 RGB [H, W, 3], and the EXIF orientation 1-8 that was applied to it.

    Transparency is laid over white, as annotation tools show it. 16-bit grey is scaled from its full range, or from 12 bit
    where the values end at 4095, and kept where they end at 255. Raises UnreadableImageError.
    """
    pixels, mode, orientation, pending = _decode_file(path)
    return upright(_to_rgb(pixels, mode), pending), orientation


def read_mask(path: Path) -> np.ndarray:
    """The values of a mask file, uint8 [H, W], upright by its own EXIF orientation.

    A palette image gives its indices, colour the brightest channel, transparency is dropped, 16 bit is divided by 257 where
    values are above 255. Raises UnreadableImageError, and DataError for a mask that tells classes by colour.
    """
    pixels, mode, _, pending = _decode_file(path, keep_palette=True)
    if mode in ("LA", "RGBA"):
        pixels = pixels[..., :-1]
    if pixels.ndim == 3:
        pixels = _one_colour(pixels, path)
    if pixels.dtype != np.uint8:
        high = pixels.max(initial=0)
        pixels = np.round(pixels / 257) if high > 255 else pixels
        pixels = pixels * 255 if pixels.dtype.kind == "f" and 0 < high <= 1 else pixels
        pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    return upright(pixels, pending)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels [H, W, ...] turned to how EXIF orientation 1-8 shows them (5-8 swap height and width)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _one_colour(pixels: np.ndarray, path: Path) -> np.ndarray:
    """The brightest channel of a mask painted in one colour, [H, W]."""
    strong = (pixels > pixels.max(initial=0) / 2) @ np.array([1, 2, 4])
    painted = np.bincount(strong.ravel(), minlength=8)[1:]
    if np.count_nonzero(painted > 0.02 * painted.sum()) > 1:
        raise DataError(f"mask {path} is painted in several colours; save class ids (0 is background) in one channel")
    return pixels.max(axis=2)


def _decode_file(path: Path, *, keep_palette: bool = False) -> tuple[np.ndarray, str, int, int]:
    """Stored pixels, Pillow's name of their mode, the EXIF orientation, and the part of it not yet applied."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"cannot read image {path}: {error.strerror}") from error
    try:
        with Image.open(io.BytesIO(content)) as file:
            orientation = _orientation(file)
            file.load()
            pending = _orientation(file)  # Pillow turns a TIFF by itself and then drops the tag
            picture = _in_known_mode(file, keep_palette)
            pixels = np.asarray(picture)
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more
        deep = _decode_deep_tiff(content) if content[:4] in _TIFF_MAGIC else None
        if deep is not None:
            return deep, "RGBA" if deep.shape[-1] == 4 else "RGB", 1, 1
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = "not an image" if content else "the file is empty"
        raise UnreadableImageError(f"cannot read image {path}: {reason}") from error
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * np.uint8(1 if keep_palette else 255)
    return pixels, picture.mode, orientation, pending


def _in_known_mode(picture: Image.Image, keep_palette: bool) -> Image.Image:
    if picture.mode == "P" and not keep_palette:
        return picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    if picture.mode in ("1", "L", "P", "LA", "RGB", "RGBA", "F", "I") or picture.mode.startswith("I;"):
        return picture
    return picture.convert("RGBA" if picture.mode in ("PA", "La", "RGBa") else "RGB")


def _decode_deep_tiff(content: bytes) -> np.ndarray | None:
    """RGB(A) of a TIFF with 16 bit a channel, which Pillow does not know."""
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3:
        return None
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def _orientation(picture: Image.Image) -> int:
    value = picture.getexif().get(_ORIENTATION_TAG, 1)
    return value if value in range(1, 9) else 1


def _to_rgb(pixels: np.ndarray, mode: str) -> np.ndarray:
    if pixels.dtype != np.uint8:
        pixels = _to_8_bit(pixels)
    if mode in ("LA", "RGBA"):
        alpha = pixels[..., -1:].astype(np.uint16)
        colour = pixels[..., :-1]
        pixels = (
            colour if alpha.min() == 255 else ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
        )
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)


def _to_8_bit(pixels: np.ndarray) -> np.ndarray:
    high = float(pixels.max(initial=0))
    if pixels.dtype.kind == "f":
        full = 1.0 if high <= 1 else 255.0
    else:
        full = 255.0 if high <= 255 else 4095.0 if high <= 4095 else 65535.0
    return np.clip(np.round(pixels * (255 / full)), 0, 255).astype(np.uint8)
