import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from bench.datasets import DataOptions, Dataset, open_dataset
from bench.datasets.formats.regions import has_no_area
from bench.datasets.images import decode
from bench.errors import DataError
from tests.datasets.drawings import (
    coco_content,
    labelme_content,
    picture,
    save,
    square_mask,
    via_entry,
    via_region,
    write_json,
)


def one_image(root: Path, content: object, name: str = "notes.json") -> Dataset:
    """A data set of the image a.png, 16 x 12 pixels, and one JSON beside it."""
    save(root / "a.png", picture())
    write_json(root / name, content)
    return open_dataset(root, DataOptions())


def only_mask(dataset: Dataset) -> np.ndarray:
    return decode(dataset.samples[0])[1]


def via_mask(root: Path, *regions: dict[str, Any]) -> np.ndarray:
    return only_mask(one_image(root, {"a": via_entry("a.png", *regions)}))


def test_via_polygon_covers_the_pixels_inside(tmp_path: Path) -> None:
    np.testing.assert_array_equal(via_mask(tmp_path, via_region()), square_mask(value=1))


def test_via_rectangle_has_exactly_its_area(tmp_path: Path) -> None:
    mask = via_mask(tmp_path, via_region("rect", x=2, y=1, width=5, height=3))
    assert mask.sum() == 15
    assert mask[1:4, 2:7].all()


def test_via_circle_and_ellipse_have_nearly_their_area(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(200, 200))
    circle = via_region("circle", cx=100, cy=100, r=50)
    ellipse = via_region("ellipse", cx=100, cy=100, rx=80, ry=20, theta=math.pi / 2)
    for region, area, height in ((circle, math.pi * 2500, 100), (ellipse, math.pi * 1600, 160)):
        write_json(tmp_path / "via.json", {"a": via_entry("a.png", region)})
        mask = only_mask(open_dataset(tmp_path, DataOptions()))
        assert mask.sum() == pytest.approx(area, rel=0.01)
        assert mask.any(axis=1).sum() == pytest.approx(height, abs=2)  # theta of a quarter turn stands it up


def test_via_polyline_is_one_pixel_wide(tmp_path: Path) -> None:
    region = via_region("polyline", all_points_x=[2, 9], all_points_y=[5, 5])
    assert via_mask(tmp_path, region).sum() == 8


@pytest.mark.parametrize("version", [1, 2, "project"])
def test_every_via_version_is_read(tmp_path: Path, version: object) -> None:
    entry = via_entry("a.png", via_region(), via_region("rect", x=10, y=8, width=2, height=2))
    if version != 1:
        entry["regions"] = list(entry["regions"].values())
    content = {"a.png1": entry}
    dataset = one_image(
        tmp_path, {"_via_settings": {}, "_via_img_metadata": content} if version == "project" else content
    )
    assert (dataset.format, dataset.classes) == ("via", ("damage",))
    assert only_mask(dataset).sum() == 16 + 4


def test_via_attribute_may_have_another_name_in_each_folder(tmp_path: Path) -> None:
    for part, attribute in (("train", "name"), ("val", "Class Name")):
        save(tmp_path / part / "a.png", picture())
        region = via_region(attributes={attribute: "damage"})
        write_json(tmp_path / part / "via.json", {"a": via_entry("a.png", region)})
    dataset = open_dataset(tmp_path, DataOptions())
    assert dataset.classes == ("damage",)
    assert {sample.id: sample.split for sample in dataset.samples} == {"train/a.png": "train", "val/a.png": "val"}


def test_via_values_are_classes_and_can_be_renamed(tmp_path: Path) -> None:
    regions = (
        via_region(attributes={"kind": "scr"}),
        via_region("rect", {"kind": "dnt"}, x=10, y=8, width=2, height=2),
    )
    dataset = one_image(tmp_path, {"a": via_entry("a.png", *regions)})
    assert dataset.classes == ("dnt", "scr")
    named = open_dataset(tmp_path, DataOptions(classes={"scratch": "scr", "dent": "dnt"}))
    assert named.classes == ("scratch", "dent")
    assert np.bincount(only_mask(named).ravel()).tolist() == [192 - 20, 16, 4]


def test_label_that_configured_classes_do_not_know_is_named(tmp_path: Path) -> None:
    one_image(tmp_path, {"a": via_entry("a.png", via_region())})
    with pytest.raises(DataError, match=r"unknown label 'damage' in .*notes\.json; choose from dent"):
        open_dataset(tmp_path, DataOptions(classes={"dent": "dent"}))


def test_via_class_is_found_among_several_attributes(tmp_path: Path) -> None:
    region = via_region(attributes={"severity": "high", "Class Name": "dent"})
    assert one_image(tmp_path, {"a": via_entry("a.png", region)}).classes == ("dent",)


def test_later_region_lies_on_top(tmp_path: Path) -> None:
    below = via_region("rect", {"kind": "a"}, x=0, y=0, width=4, height=4)
    above = via_region("rect", {"kind": "b"}, x=2, y=0, width=4, height=4)
    assert np.bincount(via_mask(tmp_path, below, above).ravel()).tolist() == [192 - 24, 8, 16]


