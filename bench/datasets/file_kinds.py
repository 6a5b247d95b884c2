"""What an image file is: a lossy kind of file, several pages, and BMP files that Pillow decodes wrongly."""

import cv2
import numpy as np
from PIL import Image

_LOSSY = {"JPEG": "JPEG", "MPO": "JPEG", "JPEG2000": "JPEG 2000"}
_START_OF_SCAN = b"\xff\xda"
_BMP_OFFSET, _BMP_BITS, _BMP_COMPRESSION = slice(10, 14), slice(28, 30), slice(30, 34)


def lossy_kind(file: Image.Image, content: bytes) -> str | None:
    """The name of a compression that changes values; None for one that keeps them, lossless WebP included."""
    if file.format == "WEBP":
        return None if _is_lossless_webp(content) else "WebP"
    if file.format == "TIFF":
        return "JPEG in a TIFF" if "jpeg" in str(file.info.get("compression")) else None
    return _LOSSY.get(str(file.format))


MOST_PAGES = 1000
"""Pages of a TIFF that are counted at the most: Pillow's time grows with the square of their number."""

MOST_SCANS = 500
"""Of a JPEG. A camera's progressive one has ten; each covers the whole image, however few bytes it has."""


def pages_of(file: Image.Image) -> int:
    """How many images are in a file, of a TIFF up to `MOST_PAGES`; the first is to be read afterwards."""
    if file.format != "TIFF":
        return int(getattr(file, "n_frames", 1))
    count = 1
    try:
        while count < MOST_PAGES:
            file.seek(count)
            count += 1
    except EOFError:
        pass
    file.seek(0)
    return count


def refuse_many_scans(file: Image.Image, content: bytes) -> None:
    """Raises ValueError for a JPEG that would be decoded for minutes."""
    if file.format in ("JPEG", "MPO") and content.count(_START_OF_SCAN) > MOST_SCANS:
        raise ValueError(f"it has more than {MOST_SCANS} scans, which no camera writes; save it as PNG")


def two_colour_bmp(file: Image.Image, content: bytes) -> np.ndarray | None:
    """The pixels of a BMP of 4 or 8 bits a pixel with a black and white palette, uint8 [H, W] of 0 and 255.

    Pillow unpacks it as if it had one bit a pixel. None for every other file. Raises ValueError for a truncated one.
    """
    if file.format != "BMP" or file.mode != "1":
        return None
    offset, bits, compression = (
        int.from_bytes(content[field], "little") for field in (_BMP_OFFSET, _BMP_BITS, _BMP_COMPRESSION)
    )
    if bits == 1 or compression:
        return None
    if len(content) < offset + (file.width * bits + 31) // 32 * 4 * file.height:
        raise ValueError("image file is truncated")
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)


def _is_lossless_webp(content: bytes) -> bool:
    """Whether the first image in it is a VP8L chunk (RFC 9649, section 2.3)."""
    offset = 12
    while offset + 8 <= len(content):
        kind, size = content[offset : offset + 4], int.from_bytes(content[offset + 4 : offset + 8], "little")
        if kind == b"ANMF":  # a frame of an animation: 16 bytes, then chunks of its own
            offset += 24
        elif kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8L"
        else:
            offset += 8 + size + size % 2
    return False
