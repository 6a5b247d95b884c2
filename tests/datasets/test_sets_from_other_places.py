"""Sets as public collections, converters and cameras leave them: masks that NumPy drew are compared pixel by pixel,
or one line says the way out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bench.cli import app
from bench.datasets import DataOptions, Dataset, open_dataset
from bench.datasets.audit import audit
from bench.datasets.images import decode
from bench.errors import DataError
from bench.experiments import Data, Protocol
from bench.progress import QuietProgress
from bench.run.setup import examine
from tests.datasets.drawings import picture, save, write_json

HEIGHT, WIDTH, COUNT = 60, 80, 4
PAINTS = np.array([(0, 0, 0), (255, 0, 0), (0, 128, 64)], np.uint8)
Write = Callable[[Path], object]


def truth(number: int, classes: int = 2) -> np.ndarray:
    """A rectangle of 15 rows and 20 columns for each class, whose place tells the image and the class."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for class_id in range(1, classes + 1):
        row, column = 5 + number + 20 * (class_id - 1), 10 + 2 * number
        mask[row : row + 15, column : column + 20] = class_id
    return mask


def photo(number: int) -> np.ndarray:
    noise = np.random.default_rng(number).integers(0, 24, (HEIGHT, WIDTH, 3), np.uint8)
    return cv2.add(picture(HEIGHT, WIDTH, seed=number), noise)


def pairs(
    root: Path, image: str, mask: str, drawn: Callable[[int], np.ndarray | Image.Image] = truth, **how: Any
) -> None:
    """Names with {n} for the number and {part} for train (the first three) or val."""
    for number in range(COUNT):
        part = "train" if number < COUNT - 1 else "val"
        save(root / image.format(n=number, part=part), photo(number))
        pixels = drawn(number)
        path = root / mask.format(n=number, part=part)
        path.parent.mkdir(parents=True, exist_ok=True)
        (Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels).save(path, **how)


def read(root: Path, **options: Any) -> Dataset:
    return open_dataset(root, DataOptions(**options))


def require_masks(dataset: Dataset, classes: int = 2) -> None:
    assert len(dataset.samples) == COUNT
    for number, sample in enumerate(dataset.samples):
        assert (decode(sample)[1] == truth(number, classes)).all(), sample.id


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())


def painted(number: int) -> np.ndarray:
    return PAINTS[truth(number)]


def with_palette(number: int) -> Image.Image:
    mask = Image.fromarray(truth(number), "P")
    mask.putpalette(PAINTS.ravel().tolist())
    return mask


def labelme2voc(root: Path) -> None:
    pairs(root, "JPEGImages/{n}.jpg", "SegmentationClassPNG/{n}.png", with_palette)
    pairs(root, "JPEGImages/{n}.jpg", "SegmentationClassVisualization/{n}.jpg", photo)
    text(root / "class_names.txt", "_background_\r\ndent\r\nrust\r\n")


def camvid(root: Path) -> None:
    pairs(root, "images/{n}.png", "labels/{n}_L.png", painted)
    text(root / "class_dict.csv", "name, r, g, b\r\nbackground,0,0,0\r\ndent,255,0,0\r\nrust,0,128,64\r\n")


def outlines(number: int) -> list[list[list[float]]]:
    return [
        [[x, y], [x + 20, y], [x + 20, y + 15], [x, y + 15]]
        for x, y in ((10 + 2 * number, 5 + number), (10 + 2 * number, 25 + number))
    ]


def coco_of_points(root: Path) -> None:
    """Outlines as pairs of points, pictures by the address that they were downloaded from."""
    images, annotations = [], []
    for number in range(COUNT):
        save(root / f"{number}.jpg", photo(number))
        name = f"https://example.org/{number}.jpg?width=80"
        images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for category, outline in enumerate(outlines(number)):
            annotations.append({"image_id": number, "category_id": category, "segmentation": [outline]})
    categories = [{"id": 0, "name": "dent"}, {"id": 1, "name": "rust"}]
    write_json(root / "a.json", {"images": images, "annotations": annotations, "categories": categories})


def yolo_upper_case(root: Path) -> None:
    for number in range(COUNT):
        save(root / f"Images/{number}.JPG", photo(number), format="JPEG")
        lines = [
            " ".join([str(row), *(f"{x / WIDTH} {y / HEIGHT}" for x, y in outline)])
            for row, outline in enumerate(outlines(number))
        ]
        text(root / f"Labels/{number}.TXT", "\r\n".join(lines))
    text(root / "data.yaml", "names: [dent, rust]\n")


