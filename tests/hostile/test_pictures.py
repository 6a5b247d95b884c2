"""Pictures that nobody would save: each is read, or refused in one line, within its time and memory."""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bench.cli import main  # noqa: F401  imported once, before memory is watched
from bench.datasets.images import SUFFIXES, mask_pixels, read_header, read_image
from bench.errors import DataError
from tests.datasets.drawings import picture
from tests.hostile.mutations import CONTROL, TALLY, bounded, command_ends, ended, examples, failures_in, watched

DAMAGED = examples(180, 60)


def saved(image: Image.Image, form: str, **settings: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **settings)
    return file.getvalue()


def sound() -> dict[str, bytes]:
    """Pictures of many kinds, all of them whole, by file name."""
    colour = Image.fromarray(picture(seed=1))
    grey, deep = colour.convert("L"), (np.asarray(colour.convert("L")).astype(np.uint16) * 257)
    floating = np.asarray(colour).astype(np.float32) / 255
    palette, frames = colour.convert("P"), [colour.rotate(angle) for angle in (90, 180)]
    made = {f"plain.{form}": saved(colour, form) for form in ("png", "jpeg", "tiff", "webp", "gif", "bmp", "ppm")}
    exif = Image.Exif()
    exif[0x0112] = 6
    return made | {
        "grey.png": saved(grey, "png"),
        "bits.png": saved(colour.convert("1"), "png"),
        "alpha.png": saved(colour.convert("RGBA"), "png"),
        "palette.png": saved(palette, "png"),
        "clear.gif": saved(palette, "gif", transparency=0),
        "deep.png": saved(Image.fromarray(deep), "png"),
        "cmyk.jpg": saved(colour.convert("CMYK"), "jpeg"),
        "cmyk.tif": saved(colour.convert("CMYK"), "tiff"),
        "lab.tif": saved(colour.convert("LAB"), "tiff"),
        "turned.jpg": saved(colour, "jpeg", exif=exif),
        "floating.tif": cv2.imencode(".tiff", floating)[1].tobytes(),
        "nan.tif": saved(Image.fromarray(np.full((9, 9), np.nan, np.float32)), "tiff"),
        "inf.tif": saved(Image.fromarray(np.full((9, 9), np.inf, np.float32)), "tiff"),
        "animated.gif": saved(colour, "gif", save_all=True, append_images=frames),
        "animated.webp": saved(colour, "webp", save_all=True, append_images=frames),
        "animated.png": saved(colour, "png", save_all=True, append_images=frames),
        "thousands.tif": paged_tiff(5000),
        "pages.tif": saved(colour, "tiff", save_all=True, append_images=frames),
        "wide.png": saved(Image.new("L", (50_000, 40)), "png"),
        "tall.jpg": saved(Image.new("L", (3, 60_000)), "jpeg"),
        "one.png": saved(Image.new("L", (1, 1)), "png"),
        "wrong.jpg": saved(colour, "png"),
        "wrong.tif": saved(colour, "jpeg"),
    }