def test_image_without_annotation_and_the_reverse_are_findings(tmp_path: Path) -> None:
    save(tmp_path / "b.png", picture())
    dataset = one_image(tmp_path, {"a": via_entry("a.png", via_region()), "c": via_entry("c.png")})
    assert [sample.id for sample in dataset.samples] == ["a.png"]
    assert {(finding.kind, finding.files) for finding in dataset.findings} == {
        ("missing_annotation", ("b.png",)),
        ("missing_image", ("c.png",)),
    }


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (via_region(all_points_x=[1, 2], all_points_y=[1, 2]), "needs at least 3 points, this one has 2"),
        (via_region(all_points_x=[1, 5, 1], all_points_y=[1, 2, 1]), "needs at least 3 points, this one has 2"),
        (via_region(all_points_x=[1, 2, 3], all_points_y=[1, 2]), "has 3 x and 2 y coordinates"),
        (via_region("cube", x=1), "unknown shape 'cube'; choose from polygon"),
        (via_region("rect", x=1), "it has no 'y'"),
        (via_region(all_points_x=[1, 2, float("nan")], all_points_y=[1, 2, 3]), "not a finite number"),
    ],
)
def test_bad_via_region_is_a_finding_with_file_image_and_number(
    tmp_path: Path, region: dict[str, Any], message: str
) -> None:
    dataset = one_image(tmp_path, {"a": via_entry("a.png", via_region(), region)})
    (finding,) = dataset.findings
    assert finding.kind == "bad_region"
    assert re.search(rf"region 1 of a\.png in .*notes\.json: .*{message}", finding.message)
    np.testing.assert_array_equal(only_mask(dataset), square_mask(value=1))


def test_regions_of_which_none_can_be_read_are_an_error(tmp_path: Path) -> None:
    flat = via_region(all_points_x=[1, 2], all_points_y=[1, 2])
    with pytest.raises(DataError, match=r"region 0 of a\.png in .*notes\.json: .*; no other region can be read either"):
        one_image(tmp_path, {"a": via_entry("a.png", flat)})


def test_polygon_without_area_is_a_finding(tmp_path: Path) -> None:
    flat = via_region(all_points_x=[1, 2, 3], all_points_y=[1, 2, 3])
    dataset = one_image(tmp_path, {"a": via_entry("a.png", via_region(), flat)})
    assert [(finding.kind, finding.message) for finding in dataset.findings] == [
        ("degenerate_region", f"region 1 of a.png in {tmp_path}/notes.json has no area")
    ]


def test_a_polygon_of_the_largest_numbers_has_an_area_and_says_nothing_else() -> None:
    """No warning of NumPy's: it would be a second line beside the command's own."""
    huge = [-1e308, -1e308, 1e308, -1e308, 1e308, 1e308]
    with np.errstate(over="raise", invalid="raise"):
        assert not has_no_area(huge)


def test_polygon_out_of_bounds_is_cut_and_known(tmp_path: Path) -> None:
    far = via_region(all_points_x=[10, 30, 30, 10], all_points_y=[-9, -9, 4, 4])
    dataset = one_image(tmp_path, {"a": via_entry("a.png", via_region(), far)})
    assert only_mask(dataset).sum() == 16 + 6 * 4
    assert dataset.samples[0].annotation.outside(12, 16) == (1,)


def test_broken_json_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture())
    (tmp_path / "via.json").write_text("{")
    with pytest.raises(DataError, match=r"via\.json is not valid JSON"):
        open_dataset(tmp_path, DataOptions())


def test_annotations_without_any_image_are_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "via.json", {"a": via_entry("a.png", via_region())})
    with pytest.raises(DataError, match="none of their images exists"):
        open_dataset(tmp_path, DataOptions())


def test_two_entries_of_one_image_are_drawn_together_and_said(tmp_path: Path) -> None:
    more = via_region("rect", x=10, y=8, width=2, height=2)
    dataset = one_image(tmp_path, {"a1": via_entry("a.png", via_region()), "a2": via_entry("a.png", more)})
    assert only_mask(dataset).sum() == 16 + 4
    assert [finding.kind for finding in dataset.findings] == ["merged_entries"]


def test_two_files_that_differ_about_one_image_are_refused_and_equal_ones_read_once(tmp_path: Path) -> None:
    write_json(tmp_path / "copy.json", {"a": via_entry("a.png", via_region())})
    dataset = one_image(tmp_path, {"a": via_entry("a.png", via_region())})
    assert only_mask(dataset).sum() == 16
    with pytest.raises(DataError, match=r"a\.png is annotated in .*copy\.json and in .*notes\.json, and they differ"):
        one_image(tmp_path, {"a": via_entry("a.png", via_region("rect", x=1, y=1, width=3, height=3))})


SQUARE = [3, 2, 7, 2, 7, 6, 3, 6]