NAMED: dict[str, Write] = {
    "labelme2voc": labelme2voc,
    "camvid": camvid,
    "coco_of_points": coco_of_points,
    "yolo_upper_case": yolo_upper_case,
}


@pytest.mark.parametrize("kind", NAMED)
def test_two_named_classes_are_read_as_they_were_drawn(kind: str, tmp_path: Path) -> None:
    NAMED[kind](tmp_path)
    dataset = read(tmp_path)
    assert dataset.classes == ("dent", "rust")
    require_masks(dataset)


TWO_CLASSES: dict[str, Write] = {
    "voc_aug": lambda root: pairs(root, "JPEGImages/{n}.jpg", "SegmentationClassAug/{n}.png"),
    "blanks_and_hyphens": lambda root: pairs(root, "Original Images/{n}.jpg", "Ground-Truth/{n}.png"),
    "cityscapes_coarse": lambda root: pairs(
        root, "leftImg8bit/{part}/x/{n}_leftImg8bit.png", "gtCoarse/{part}/x/{n}_gtCoarse_labelIds.png"
    ),
    "parts_before_names": lambda root: pairs(root, "{part}_images/{n}.jpg", "{part}_masks/{n}.png"),
    "parts_behind_names": lambda root: pairs(root, "imgs-{part}/{n}.jpg", "labels-{part}/{n}.png"),
    "both_marked_in_one_folder": lambda root: pairs(root, "{n}_sat.jpg", "{n}_mask.png"),
    "webp_without_loss_with_a_broken_exif_block": lambda root: pairs(
        root,
        "images/{n}.jpg",
        "masks/{n}.webp",
        lambda n: cv2.cvtColor(truth(n), cv2.COLOR_GRAY2RGB),
        lossless=True,
        exif=b"Exif\0\0" + b"\0" * 8,
    ),
    "16_bit_stretched": lambda root: pairs(
        root, "images/{n}.jpg", "masks/{n}.png", lambda n: truth(n).astype(np.uint16) * np.uint16(257)
    ),
}


@pytest.mark.parametrize("kind", TWO_CLASSES)
def test_two_classes_are_read_as_they_were_drawn(kind: str, tmp_path: Path) -> None:
    TWO_CLASSES[kind](tmp_path)
    dataset = read(tmp_path)
    require_masks(dataset)
    parts = {sample.split for sample in dataset.samples}
    assert parts == ({"train", "val"} if "part" in kind or "city" in kind else {None})


@pytest.mark.parametrize("bits", [4, 8])
def test_a_bmp_of_two_colours_and_several_bits_is_read(bits: int, tmp_path: Path) -> None:
    """Pillow reads such a file as if it had one bit a pixel."""
    pairs(tmp_path, "images/{n}.jpg", "masks/{n}.png")
    for number in range(COUNT):
        drawn = truth(number, 1)[::-1]
        packed = drawn if bits == 8 else drawn[:, ::2] << 4 | drawn[:, 1::2]
        head = [b"BM", 62 + packed.size, 0, 62, 40, WIDTH, HEIGHT, 1 | bits << 16, 0, packed.size, 2835, 2835, 2, 2]
        content = b"".join(part if isinstance(part, bytes) else part.to_bytes(4, "little") for part in head)
        (tmp_path / f"masks/{number}.png").unlink()
        (tmp_path / f"masks/{number}.bmp").write_bytes(content + b"\0\0\0\0\xff\xff\xff\0" + packed.tobytes())
    require_masks(read(tmp_path), classes=1)
    cut = tmp_path / "masks/0.bmp"
    cut.write_bytes(cut.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"0\.bmp: image file is truncated"):
        read(tmp_path)


def test_masks_in_a_folder_of_their_images_name_are_drawn_together(tmp_path: Path) -> None:
    for number in range(COUNT):
        save(tmp_path / f"images/{number}a.jpg", photo(number))
        for class_id in (1, 2):
            mask = (truth(number) == class_id).astype(np.uint8) * 255
            save(tmp_path / f"masks/{number}a/{class_id}.png", mask)
    for number, sample in enumerate(read(tmp_path).samples):
        assert (decode(sample)[1] == (truth(number) > 0)).all()


LISTS = {
    "ImageSets/Segmentation/{part}.txt": "/JPEGImages/{n}.jpg /SegmentationClass/{n}.png\n",
    "{part}.txt": "JPEGImages/{n}.jpg,SegmentationClass/{n}.png\r\n",
    "{part}_list.txt": "{n}\n",
}


