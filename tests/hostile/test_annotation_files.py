"""Annotation files that nobody would write, thousands of them: each ends in a data set or in one line
that names the file."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.datasets import DataOptions, open_dataset
from bench.datasets.images import decode
from bench.errors import DataError
from tests.datasets.drawings import (
    coco_content,
    labelme_content,
    picture,
    save,
    via_entry,
    via_region,
    write_json,
)
from tests.hostile.mutations import SECRET, TALLY, as_drawn, bounded, changed, examples, watched

EXAMPLES = examples(2000, 150)
"""Of each format; made up by a fixed seed, so that a failure is the same tomorrow."""

SQUARE = [3, 2, 7, 2, 7, 6, 3, 6]
RLE = {"size": [12, 16], "counts": [38, 4, 8, 4, 8, 4, 8, 4, 114]}

COCO = coco_content(
    {"category_id": 7, "segmentation": [SQUARE, [10, 8, 12, 8, 12, 10]], "bbox": [3, 2, 4, 4]},
    {"category_id": 3, "segmentation": RLE},
    {"category_id": 3, "iscrowd": 1, "segmentation": {"size": [12, 16], "counts": "V14800T3"}},
)
VIA = {
    "a": via_entry("a.png", via_region(), via_region("circle", cx=5, cy=5, r=3)),
    "b": {
        "filename": "b.png",
        "regions": [
            via_region("ellipse", cx=5, cy=5, rx=3, ry=2, theta=1),
            via_region("polyline", all_points_x=[1, 5], all_points_y=[2, 3]),
            via_region("rect", x=1, y=1, width=3, height=3),
        ],
    },
}
VIA_3 = {
    "project": {"pid": "x"},
    "config": {},
    "attribute": {"1": {"aname": "class", "options": {"0": "dent", "1": "scratch"}}},
    "file": {"1": {"fid": "1", "fname": "a.png", "src": "a.png"}},
    "view": {"1": {"fid_list": ["1"]}},
    "metadata": {
        "1_a": {"vid": "1", "xy": [7, 3, 2, 7, 2, 7, 6, 3, 6], "av": {"1": "0"}},
        "1_b": {"vid": "1", "xy": [2, 3, 2, 4, 4], "av": {"1": "1"}},
    },
}
LABELME = labelme_content(
    {"label": "dent", "shape_type": "polygon", "points": [[3, 2], [7, 2], [7, 6], [3, 6]]},
    {"label": "dent", "shape_type": "rectangle", "points": [[12, 10], [10, 8]]},
    {"label": "scratch", "shape_type": "circle", "points": [[8, 6], [8, 9]]},
    {"label": "scratch", "shape_type": "linestrip", "points": [[1, 1], [5, 5]]},
    {"label": "dent", "shape_type": "mask", "points": [[1, 1], [3, 3]], "mask": "iVBORw0KGgo="},
)
BASES: dict[str, Any] = {"coco": COCO, "via": VIA, "via_3": VIA_3, "labelme": LABELME}

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 3, 255, 256, 10**9, -(10**9), 10**308, 10**400, 1e308, -1e308, 1e-300, 0.5,
    float("nan"), float("inf"), float("-inf"), "", "a", "1", "-7", "a.png", "b.png", "nowhere.png", f"../{SECRET}",
    f"..\\{SECRET}", "/etc/passwd", "C:\\x\\a.png", "x" * 5000, "\ud800", "\0", "\n", "ä%20b", "polygon", "circle",
    "point", "mask", [], {}, [[]], [None], [1, 2], [[1, 2]], [[1, 2], [3, 4]], [1e9] * 6, [-1e9, 1e9] * 4,
    [[1e308, -1e308]] * 3, [[1e12, 5], [5, 1e12], [-1e12, 7]], {"x": {}}, {"size": [12, 16]},
    {"size": [12, 16], "counts": "bQ1"}, {"size": [10**6, 10**6], "counts": [10**12]},
    {"size": [12, 16], "counts": [-1, 193]}, {"size": [12, 16], "counts": "~~~~"}, {"size": [12, 16], "counts": [192]},
    {"size": 3, "counts": None},
]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outer = tmp_path_factory.mktemp("made-up")
    save(outer / SECRET, picture())
    for number, name in enumerate("ab"):
        save(outer / "set" / f"{name}.png", picture(seed=number))
    return outer / "set"


@pytest.mark.parametrize("name", BASES)
def test_a_made_up_annotation_file_is_read_or_refused_in_one_line(root: Path, name: str) -> None:
    ends = Counter[str]()

    @as_drawn(EXAMPLES)
    @given(data=st.data())
    def one(data: st.DataObject) -> None:
        content = changed(data.draw, BASES[name], ODD)
        try:
            write_json(root / "a.json", content)
        except UnicodeEncodeError:
            return
        try:
            with bounded(10):
                dataset = open_dataset(root, DataOptions())
                for sample in dataset.samples:
                    assert sample.image_path.is_relative_to(root)
                    mask = decode(sample)[1]
                    assert mask.shape == (12, 16)
                    assert set(np.unique(mask).tolist()) <= {*range(len(dataset.classes) + 1), 255}
            ends["read"] += 1
        except DataError as error:
            said = str(error).strip()
            ends["refused" if "\n" not in said and len(said) < 12_000 else "no line"] += 1

    with watched(root):
        one()
    for how, count in (("result", ends["read"]), ("one line", ends["refused"])):
        TALLY.setdefault(f"mutated annotation files, {name}", Counter())[how] += count
    assert sum(ends.values()) >= EXAMPLES * 0.9
    assert not ends["no line"]
    assert min(ends["read"], ends["refused"]) > 0.02 * EXAMPLES


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "null", "3", '"x"', "[" * 100_000, '{"a":' * 50_000, '{"shapes": [], "imagePath": "a.png"',
        "\x00", "NaN", '{"shapes": [], "imagePath": ' + "9" * 5000 + "}", '{"images": [], "annotations": []}',
        '{"_via_img_metadata": {}}',
    ],
)  # fmt: skip
def test_text_that_is_no_annotation_file_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    save(tmp_path / "a.png", picture())
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path, DataOptions())
    assert str(tmp_path) in str(caught.value)