def test_coco_polygons_take_their_categories_in_the_order_of_ids(tmp_path: Path) -> None:
    content = coco_content(
        {"category_id": 7, "segmentation": [SQUARE, [10, 8, 12, 8, 12, 10, 10, 10]]},
        {"category_id": 3, "segmentation": [[0, 0, 2, 0, 2, 1, 0, 1]]},
    )
    dataset = one_image(tmp_path, content)
    assert (dataset.format, dataset.classes) == ("coco", ("dent", "scratch"))
    assert np.bincount(only_mask(dataset).ravel()).tolist() == [192 - 22, 2, 20]


@pytest.mark.parametrize("compressed", [True, False])
def test_coco_run_lengths_give_the_mask_back(tmp_path: Path, compressed: bool) -> None:
    mask = square_mask(value=1)
    if compressed:
        rle = coco.encode(np.asfortranarray(mask))
        counts: object = rle["counts"].decode()
    else:  # column by column: 3 columns and 2 rows of 0, then 4 rows of 1 in each of 4 columns of 12
        counts = [38, 4, 8, 4, 8, 4, 8, 4, 114]
    content = coco_content({"category_id": 3, "iscrowd": 1, "segmentation": {"size": [12, 16], "counts": counts}})
    np.testing.assert_array_equal(only_mask(one_image(tmp_path, content)), mask)


def test_coco_file_names_predefine_the_split(tmp_path: Path) -> None:
    for part, folder in (("train", "images"), ("val", "images/val")):
        content = coco_content({"category_id": 3, "segmentation": [SQUARE]})
        content["images"][0]["file_name"] = f"{part}.png"
        save(tmp_path / folder / f"{part}.png", picture())
        write_json(tmp_path / "annotations" / f"instances_{part}.json", content)
    samples = open_dataset(tmp_path, DataOptions()).samples
    assert {sample.id: sample.split for sample in samples} == {"images/train.png": "train", "images/val/val.png": "val"}


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"category_id": 3, "segmentation": [[1, 1, 2, 2]]}, r"annotation 1 of a\.png in .* at least 3 points"),
        ({"category_id": 3, "segmentation": [[1, 1, 2]]}, r"annotation 1 of a\.png in .*: a polygon has 3 numbers"),
        ({"category_id": 5, "segmentation": [SQUARE]}, "uses the category 5, which its categories do not name"),
        ({"category_id": 3, "segmentation": []}, "has no segmentation, only boxes"),
    ],
)
def test_bad_coco_annotation_is_named(tmp_path: Path, annotation: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        one_image(tmp_path, coco_content(annotation))


def test_coco_size_that_is_not_the_image_names_both(tmp_path: Path) -> None:
    dataset = one_image(tmp_path, coco_content({"category_id": 3, "segmentation": [SQUARE]}, width=20))
    with pytest.raises(DataError, match=r"notes\.json describes .*a\.png as 20x12 pixels, but the image is 16x12"):
        decode(dataset.samples[0])


def test_outlines_of_the_stored_size_are_turned_with_the_image(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(12, 16), orientation=6)
    write_json(tmp_path / "coco.json", coco_content({"category_id": 3, "segmentation": [SQUARE]}))
    mask = only_mask(open_dataset(tmp_path, DataOptions()))
    np.testing.assert_array_equal(mask, np.rot90(square_mask(12, 16, value=1), -1))


def test_labelme_shapes_are_drawn(tmp_path: Path) -> None:
    shapes = (
        {"label": "dent", "shape_type": "rectangle", "points": [[12, 10], [10, 8]]},
        {"label": "scratch", "shape_type": "polygon", "points": [[3, 2], [7, 2], [7, 6], [3, 6]]},
        {"label": "dent", "shape_type": "circle", "points": [[13, 3], [13, 5]]},
    )
    dataset = one_image(tmp_path, labelme_content(*shapes), "a.json")
    assert (dataset.format, dataset.classes) == ("labelme", ("dent", "scratch"))
    background, dents, scratches = np.bincount(only_mask(dataset).ravel()).tolist()
    assert scratches == 16
    assert dents == pytest.approx(4 + math.pi * 4, abs=2)
    assert background == 192 - dents - scratches


def test_labelme_image_path_is_honoured(tmp_path: Path) -> None:
    save(tmp_path / "train/pictures/other.png", picture())
    square = {"label": "dent", "points": [[3, 2], [7, 2], [7, 6], [3, 6]]}
    write_json(tmp_path / "train/a.json", labelme_content(square, path="pictures\\other.png"))
    dataset = open_dataset(tmp_path, DataOptions())
    assert [(sample.id, sample.split) for sample in dataset.samples] == [("train/pictures/other.png", "train")]
    assert only_mask(dataset).sum() == 16


def test_bad_labelme_shape_is_named(tmp_path: Path) -> None:
    line = {"label": "dent", "shape_type": "polygon", "points": [[1, 1], [2, 2]]}
    with pytest.raises(DataError, match=r"shape 0 in .*a\.json: a polygon needs at least 3 points, this one has 2"):
        one_image(tmp_path, labelme_content(line), "a.json")