@pytest.mark.parametrize("place", LISTS)
def test_lists_of_paths_predefine_parts(place: str, tmp_path: Path) -> None:
    pairs(tmp_path, "JPEGImages/{n}.jpg", "SegmentationClass/{n}.png")
    for part, numbers in (("train", (0, 2)), ("val", (1, 3))):
        text(tmp_path / place.format(part=part), "".join(LISTS[place].format(n=number) for number in numbers))
    dataset = read(tmp_path)
    require_masks(dataset)
    assert [sample.split for sample in dataset.samples] == ["train", "val", "train", "val"]


def test_lists_that_contradict_each_other_are_refused_and_those_that_name_nothing_are_said(tmp_path: Path) -> None:
    pairs(tmp_path, "images/{n}.jpg", "masks/{n}.png")
    text(tmp_path / "train.txt", "0\n1\n")
    text(tmp_path / "val.txt", "1\n2\n")
    with pytest.raises(DataError, match="name 1 for train and for val; an image has one part"):
        read(tmp_path)
    text(tmp_path / "train.txt", "x\n")
    text(tmp_path / "val.txt", "y\n")
    said = [finding.message for finding in read(tmp_path).findings if finding.kind == "unused_files"]
    assert len(said) == 1
    assert "x and others are no images; lists not used" in said[0]


def test_pictures_that_are_not_read_are_counted_by_folder(tmp_path: Path) -> None:
    labelme2voc(tmp_path)
    save(tmp_path / "preview.png", photo(0))
    save(tmp_path / "test images/1.jpg", photo(9))
    said = [finding.message for finding in read(tmp_path).findings if finding.kind == "unused_files"]
    assert len(said) == 1
    assert said[0].endswith("1 beside the folders, 4 in SegmentationClassVisualization/, 1 in test images/")


def test_a_mask_of_several_pages_is_a_finding(tmp_path: Path) -> None:
    pairs(tmp_path, "images/{n}.jpg", "masks/{n}.tif")
    Image.fromarray(truth(1)).save(tmp_path / "masks/1.tif", save_all=True, append_images=[Image.fromarray(truth(2))])
    dataset = read(tmp_path)
    require_masks(dataset)
    assert [finding.files for finding in dataset.findings if finding.kind == "pages"] == [("masks/1.tif",)]


def overlay(number: int) -> np.ndarray:
    image = photo(number)
    image[truth(number) > 0] = image[truth(number) > 0] // 2 + np.array([127, 0, 0], np.uint8)
    return image


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
@pytest.mark.parametrize("classes", [{}, {"dent": "any"}, {"dent": "#ff0000"}, {"dent": 1}])
def test_overlays_in_the_place_of_masks_are_refused(suffix: str, classes: dict[str, Any], tmp_path: Path) -> None:
    pairs(tmp_path, "images/{n}.jpg", f"masks/{{n}}.{suffix}", overlay)
    message = rf"0\.{suffix} is a photograph, or a drawing laid over one.*export the masks.*the 3 others"
    with pytest.raises(DataError, match=message):
        read(tmp_path, classes=classes)


def test_a_grey_photograph_among_masks_is_left_out_or_refused(tmp_path: Path) -> None:
    pairs(tmp_path, "images/{n}.jpg", "masks/{n}.png", lambda n: truth(n, 1) * np.uint8(255))
    save(tmp_path / "images/z.jpg", photo(8))
    save(tmp_path / "masks/z.png", cv2.cvtColor(photo(8), cv2.COLOR_RGB2GRAY))
    with pytest.raises(DataError, match=r"z\.png is a photograph"):
        read(tmp_path)
    dataset = read(tmp_path, skip_unreadable=True)
    require_masks(dataset, classes=1)
    assert [finding.files for finding in dataset.findings if finding.kind == "odd_mask"] == [("masks/z.png",)]


@pytest.mark.parametrize("classes", [{}, {"dent": 1, "rust": 2}])
def test_ids_in_the_upper_byte_say_what_they_are(classes: dict[str, int], tmp_path: Path) -> None:
    pairs(tmp_path, "images/{n}.jpg", "masks/{n}.png", lambda n: truth(n).astype(np.uint16) * np.uint16(256))
    with pytest.raises(DataError, match=r"hold the values 256, 512, all of them multiples of 256.*divide them by 256"):
        read(tmp_path, classes=classes)


def test_ids_in_a_jpeg_that_is_called_png_are_refused(tmp_path: Path) -> None:
    pairs(tmp_path, "images/{n}.jpg", "masks/{n}.png", lambda n: truth(n) * np.uint8(20), format="JPEG", quality=60)
    with pytest.raises(DataError, match=r"0\.png holds class ids or greys in a lossy file \(JPEG\).*save masks as PNG"):
        read(tmp_path)


