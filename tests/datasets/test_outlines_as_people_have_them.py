"""COCO, LabelMe, VIA and YOLO as tools leave them: what is drawn is compared pixel by pixel with NumPy and OpenCV."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from bench.datasets import DataOptions, Dataset, open_dataset
from bench.datasets.audit import audit
from bench.datasets.images import decode
from bench.errors import DataError
from tests.datasets.drawings import labelme_content, picture, save, via_entry, via_region, write_json

H, W = 80, 96


def box(x0: int, y0: int, x1: int, y1: int) -> list[int]:
    return [x0, y0, x1, y0, x1, y1, x0, y1]


def filled(*boxes: tuple[int, int, int, int], value: int = 1) -> np.ndarray:
    mask = np.zeros((H, W), np.uint8)
    for x0, y0, x1, y1 in boxes:
        mask[max(0, y0) : y1, max(0, x0) : x1] = value
    return mask


BOX = (10, 10, 40, 40)


def coco(*names: str, categories: dict[str, int] | None = None) -> dict[str, Any]:
    """One square of the first category in each image."""
    known = categories or {"thing": 1}
    first = next(iter(known.values()))
    return {
        "images": [{"id": n, "file_name": name, "width": W, "height": H} for n, name in enumerate(names)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": first, "segmentation": [box(*BOX)]} for n, _ in enumerate(names)
        ],
        "categories": [{"id": number, "name": name} for name, number in known.items()],
    }


def pictures(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        save(root / name, picture(H, W, seed=number))


def read(root: Path, **options: Any) -> tuple[Dataset, dict[str, np.ndarray]]:
    dataset = open_dataset(root, DataOptions(**options))
    return dataset, {sample.id: decode(sample)[1] for sample in dataset.samples}


def kinds(dataset: Dataset) -> list[str]:
    return [finding.kind for finding in dataset.findings]


def test_categories_are_matched_by_name_in_each_file(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.png", "valid/b.png")
    for part, name, categories in (("train", "a.png", {"cat": 1, "dog": 2}), ("valid", "b.png", {"dog": 1, "cat": 2})):
        content = coco(name, categories=categories)
        content["annotations"] = [
            {"image_id": 0, "category_id": categories["cat"], "segmentation": [box(*BOX)]},
            {"image_id": 0, "category_id": categories["dog"], "segmentation": [box(60, 50, 68, 58)]},
        ]
        write_json(tmp_path / part / "_annotations.coco.json", content)
    dataset, masks = read(tmp_path)
    assert dataset.classes == ("cat", "dog")
    for mask in masks.values():
        np.testing.assert_array_equal(mask, filled(BOX) + filled((60, 50, 68, 58), value=2))


def test_outlines_far_beyond_an_image_are_cut_and_draw_the_same_inside(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png", "c.png")
    content = coco("a.png", "b.png", "c.png")
    content["annotations"][0]["segmentation"] = [[50, 20, 1e9, 20, 1e9, 60, 50, 60]]
    content["annotations"][1]["segmentation"] = [[-1e12, -1e12, 1e12, -1e12, 1e12, 1e12, -1e12, 1e12]]
    content["annotations"][2]["segmentation"] = [[0, 0, 4e6, 4e6, 0, 4e6]]  # below the diagonal
    write_json(tmp_path / "coco.json", content)
    _, masks = read(tmp_path)
    np.testing.assert_array_equal(masks["a.png"], filled((50, 20, W, 60)))
    np.testing.assert_array_equal(masks["b.png"], np.ones((H, W), np.uint8))
    rows, columns = np.mgrid[:H, :W]
    assert np.count_nonzero((masks["c.png"] > 0) != (columns <= rows)) <= H


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ({"size": [H, W], "counts": [10, 10]}, "its run lengths fill 20 of 96x80 pixels"),
        ({"size": [H, W], "counts": "bQ1"}, "its run lengths fill 1074 of 96x80 pixels"),
        ({"size": [H, W], "counts": [-5, H * W + 5]}, "no list of counts"),
        ({"size": [H], "counts": [1]}, "no size"),
        ([[10, 10, 40, 40]], "at least 3 points, this one has 2"),
        ([box(*BOX), [48.0, 40.0]], "part 1: a polygon needs at least 3 points, this one has 1"),
        ("text", "neither a list of polygons nor run lengths"),
    ],
)
def test_one_odd_segmentation_is_a_finding_and_its_box_is_void(tmp_path: Path, shape: Any, why: str) -> None:
    pictures(tmp_path, "a.png", "b.png")
    content = coco("a.png", "b.png")
    content["annotations"][1] |= {"segmentation": shape, "bbox": [10, 10, 30, 30]}
    write_json(tmp_path / "coco.json", content)
    dataset, masks = read(tmp_path)
    assert any("annotation 1 of b.png in" in finding.message and why in finding.message for finding in dataset.findings)
    np.testing.assert_array_equal(masks["a.png"], filled(BOX))
    drawn_in_part = isinstance(shape, list) and len(shape) == 2
    np.testing.assert_array_equal(masks["b.png"], filled(BOX, value=1 if drawn_in_part else 255))


def test_what_a_coco_file_lacks_is_said_and_the_rest_is_read(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(6)]
    pictures(tmp_path, *names)
    content = coco(*names)
    content["images"][0] |= {"width": None, "height": None}
    content["images"][1].pop("file_name")
    content["annotations"][2].pop("image_id")
    content["annotations"][3]["category_id"] = "1"
    content["images"][4]["id"] = "4"
    content["annotations"].append({"id": 9, "image_id": 77, "category_id": 1, "segmentation": [box(*BOX)]})
    write_json(tmp_path / "coco.json", content)
    dataset, masks = read(tmp_path)
    assert set(kinds(dataset)) == {"no_size", "bad_entry", "bad_region", "orphan_annotation", "missing_annotation"}
    for name in ("0.png", "3.png", "4.png", "5.png"):
        np.testing.assert_array_equal(masks[name], filled(BOX))


def test_captions_and_key_points_beside_instances_are_passed_over(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.png")
    content = coco("a.png")
    write_json(tmp_path / "annotations/instances_train.json", content)
    captions = [{"id": 1, "image_id": 0, "caption": "a thing"}]
    write_json(tmp_path / "annotations/captions_train.json", {"images": content["images"], "annotations": captions})
    points = [item | {"keypoints": [1, 1, 2]} for item in content["annotations"]]
    write_json(tmp_path / "annotations/person_keypoints_train.json", content | {"annotations": points})
    dataset, masks = read(tmp_path)
    assert kinds(dataset) == ["passed_over", "passed_over"]
    np.testing.assert_array_equal(masks["images/a.png"], filled(BOX))


def test_a_part_that_nobody_annotated_is_left_out(tmp_path: Path) -> None:
    for part in ("train", "test"):
        pictures(tmp_path, f"{part}/a.png", f"{part}/b.png")
        content = coco("a.png", "b.png")
        write_json(tmp_path / part / "coco.json", content | ({"annotations": []} if part == "test" else {}))
    dataset, _ = read(tmp_path)
    assert {sample.split for sample in dataset.samples} == {"train"}
    assert "every image of the test part has no annotation; its 2 images are left out" in dataset.findings[0].message


@pytest.mark.parametrize(
    ("there", "named"),
    [
        ("data/a.jpg", "a.jpg"),
        ("images/a.jpg", "..\\..\\label-studio\\media\\upload\\4\\a.jpg"),
        ("images/a.jpg", "images\\3/a.jpg"),
        ("IMG_1.JPG", "img_1.jpg"),
        ("my photo.jpg", "my%20photo.jpg"),
        ("deep/er/still/a.jpg", "/home/someone/deep/er/still/a.jpg"),
        ("a.jpg", "C:\\Users\\x\\a.jpg"),
    ],
)
def test_a_picture_is_found_by_the_end_of_its_path(tmp_path: Path, there: str, named: str) -> None:
    pictures(tmp_path, there)
    write_json(tmp_path / "result.json", coco(named))
    _, masks = read(tmp_path)
    np.testing.assert_array_equal(masks[there], filled(BOX))


def test_a_name_that_two_pictures_have_is_refused_with_both(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a/0.png", "images/b/0.png")
    write_json(tmp_path / "coco.json", coco("0.png"))
    with pytest.raises(DataError, match=r"'0\.png' of an annotation may be .*images/a/0\.png or .*images/b/0\.png"):
        read(tmp_path)
    write_json(tmp_path / "coco.json", coco("b/0.png"))
    assert list(read(tmp_path)[1]) == ["images/b/0.png"]


def test_a_picture_of_another_part_or_folder_never_stands_in(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.png", "valid/a.png", "valid/b.png")
    for part in ("train", "valid"):
        write_json(tmp_path / part / "coco.json", coco("a.png", "b.png"))
    dataset, masks = read(tmp_path)
    assert sorted(masks) == ["train/a.png", "valid/a.png", "valid/b.png"]
    assert kinds(dataset) == ["missing_image"]


def test_nothing_outside_of_the_folder_is_read_unless_allowed(tmp_path: Path) -> None:
    root = tmp_path / "set"
    pictures(tmp_path, "secret.png", "set/a.png")
    for name in ("../secret.png", str(tmp_path / "secret.png")):
        write_json(root / "coco.json", coco("a.png", name))
        dataset, masks = read(root)
        assert list(masks) == ["a.png"]
        assert "allow_outside: true" in dataset.findings[0].message
        dataset, masks = read(root, allow_outside=True)
        assert len(masks) == 2
        assert "outside" in kinds(dataset)


def labelme(root: Path, *shapes: dict[str, Any], name: str = "a", **more: Any) -> None:
    pictures(root, f"{name}.png")
    write_json(root / f"{name}.json", labelme_content(*shapes, path=f"{name}.png", width=W, height=H) | more)


SQUARE = {"label": "dent", "points": [[70, 10], [90, 10], [90, 30], [70, 30]]}


def test_labelme_masks_and_boxes_of_four_points_are_drawn(tmp_path: Path) -> None:
    disc = np.zeros((31, 31), np.uint8)
    cv2.circle(disc, (15, 15), 15, 255, -1)
    stream = io.BytesIO()
    Image.fromarray(disc > 0).save(stream, "PNG")
    mask = {
        "label": "dent",
        "shape_type": "mask",
        "points": [[25.0, 25.0], [55.0, 55.0]],
        "mask": base64.b64encode(stream.getvalue()).decode(),
    }
    turned = {"label": "dent", "shape_type": "rotation", "points": [[10, 60], [30, 60], [30, 70], [10, 70]]}
    four = {"label": "dent", "shape_type": "rectangle", "points": [[60, 60], [80, 60], [80, 70], [60, 70]]}
    labelme(tmp_path, mask, turned, four)
    expected = filled((10, 60, 30, 70), (60, 60, 80, 70))
    expected[25:56, 25:56] |= (disc > 0).astype(np.uint8)
    np.testing.assert_array_equal(read(tmp_path)[1]["a.png"], expected)


def test_labelme_ignored_and_background_labels_are_no_classes(tmp_path: Path) -> None:
    hole = {"label": "_background_", "points": [[72, 12], [80, 12], [80, 20], [72, 20]]}
    unsure = {"label": "__ignore__", "points": [[0, 60], [96, 60], [96, 80], [0, 80]]}
    labelme(tmp_path, SQUARE, hole, unsure)
    dataset, masks = read(tmp_path)
    expected = filled((70, 10, 90, 30))
    expected[12:20, 72:80] = 0
    expected[60:] = 255
    assert dataset.classes == ("dent",)
    np.testing.assert_array_equal(masks["a.png"], expected)
    named, masks = read(tmp_path, ignore=("dent",))
    assert named.classes == ("foreground",)
    assert set(np.unique(masks["a.png"]).tolist()) == {0, 255}


def test_the_picture_of_the_same_name_wins_over_another_that_labelme_names(tmp_path: Path) -> None:
    labelme(tmp_path, SQUARE, name="f1", imagePath="f2.png")
    labelme(tmp_path, SQUARE | {"label": "other"}, name="f2", imagePath="f1.png")
    dataset, masks = read(tmp_path)
    assert kinds(dataset) == ["renamed", "renamed"]
    np.testing.assert_array_equal(masks["f1.png"], filled((70, 10, 90, 30)))


@pytest.mark.parametrize("folder", ["annotations", "labels", "json"])
def test_labelme_files_may_stand_in_a_folder_of_their_own(tmp_path: Path, folder: str) -> None:
    pictures(tmp_path, "images/a.png")
    write_json(tmp_path / folder / "a.json", labelme_content(SQUARE, path="..\\images\\a.png", width=W, height=H))
    np.testing.assert_array_equal(read(tmp_path)[1]["images/a.png"], filled((70, 10, 90, 30)))


def test_a_picture_inside_a_labelme_file_is_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(picture(H, W)).save(stream, "PNG")
    content = labelme_content(SQUARE, path="C:\\x\\a.png", width=W, height=H)
    write_json(tmp_path / "a.json", content | {"imageData": base64.b64encode(stream.getvalue()).decode()})
    dataset = open_dataset(tmp_path, DataOptions())
    image, mask = decode(dataset.samples[0])
    assert dataset.samples[0].id == "a.png"
    np.testing.assert_array_equal(image, picture(H, W))
    np.testing.assert_array_equal(mask, filled((70, 10, 90, 30)))


def test_names_that_look_alike_and_labels_for_each_object_are_said(tmp_path: Path) -> None:
    for number, label in enumerate(["dent", "Dent", "dent ", "DENT"]):
        labelme(tmp_path / "alike", SQUARE | {"label": label}, name=str(number))
    dataset, _ = read(tmp_path / "alike")
    assert dataset.classes == ("DENT", "Dent", "dent")
    assert kinds(dataset) == ["similar_names"]
    for number in range(10):
        labelme(tmp_path / "own", SQUARE | {"label": f"cell {number}"}, name=str(number))
    assert kinds(read(tmp_path / "own")[0]) == ["label_per_object"]
    assert read(tmp_path / "own", classes={"cell": "any"})[0].classes == ("cell",)


def test_the_larger_of_two_formats_is_read_and_both_are_said(tmp_path: Path) -> None:
    for name in "abc":
        labelme(tmp_path, SQUARE, name=name)
    write_json(tmp_path / "export.json", coco("a.png"))
    dataset, _ = read(tmp_path)
    assert dataset.format == "labelme"
    assert "labelme is read (3 images), coco (1 images) is not" in dataset.findings[0].message


def test_regions_without_a_class_or_with_two_are_void(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png")
    regions = [
        via_region("rect", {"type": {"dent": True}}, x=10, y=10, width=10, height=10),
        via_region("rect", {"type": {"scratch": True}}, x=30, y=10, width=10, height=10),
        via_region("rect", {"type": {"dent": True, "scratch": True}}, x=50, y=10, width=10, height=10),
        via_region("rect", {"type": "", "severity": "high"}, x=70, y=10, width=10, height=10),
    ]
    write_json(tmp_path / "via.json", {"a": via_entry("a.png", *regions)})
    dataset, masks = read(tmp_path)
    assert dataset.classes == ("dent", "scratch")
    assert [masks["a.png"][15, x] for x in (15, 35, 55, 75)] == [1, 2, 255, 255]
    assert kinds(dataset) == ["no_class", "no_class"]


def test_attributes_of_which_none_is_the_class_ask_for_classes(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png")
    regions = [via_region(attributes={"damage": "dent", "severity": "low"})]
    write_json(tmp_path / "via.json", {"a": via_entry("a.png", *regions)})
    with pytest.raises(DataError, match=r"attributes damage, severity; say which values are classes with classes:"):
        read(tmp_path)
    assert read(tmp_path, classes={"Dent": "dent"})[0].classes == ("Dent",)


def test_via_3_and_via_csv_are_read(tmp_path: Path) -> None:
    pictures(tmp_path / "3", "a.png")
    project = {
        "project": {}, "config": {}, "attribute": {"1": {"aname": "kind", "options": {"0": "dent", "1": "scratch"}}},
        "file": {"1": {"fname": "a.png", "src": "a.png"}}, "view": {"1": {"fid_list": ["1"]}},
        "metadata": {
            "x": {"vid": "1", "xy": [2, 10, 10, 20, 20], "av": {"1": "0"}},
            "y": {"vid": "1", "xy": [7, *box(50, 10, 60, 20)], "av": {"1": "1"}},
        },
    }  # fmt: skip
    write_json(tmp_path / "3/via.json", project)
    dataset, masks = read(tmp_path / "3")
    assert dataset.classes == ("dent", "scratch")
    np.testing.assert_array_equal(masks["a.png"], filled((10, 10, 30, 30)) + filled((50, 10, 60, 20), value=2))
    pictures(tmp_path / "csv", "a.png")
    shape = json.dumps({"name": "rect", "x": 10, "y": 10, "width": 20, "height": 20}).replace('"', '""')
    (tmp_path / "csv/via.csv").write_text(
        "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
        f'a.png,1,"{{}}",1,0,"{shape}","{{""class"":""dent""}}"\n'
    )
    dataset, masks = read(tmp_path / "csv")
    assert dataset.classes == ("dent",)
    np.testing.assert_array_equal(masks["a.png"], filled((10, 10, 30, 30)))


@pytest.mark.parametrize("layout", ["{part}/{kind}", "{kind}/{part}"])
def test_yolo_outlines_are_drawn_and_boxes_are_void(tmp_path: Path, layout: str) -> None:
    lines = "0 0.125 0.125 0.5 0.125 0.5 0.5 0.125 0.5\n1 0.75 0.75 0.25 0.25\n"
    for part in ("train", "val"):
        pictures(tmp_path / layout.format(part=part, kind="images"), f"{part}-1.png")
        labels = tmp_path / layout.format(part=part, kind="labels")
        labels.mkdir(parents=True)
        (labels / f"{part}-1.txt").write_text(lines)
    (tmp_path / "data.yaml").write_text("names: {0: crack, 1: rust}\n")
    dataset, masks = read(tmp_path)
    assert {sample.split for sample in dataset.samples} == {"train", "val"}
    expected = filled((12, 10, 48, 40)) + filled((60, 50, 84, 70), value=255)
    for mask in masks.values():
        np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    ("content", "tool"),
    [
        ({"size": {"height": H, "width": W}, "objects": []}, "Supervisely"),
        ([{"id": 1, "data": {"image": "a.png"}, "annotations": []}], "Label Studio"),
        ({"infos": {}, "categories": {}, "items": []}, "Datumaro"),
        ([{"data_row": {}, "projects": {}}], "Labelbox"),
    ],
)
def test_an_export_of_another_tool_is_named_with_the_way_out(tmp_path: Path, content: Any, tool: str) -> None:
    pictures(tmp_path, "a.png")
    write_json(tmp_path / "export.json", content)
    with pytest.raises(DataError, match=rf"export\.json is an export of {tool}, which is not read: .*"):
        read(tmp_path)


def test_an_audit_names_every_file_that_does_not_fit_before_it_fails(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(4)]
    pictures(tmp_path, *names)
    content = coco(*names)
    content["images"][1]["width"] = content["images"][3]["width"] = 50
    write_json(tmp_path / "coco.json", content)
    dataset = open_dataset(tmp_path, DataOptions())
    with pytest.raises(DataError, match=r"1\.png as 50x80.*3\.png as 50x80"):
        audit(dataset, DataOptions())
    record, identity = audit(dataset, DataOptions(skip_unreadable=True))
    assert [finding.files for finding in record.findings if finding.kind == "misfit"] == [("1.png",), ("3.png",)]
    assert identity.skipped == ("1.png", "3.png")
