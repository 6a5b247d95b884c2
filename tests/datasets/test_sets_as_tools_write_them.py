"""Small sets as annotation tools, spreadsheets and cameras leave them; what is read is compared, pixel by pixel,
with masks that NumPy drew."""

import codecs
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from bench.datasets import DataOptions, headers, open_dataset
from bench.datasets.audit import audit
from bench.datasets.findings import warnings_of
from bench.datasets.images import decode
from bench.errors import DataError
from bench.records import AuditRecord
from tests.datasets.drawings import EXIF_ORIENTATION, picture, save, write_json

HEIGHT, WIDTH, COUNT = 60, 80, 4
PAINTS = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 0)], np.uint8)


def corner(number: int, class_id: int) -> tuple[int, int]:
    """Row and column of a rectangle of 15 rows and 20 columns whose place tells the image and the class."""
    return 5 + number + 20 * (class_id - 1), 10 + 2 * number


def truth(number: int, classes: int = 2) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for class_id in range(1, classes + 1):
        row, column = corner(number, class_id)
        mask[row : row + 15, column : column + 20] = class_id
    return mask


def photo(root: Path, name: str, number: int, **how: Any) -> None:
    save(root / name, picture(HEIGHT, WIDTH, seed=number), **how)


def white(number: int) -> np.ndarray:
    return truth(number, 1) * np.uint8(255)