def png_of(width: int, height: int, content: bytes = b"", bits: int = 8, colour: int = 2) -> bytes:
    """A PNG whose header says what it likes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def tiff_of(width: int, height: int, *, bits: int = 8, samples: int = 1, form: int = 1, compression: int = 8) -> bytes:
    """A deflated TIFF of one strip, all of it zeros."""
    rows = min(height, 64)
    strip = zlib.compress(bytes(min(width * rows * samples * bits // 8, 2**24)))
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, compression), (262, 3, 1 if samples < 3 else 2),
        (273, 4, 8), (277, 3, samples), (278, 4, height), (279, 4, len(strip)), (339, 3, form),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags))
    for tag, kind, value in tags:
        directory += struct.pack("<HHII", tag, kind, 1, value)
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + directory + struct.pack("<I", 0)


def looping_tiff() -> bytes:
    """A directory whose next one is itself."""
    content = bytearray(tiff_of(4, 4))
    (place,) = struct.unpack_from("<I", content, 4)
    struct.pack_into("<I", content, len(content) - 4, place)
    return bytes(content)


def paged_tiff(count: int) -> bytes:
    """So many pages that share one strip."""
    content = bytearray(tiff_of(4, 4))
    (place,) = struct.unpack_from("<I", content, 4)
    directory, end = bytes(content[place:-4]), len(content)
    size = len(directory) + 4
    struct.pack_into("<I", content, end - 4, end)
    nexts = (end + (number + 1) * size if number + 1 < count else 0 for number in range(count))
    return bytes(content) + b"".join(directory + struct.pack("<I", place) for place in nexts)


def scanned_jpeg(count: int) -> bytes:
    """A progressive JPEG that refines its last bits so many times."""
    content = saved(Image.fromarray(picture()), "jpeg", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * count + b"\xff\xd9"


def stretched_jp2(width: int, height: int) -> bytes:
    """A JPEG 2000 whose headers announce another size."""
    content = saved(Image.new("RGB", (613, 411)), "jpeg2000")
    for order, sizes in (("HW", (411, 613)), ("WH", (613, 411))):
        new = (height, width) if order == "HW" else (width, height)
        content = content.replace(struct.pack(">II", *sizes), struct.pack(">II", *new))
    return content


def bombs() -> dict[str, bytes]:
    return {
        "bomb alpha.png": png_of(13_000, 13_000, bytes(1000), colour=6),
        "bomb grey alpha.png": png_of(13_000, 13_000, bytes(1000), colour=4),
        "bomb.jp2": stretched_jp2(12_000, 12_000),
        "bomb inks.tif": tiff_of(13_000, 13_000, samples=4),
        "scans.jpg": scanned_jpeg(2000),

        "bomb.png": png_of(50_000, 50_000, bytes(1000)),
        "bomb 16.png": png_of(16_000, 16_000, bytes(1000), bits=16),
        "largest.png": png_of(2**31 - 1, 2**31 - 1),
        "nothing.png": png_of(0, 0),
        "flat.png": png_of(2**31 - 1, 1),
        "short.png": png_of(10_000, 10_000, bytes(10)),
        "bomb.tif": tiff_of(20_000, 20_000),
        "bomb float.tif": tiff_of(12_000, 12_000, bits=64, samples=3, form=3),
        "bomb 32.tif": tiff_of(15_000, 15_000, bits=32, samples=1, form=3),
        "bomb bands.tif": tiff_of(9_000, 9_000, samples=60_000),
        "huge.tif": tiff_of(2**32 - 1, 2**32 - 1),
        "unknown.tif": tiff_of(64, 64, compression=4711),
        "loop.tif": looping_tiff(),
        "bomb.gif": b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + b"\x80\0\0" + bytes(6)
        + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;",
        "bomb.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
        "bomb.ppm": b"P6 99999 99999 255\n",
        "bomb ascii.ppm": b"P3 99999999999999999999 1 255\n1",
        "empty.png": b"", "empty.tif": b"", "text.jpg": b"hello", "zip.png": b"PK\x03\x04" + bytes(100),
        "zeros.webp": bytes(5000),
        "script.svg.png": b"<svg onload='x'/>", "pickle.tif": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    }  # fmt: skip


def damaged(pictures: dict[str, bytes], count: int) -> Iterator[tuple[str, bytes]]:
    """Truncated, overwritten, renamed; the same ones each time."""
    dice = random.Random(0)
    names = sorted(pictures)
    for number in range(count):
        name = names[number % len(names)]
        content, how = bytearray(pictures[name]), dice.choice(("cut", "zeros", "noise", "renamed", "twice", "head"))
        place = dice.randrange(len(content))
        if how == "cut":
            del content[place:]
        elif how == "zeros":
            content[place : place + 200] = bytes(len(content[place : place + 200]))
        elif how == "noise":
            for _ in range(20):
                content[dice.randrange(len(content))] = dice.randrange(256)
        elif how == "twice":
            content += bytes(content)
        elif how == "head":
            for _ in range(6):
                content[dice.randrange(min(64, len(content)))] = dice.randrange(256)
        suffix = dice.choice(SUFFIXES) if how == "renamed" else Path(name).suffix
        yield f"{number} {how} {Path(name).stem}{suffix}", bytes(content)


def try_it(path: Path, kind: str) -> None:
    """Header, picture and mask, as an audit reads them."""
    how = "result"
    with bounded(20):
        for read in (read_header, read_image, mask_pixels):
            try:
                read(path)
            except DataError as error:
                said = str(error)
                assert path.name.split()[0] in said
                assert "\n" not in said
                assert len(said) < 1000
                assert not CONTROL.search(said)
                how = "one line"
    ended(kind, how)


def test_a_picture_is_read_or_refused_in_one_line(tmp_path: Path) -> None:
    failures: list[str] = []
    whole = sound()
    for kind, made in (
        ("whole pictures of odd kinds", list(whole.items())),
        ("bombs and what is no picture", list(bombs().items())),
        ("damaged pictures", list(damaged(whole, DAMAGED))),
    ):
        for name, content in made:
            path = tmp_path / name
            path.write_bytes(content)
            with failures_in(failures, name), watched(tmp_path):
                try:
                    try_it(path, kind)
                except Exception as error:
                    raise AssertionError(f"a traceback: {error!r}") from error
    assert not failures, failures
    assert TALLY["whole pictures of odd kinds"]["result"] >= len(whole) - 2
    assert TALLY["bombs and what is no picture"]["one line"] >= len(bombs()) - 3
    assert sum(TALLY[kind].total() for kind in TALLY if "picture" in kind) >= DAMAGED + 40


def test_a_folder_of_them_can_be_audited(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for name, content in (sound() | bombs()).items():
        stem = name.replace(".", "-")
        (root / "images" / f"{stem}{Path(name).suffix}").write_bytes(content)
        (root / "masks" / f"{stem}.png").write_bytes(saved(Image.new("L", (16, 12), 1), "png"))
    with watched(tmp_path):
        command_ends("audits of folders of such pictures", "data", "audit", root, limit_s=60)