def numbered_masks(root: Path) -> None:
    for number in range(COUNT):
        save(root / f"images/{number}a.jpg", photo(number))
        save(root / f"masks/{number}a_0.png", truth(number))
        save(root / f"masks/{number}a_1.png", truth(number))


def of_pictures(root: Path, name: str, content: object) -> None:
    pairs(root, "images/{n}.jpg", "images/{n}.png", photo)
    text(root / name, json.dumps(content))


def of_table(root: Path, line: str) -> None:
    pairs(root, "images/{n}.jpg", "images/{n}.png", photo)
    text(root / "labels.csv", line)


def key_points(root: Path) -> None:
    save(root / "images/0.jpg", photo(0))
    text(root / "labels/0.txt", "0 0.5 0.5 0.2 0.2 0.4 0.4 2 0.6 0.6 2\n")
    text(root / "data.yaml", "kpt_shape: [2, 3]\nnames: [person]\n")


def without_regions(root: Path) -> None:
    coco_of_points(root)
    content = json.loads((root / "a.json").read_text())
    write_json(root / "a.json", content | {"annotations": []})


LINES: dict[str, tuple[Write, str]] = {
    "numbered masks": (numbered_masks, r"put them into a folder of its name \(masks/0a/0a_0\.png\)"),
    "key points": (
        key_points,
        r"data\.yaml describes key points \(kpt_shape\), not outlines; export YOLO segmentation",
    ),
    "no regions": (without_regions, r"a\.json is read \(coco\) and has no region for any of 4 images; export"),
    "previews of Cityscapes": (
        lambda root: pairs(root, "leftImg8bit/{n}_leftImg8bit.png", "gtFine/{n}_gtFine_color.png", painted),
        r"coloured previews of Cityscapes.*_labelIds\.png",
    ),
    "COCO results": (
        lambda root: of_pictures(root, "r.json", [{"image_id": 1, "category_id": 1, "score": 0.5}]),
        r"r\.json is an export of COCO results.*give the COCO instances file",
    ),
    "SuperAnnotate": (
        lambda root: of_pictures(root, "0.jpg.json", {"metadata": {"name": "0.jpg"}, "instances": []}),
        "SuperAnnotate.*convert it to COCO",
    ),
    "Hasty": (lambda root: of_pictures(root, "h.json", {"project_name": "x", "images": []}), "Hasty.*choose COCO"),
    "QuPath": (
        lambda root: of_pictures(root, "0.json", {"type": "FeatureCollection", "features": []}),
        "GeoJSON.*QuPath export labelled images",
    ),
    "MakeSense": (
        lambda root: of_table(root, "dent,10,20,30,40,0.jpg,80,60\n"),
        r"labels\.csv is a table that names pictures.*from MakeSense VGG JSON or COCO JSON",
    ),
    "Labelbox": (
        lambda root: of_pictures(root, "x.ndjson", {"data_row": {}}),
        r"1 \.ndjson \(lines of JSON \(Labelbox",
    ),
}


@pytest.mark.parametrize("kind", LINES)
def test_what_cannot_be_read_says_why_and_the_way_out(kind: str, tmp_path: Path) -> None:
    write, message = LINES[kind]
    write(tmp_path)
    with pytest.raises(DataError, match=message) as refused:
        audit(read(tmp_path), DataOptions())
    assert "\n" not in str(refused.value)


def test_memory_is_said_before_a_large_picture_is_decoded_and_what_is_left_out_before_it_is_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise DataError("decoded")

    pairs(tmp_path / "set", "images/{n}.jpg", "masks/{n}.png")
    save(tmp_path / "set/images/0.tif", photo(0))
    (tmp_path / "set/images/0.jpg").unlink()
    monkeypatch.setattr("bench.datasets.headers.LARGE", HEIGHT * WIDTH - 1)
    monkeypatch.setattr("bench.datasets.audit.audit", stop)
    monkeypatch.setattr("bench.datasets.convert.convert", stop)
    monkeypatch.setattr("bench.run.setup.audit", stop)
    said = "images/0.tif has 80x60 pixels; decoding it takes about 0.0 GiB of memory (and 3 more"
    for words in (["audit", tmp_path / "set"], ["convert", tmp_path / "set", tmp_path / "out"]):
        lines = CliRunner().invoke(app, ["data", *map(str, words)]).stderr.splitlines()
        assert lines[0].startswith(said)
        assert lines[-1] == "error: decoded"
    warned: list[str] = []
    with pytest.raises(DataError, match="decoded"):
        examine(Data(path=str(tmp_path / "set")), Protocol(), [64], tmp_path, QuietProgress(warned.append))
    assert len(warned) == 1
    assert said in warned[0]