def coco(names: list[str], offset: int = 0) -> dict[str, Any]:
    images, annotations = [], []
    for place, name in enumerate(names):
        images.append({"id": place, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for class_id in (1, 2):
            row, column = corner(place + offset, class_id)
            outline = [column, row, column + 20, row, column + 20, row + 15, column, row + 15]
            entry = {"id": len(annotations), "image_id": place, "category_id": class_id, "segmentation": [outline]}
            annotations.append(entry | {"iscrowd": 0, "bbox": [column, row, 20, 15], "area": 300})
    categories = [{"id": 0, "name": "damage"}, {"id": 1, "name": "dent"}, {"id": 2, "name": "rust"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def voc(root: Path, labelmap: str = "LabelMap.txt", folder: str = "") -> None:
    for number in range(COUNT):
        photo(root, f"JPEGImages/{folder}{number}.jpg", number)
        save(root / f"SegmentationClass/{folder}{number}.png", PAINTS[truth(number)])
        save(root / f"SegmentationObject/{folder}{number}.png", PAINTS[truth(number, 1)])
    (root / labelmap).write_text(
        "# label:color_rgb:parts:actions\r\nbackground:0,0,0::\r\ndent:128,0,0::\r\nrust:0,128,0::\r\n"
    )


def cvat_sub_folders(root: Path) -> None:
    voc(root, "labelmap.txt", "cam 1/")
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/default.txt").write_text("".join(f"cam 1/{n}\n" for n in range(COUNT)))


def voc_palette(root: Path) -> None:
    for number in range(COUNT):
        photo(root, f"JPEGImages/{number}.jpg", number)
        mask = Image.fromarray(truth(number), "P")
        mask.putpalette([*PAINTS.ravel().tolist(), *[0] * 759])
        (root / "SegmentationClass").mkdir(exist_ok=True)
        mask.save(root / f"SegmentationClass/{number}.png")


def roboflow_coco(root: Path) -> None:
    for number, part in enumerate(("train", "train", "valid", "test")):
        photo(root, f"{part}/{number}_jpg.rf.ab.jpg", number)
    for part, names, first in (("train", ["0", "1"], 0), ("valid", ["2"], 2), ("test", ["3"], 3)):
        write_json(root / part / "_annotations.coco.json", coco([f"{n}_jpg.rf.ab.jpg" for n in names], first))


def coco_with(names: str, said: str, encoding: str = "utf-8", mark: bytes = b"") -> Callable[[Path], None]:
    def draw(root: Path) -> None:
        for number in range(COUNT):
            photo(root, names.format(n=number), number, format="JPEG")
        content = json.dumps(coco([said.format(n=n) for n in range(COUNT)]), ensure_ascii=False)
        (root / "result.JSON").write_bytes(mark + content.encode(encoding))

    return draw


def coco_with_ids_as_text(root: Path) -> None:
    for number in range(COUNT):
        photo(root, f"images/{number}.jpg", number)
    content = coco([f"{number}.jpg" for number in range(COUNT)])
    for annotation in content["annotations"]:
        annotation |= {"image_id": str(annotation["image_id"]), "category_id": str(annotation["category_id"]), "id": 1}
    write_json(root / "result.json", content)


def roboflow_masks(root: Path) -> None:
    for number in range(COUNT):
        photo(root, f"train/{number}_jpg.rf.ab.jpg", number)
        save(root / f"train/{number}_jpg.rf.ab_mask.png", truth(number))
    table = "Pixel Value, Class\r\n0, background\r\n1, dent\r\n2, rust\r\n"
    (root / "train/_classes.csv").write_bytes(codecs.BOM_UTF8 + table.encode())


def ids_16_bit(root: Path) -> None:
    for number in range(COUNT):
        photo(root, f"Images/{number}.JPG", number, format="JPEG")
        save(root / f"Masks/{number}.PNG", truth(number).astype(np.uint16), format="PNG")


TWO_CLASSES: dict[str, Callable[[Path], None]] = {
    "CVAT's labelmap.txt in another case": voc,
    "CVAT with a sub-folder with a blank": cvat_sub_folders,
    "Pascal VOC with a palette": voc_palette,
    "Roboflow COCO in train, valid and test": roboflow_coco,
    "Label Studio COCO with paths of its server": coco_with(
        "images/ab-{n}.jpg", "..\\..\\label-studio\\media\\upload\\7\\ab-{n}.jpg"
    ),
    "COCO with Windows paths": coco_with("imgs/p {n}.jpg", "C:\\Users\\me\\imgs\\p {n}.jpg"),
    "COCO with a byte order mark": coco_with("images/{n}.JPG", "{n}.jpg", mark=codecs.BOM_UTF8),
    "COCO in UTF-16": coco_with("images/Löcher{n}.jpg", "Löcher{n}.jpg", encoding="utf-16"),
    "COCO with ids as text, and one id for all annotations": coco_with_ids_as_text,
    "Roboflow masks with a byte order mark": roboflow_masks,
    "ids of 16 bit, suffixes in capitals": ids_16_bit,
}


def read(root: Path, **options: Any) -> tuple[AuditRecord, tuple[str, ...], dict[int, np.ndarray]]:
    chosen = DataOptions(**options)
    dataset = open_dataset(root, chosen)
    record, identity = audit(dataset, chosen)
    number_of = {s.id: int(next(letter for letter in Path(s.id).stem if letter.isdecimal())) for s in dataset.samples}
    return record, identity.classes, {number_of[s.id]: decode(s)[1] for s in dataset.samples}


@pytest.mark.parametrize("kind", TWO_CLASSES)
def test_two_classes_are_read_as_they_were_drawn(kind: str, tmp_path: Path) -> None:
    TWO_CLASSES[kind](tmp_path)
    _, classes, masks = read(tmp_path)
    assert classes in {("dent", "rust"), ("class_1", "class_2")}
    assert sorted(masks) == list(range(COUNT))
    for number, mask in masks.items():
        np.testing.assert_array_equal(mask, truth(number), err_msg=f"image {number}")


def rgba(number: int, opacity: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    mask[truth(number, 1) > 0] = (255, 0, 0, opacity)
    return mask


def nearly_white(number: int) -> np.ndarray:
    mask = white(number)
    row, column = corner(number, 1)
    mask[row + 4 : row + 9, column + 4 : column + 9] = 254
    return mask


def white_first(number: int) -> Image.Image:
    """A palette whose first colour is white: by index all of it would be the other way round."""
    mask = Image.fromarray(1 - truth(number, 1), "P")
    mask.putpalette([255, 255, 255, *[0] * 765])
    return mask


ONE_CLASS: dict[str, Callable[[int], np.ndarray | Image.Image]] = {
    "soft edges": lambda n: cv2.GaussianBlur(white(n), (3, 3), 0.6),
    "red on transparent": lambda n: rgba(n, 255),
    "half transparent": lambda n: rgba(n, 128),
    "opaque RGBA in black and white": lambda n: np.dstack([white(n)] * 3 + [np.full_like(white(n), 255)]),
    "grey with an opaque alpha channel": lambda n: Image.fromarray(
        np.dstack([white(n), np.full_like(white(n), 255)]), "LA"
    ),
    "16 bit": lambda n: white(n).astype(np.uint16) * 257,
    "1 bit": lambda n: Image.fromarray(white(n)).convert("1"),
    "0, 254 and 255": nearly_white,
    "a palette that begins with white": white_first,
}


@pytest.mark.parametrize("kind", ONE_CLASS)
def test_one_class_is_read_as_it_was_drawn_beside_what_systems_leave(kind: str, tmp_path: Path) -> None:
    for number in range(COUNT):
        photo(tmp_path, f"images/{number}.jpg", number)
        drawn = ONE_CLASS[kind](number)
        (tmp_path / "masks").mkdir(exist_ok=True)
        (drawn if isinstance(drawn, Image.Image) else Image.fromarray(drawn)).save(tmp_path / f"masks/{number}.png")
        for left in (f"masks/._{number}.png", f"__MACOSX/images/._{number}.jpg", "images/Thumbs.db", ".DS_Store"):
            (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / left).write_bytes(b"\0\5\x16\7")
    record, classes, masks = read(tmp_path)
    assert classes == ("foreground",)
    assert {finding.kind for finding in record.findings} <= {"near_twins"}
    for number, mask in masks.items():
        np.testing.assert_array_equal(mask, truth(number, 1), err_msg=f"image {number}")


@pytest.mark.parametrize("between", [";", "\t"])
def test_a_via_table_that_a_spreadsheet_saved_again(between: str, tmp_path: Path) -> None:
    lines = [between.join(("filename", "region_shape_attributes", "region_attributes"))]
    for number in range(COUNT):
        photo(tmp_path, f"{number}.jpg", number)
        row, column = corner(number, 1)
        shape = {"name": "rect", "x": column, "y": row, "width": 20, "height": 15}
        cells = [f"{number}.jpg", json.dumps(shape), json.dumps({"class": "dent"})]
        lines.append(between.join('"' + cell.replace('"', '""') + '"' for cell in cells))
    (tmp_path / "via.csv").write_text("\n".join(lines))
    _, classes, masks = read(tmp_path)
    assert classes == ("dent",)
    for number, mask in masks.items():
        np.testing.assert_array_equal(mask, truth(number, 1))


@pytest.mark.parametrize("turned", [False, True])
def test_masks_of_rotated_photographs_drawn_before_and_after_rotation(turned: bool, tmp_path: Path) -> None:
    for number in range(COUNT):
        save(tmp_path / f"images/{number}.jpg", np.rot90(picture(HEIGHT, WIDTH, seed=number)), orientation=6)
        save(tmp_path / f"masks/{number}.png", np.rot90(white(number)) if turned else white(number))
    record, _, masks = read(tmp_path)
    for number, mask in masks.items():
        np.testing.assert_array_equal(mask, truth(number, 1))
    assert "turned_mask" not in {finding.kind for finding in record.findings}


def test_a_mask_that_fits_its_photograph_turned_by_180_degrees_both_ways_is_a_warning(tmp_path: Path) -> None:
    for number in range(COUNT):
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = 3
        save(tmp_path / f"images/{number}.jpg", np.rot90(picture(HEIGHT, WIDTH, seed=number), 2), exif=exif)
        save(tmp_path / f"masks/{number}.png", white(number))
    record, _, masks = read(tmp_path)
    assert any("fits it turned and unturned" in line for line in warnings_of(record.findings))
    for number, mask in masks.items():
        np.testing.assert_array_equal(mask, truth(number, 1))


def test_masks_that_count_from_one_say_how_to_name_their_background(tmp_path: Path) -> None:
    for number in range(COUNT):
        photo(tmp_path, f"images/{number}.jpg", number)
        save(tmp_path / f"masks/{number}.png", truth(number, 1) + np.uint8(1))
    record, _, _ = read(tmp_path)
    assert any("classes: {background: VALUE, NAME: VALUE}" in line for line in warnings_of(record.findings))
    _, classes, masks = read(tmp_path, classes={"background": 1, "cell": 2})
    assert classes == ("cell",)
    for number, mask in masks.items():
        np.testing.assert_array_equal(mask, truth(number, 1))
    with pytest.raises(DataError, match="names the background alone"):
        read(tmp_path, classes={"background": 1})


def test_what_cannot_be_read_says_why_and_the_way_out(tmp_path: Path) -> None:
    for number in range(COUNT):
        photo(tmp_path, f"a/images/{number}.jpg", number)
        photo(tmp_path, f"b/images/{number}.jpg", number)
        signed = truth(number, 1).astype(np.int32) * 2 - 1
        (tmp_path / "a/masks").mkdir(exist_ok=True)
        Image.fromarray(signed, "I").save(tmp_path / f"a/masks/{number}.tif")
        save(tmp_path / f"b/masks/{number}.png", white(number)[::2, ::2])
    with pytest.raises(DataError, match=r"none of their images can be used: mask .*0\.tif holds values from -1 to 1"):
        read(tmp_path / "a", skip_unreadable=True)
    with pytest.raises(
        DataError, match=r"0\.png is 40x30 pixels, but .* is 80x60; save masks at the size of their images"
    ):
        read(tmp_path / "b")
    latin = json.dumps(coco(["Löcher.jpg"]), ensure_ascii=False).encode("latin-1")
    (tmp_path / "c").mkdir()
    (tmp_path / "c/a.json").write_bytes(latin)
    with pytest.raises(DataError, match=r"a\.json is not UTF-8 .*; save it again"):
        read(tmp_path / "c")


def test_the_memory_of_a_large_picture_is_said_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headers, "LARGE", HEIGHT * WIDTH - 1)
    monkeypatch.setattr(headers, "_BYTES_A_PIXEL", 6 * 2**20)
    photo(tmp_path, "images/0.jpg", 0)
    save(tmp_path / "masks/0.png", white(0))
    (said,) = [f.message for f in open_dataset(tmp_path, DataOptions()).findings if f.kind == "large_image"]
    assert said == "images/0.jpg has 80x60 pixels; decoding it takes about 28.1 GiB of memory"


def test_images_and_masks_numbered_from_different_starts_and_a_lone_inverted_mask_are_warnings(tmp_path: Path) -> None:
    for number in range(5):
        photo(tmp_path, f"a/images/img{number}.jpg", number)
        save(tmp_path / f"a/masks/img{number + 1}.png", white(number))
        photo(tmp_path, f"b/images/{number}.jpg", number)
        save(tmp_path / f"b/masks/{number}.png", white(number) if number else 255 - white(0))
    said = list(warnings_of(read(tmp_path / "a")[0].findings))
    assert any("images/img0.jpg has no mask and masks/img5.png has no image" in line for line in said)
    (said_of_b,) = [line for line in warnings_of(read(tmp_path / "b")[0].findings) if "inverted" in line]
    assert said_of_b.startswith("the mask of images/0.jpg is foreground all around its edge and in 94% of the image")
