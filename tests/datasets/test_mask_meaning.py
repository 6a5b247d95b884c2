"""What mask files mean: masks are drawn by OpenCV here, and what is read is compared with them pixel by pixel."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from bench.datasets import DataOptions, Dataset, open_dataset
from bench.datasets.audit import audit
from bench.datasets.cache import open_cache, write_cache
from bench.datasets.images import decode
from bench.errors import DataError
from tests.datasets.drawings import picture, save

HEIGHT, WIDTH = 80, 96
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def disc(value: Any, *, x: int = 40, r: int = 14, on: np.ndarray | None = None) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8) if on is None else on.copy()
    return cv2.circle(mask, (x, 40), r, value, -1)


def colours(*discs: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for number, colour in enumerate(discs):
        mask = disc(colour, x=18 + 28 * number, r=10, on=mask)
    return mask


def written(root: Path, *masks: Any, suffix: str = "png") -> Path:
    for number, mask in enumerate(masks):
        save(root / "images" / f"{number}.png", picture(HEIGHT, WIDTH, seed=number))
        (root / "masks").mkdir(exist_ok=True)
        drawn = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
        drawn.save(root / "masks" / f"{number}.{suffix}")
    return root


def read(root: Path, **options: Any) -> tuple[Dataset, list[np.ndarray]]:
    dataset = open_dataset(root, DataOptions(**options))
    return dataset, [decode(sample)[1] for sample in dataset.samples]


def palette(colours_of: list[tuple[int, int, int]], indices: np.ndarray) -> Image.Image:
    image = Image.fromarray(indices, "P")
    image.putpalette([channel for colour in colours_of for channel in colour])
    return image


def test_255_beside_small_ids_is_void_and_said(tmp_path: Path) -> None:
    rings = [disc(n, r=11, on=disc(255, r=14)) for n in (1, 2)]
    dataset, masks = read(written(tmp_path, *rings))
    assert dataset.classes == ("class_1", "class_2")
    for mask, ring in zip(masks, rings, strict=True):
        np.testing.assert_array_equal(mask, ring)
    assert [finding.kind for finding in dataset.findings] == ["void_pixels"]


def test_void_is_in_no_share_and_no_accuracy_and_not_valid_in_the_cache(tmp_path: Path) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:40] = 255
    mask[40:60, :48] = 1  # 20 x 48 of the 40 x 96 pixels that are decided
    root = written(tmp_path / "data", mask)
    dataset = open_dataset(root, DataOptions())
    record, identity = audit(dataset, DataOptions())
    assert record.images[0].foreground_share == (0.25,)
    assert record.images[0].void_share == 0.5
    assert record.background_accuracy == {"all": 0.75}
    write_cache(dataset, ["images/0.png"], [96], tmp_path / "cache", fingerprint=identity.fingerprint)
    pixels = open_cache(tmp_path / "cache", 96)
    assert int((pixels.masks[0, 8:88] == 255).sum()) == 40 * 96
    assert int(pixels.valid.sum()) == 40 * 96  # 8 rows of padding above and below


def test_values_to_ignore_are_void_whatever_else_they_might_mean(tmp_path: Path) -> None:
    masks = [disc(1, r=11, on=disc(255, r=14)), disc(255)]
    with pytest.raises(
        DataError, match=r"0\.png holds 0 and 1 and 255 while others hold 0 and 255 .*1\.png.*ignore: \[value\]"
    ):
        read(written(tmp_path, *masks))
    dataset, found = read(tmp_path, ignore=(255,))
    assert dataset.classes == ("foreground",)
    np.testing.assert_array_equal(found[0], masks[0])
    np.testing.assert_array_equal(found[1], masks[1])


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_a_grey_with_an_area_is_a_class_however_rare(tmp_path: Path, share: float) -> None:
    mask = disc(255, r=20)
    mask[60:70, : max(3, int(share * WIDTH))] = 128
    with pytest.raises(DataError, match=r"0\.png holds the values 128, 255, neither .* classes: \{name: value"):
        read(written(tmp_path, mask, mask))
    dataset, found = read(tmp_path, classes={"rare": 128, "common": 255})
    assert dataset.classes == ("rare", "common")
    np.testing.assert_array_equal(found[0], np.select([mask == 128, mask == 255], [1, 2]))


def test_greys_of_soft_edges_are_no_classes(tmp_path: Path) -> None:
    soft = cv2.GaussianBlur(disc(255), (5, 5), 1)
    dataset, found = read(written(tmp_path, soft, disc(255)))
    assert dataset.classes == ("foreground",)
    np.testing.assert_array_equal(found[0], soft > 127)


def test_three_greys_do_not_make_the_brightest_void(tmp_path: Path) -> None:
    mask = disc(100, x=70, r=8, on=disc(255, x=30))
    with pytest.raises(DataError, match=r"100, 255: whether 255 is void or a class is not clear"):
        read(written(tmp_path, mask, mask))


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_painted_jpeg_is_read_and_ids_in_jpeg_are_refused(tmp_path: Path, quality: int) -> None:
    def jpeg(name: str, mask: np.ndarray) -> Path:
        root = tmp_path / name
        save(root / "images/0.png", picture(HEIGHT, WIDTH))
        save(root / "masks/0.jpg", mask, quality=quality)
        return root

    _, found = read(jpeg("painted", disc(255)))
    assert np.count_nonzero(found[0] != (disc(255) > 0)) < 20
    greys = disc(85, x=15, r=8, on=disc(170, x=75, r=8, on=disc(255, r=10)))
    for name, mask in {
        "ids": disc(60),
        "two ids": disc(20, x=20, on=disc(40, x=70)),
        "small": disc(3),
        "greys": greys,
    }.items():
        with pytest.raises(DataError, match=r"0\.jpg holds class ids or greys in a lossy file \(JPEG\).*PNG"):
            read(jpeg(name, mask))


def test_object_numbers_are_refused_and_any_makes_one_class_of_them(tmp_path: Path) -> None:
    def cells(count: int) -> np.ndarray:
        mask = np.zeros((HEIGHT, WIDTH), np.uint16)
        for number in range(count):
            cv2.rectangle(
                mask,
                (8 * (number % 11), 8 * (number // 11)),
                (8 * (number % 11) + 5, 8 * (number // 11) + 5),
                number + 1,
                -1,
            )
        return mask

    masks = [cells(12), cells(40), cells(25)]
    with pytest.raises(DataError, match=r"look like object \(instance\) numbers.*classes: \{NAME: any\}"):
        read(written(tmp_path, *masks))
    dataset, found = read(tmp_path, classes={"cell": "any"})
    assert dataset.classes == ("cell",)
    for mask, ids in zip(masks, found, strict=True):
        np.testing.assert_array_equal(ids, mask > 0)


def test_object_numbers_above_255_are_refused_and_read_as_any(tmp_path: Path) -> None:
    mask = disc(7, x=30).astype(np.uint16)
    mask[2:8, 2:8] = 300
    with pytest.raises(DataError, match=r"holds values up to 300.*object numbers"):
        read(written(tmp_path, mask))
    _, found = read(tmp_path, classes={"cell": "any"})
    np.testing.assert_array_equal(found[0], mask > 0)


def test_few_numbers_that_count_up_in_each_mask_are_a_finding(tmp_path: Path) -> None:
    masks = []
    for count in (1, 2, 3, 4):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        for number in range(count):
            mask = disc(number + 1, x=10 + 20 * number, r=6, on=mask)
        masks.append(mask)
    dataset, _ = read(written(tmp_path, *masks))
    assert len(dataset.classes) == 4
    assert [finding.kind for finding in dataset.findings] == ["object_numbers"]


def test_classes_that_occur_in_many_places_are_no_object_numbers(tmp_path: Path) -> None:
    masks = [
        disc(1, x=20, on=disc(2, x=60, r=8)),
        disc(2, x=20, r=8, on=disc(2, x=70, r=8)),
        disc(3, r=5, on=disc(1, x=80, r=5)),
    ]
    dataset, found = read(written(tmp_path, *masks))
    assert dataset.findings == ()
    np.testing.assert_array_equal(found[2], masks[2])


def test_colours_are_compared_over_the_whole_set(tmp_path: Path) -> None:
    masks = [colours(RED), colours(GREEN)]
    with pytest.raises(DataError, match=r"several colours, #00ff00 \(1\.png\), #ff0000 \(0\.png\); .*#rrggbb"):
        read(written(tmp_path, *masks))
    dataset, found = read(tmp_path, classes={"crack": "#00ff00", "rust": "#ff0000"})
    assert dataset.classes == ("crack", "rust")
    np.testing.assert_array_equal(found[0], 2 * (masks[0][..., 0] > 0))
    np.testing.assert_array_equal(found[1], masks[1][..., 1] > 0)


def test_one_colour_is_one_class_also_a_dark_one_with_soft_edges(tmp_path: Path) -> None:
    for number, colour in enumerate((RED, (64, 0, 0), (255, 255, 0))):
        mask = colours(colour)
        _, found = read(written(tmp_path / str(number), mask, mask))
        np.testing.assert_array_equal(found[0], mask.any(axis=2))


def test_a_colour_that_no_class_has_is_refused_or_void(tmp_path: Path) -> None:
    named = {"crack": "#ff0000", "rust": "#00ff00"}
    written(tmp_path, colours(RED, GREEN), colours(RED, GREEN, BLUE))
    with pytest.raises(DataError, match=r"1\.png holds the colour #0000ff, which classes does not name"):
        read(tmp_path, classes=named)
    _, found = read(tmp_path, classes=named, ignore=("#0000ff",))
    assert np.unique(found[1]).tolist() == [0, 1, 2, 255]


def test_a_labelmap_of_cvat_names_the_colours(tmp_path: Path) -> None:
    mask = colours((250, 50, 83), (51, 221, 255))
    save(tmp_path / "JPEGImages/a.jpg", picture(HEIGHT, WIDTH))
    save(tmp_path / "SegmentationClass/a.png", mask)
    lines = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:250,50,83::\ndog:51,221,255::\n"
    (tmp_path / "labelmap.txt").write_text(lines)
    dataset, found = read(tmp_path)
    assert dataset.classes == ("cat", "dog")
    np.testing.assert_array_equal(found[0], np.select([mask[..., 0] == 250, mask[..., 0] == 51], [1, 2]))


def test_palettes_that_agree_are_read_by_index(tmp_path: Path) -> None:
    voc = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    masks = [disc(1), disc(2)]
    dataset, found = read(written(tmp_path, *(palette(voc, mask) for mask in masks)))
    assert dataset.classes == ("class_1", "class_2")
    np.testing.assert_array_equal(found[1], masks[1])


def test_black_and_white_palettes_are_read_by_what_is_seen(tmp_path: Path) -> None:
    black_first, white_first = [(0, 0, 0), (255, 255, 255)], [(255, 255, 255), (0, 0, 0)]
    drawn = disc(1)
    _, found = read(written(tmp_path, palette(black_first, drawn), palette(white_first, 1 - drawn)))
    for mask in found:
        np.testing.assert_array_equal(mask, drawn)


def test_palettes_that_differ_are_told_by_colour(tmp_path: Path) -> None:
    written(
        tmp_path,
        palette([(0, 0, 0), RED, GREEN], disc(1, on=disc(2, x=80, r=5))),
        palette([(0, 0, 0), GREEN, RED], disc(2, on=disc(1, x=80, r=5))),
    )
    with pytest.raises(DataError, match="several colours"):
        read(tmp_path)
    _, found = read(tmp_path, classes={"red": "#ff0000", "green": "#00ff00"})
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], disc(1, on=disc(2, x=80, r=5)))


def test_a_mask_in_the_transparency_is_read(tmp_path: Path) -> None:
    drawn = disc(255)
    white = np.dstack([np.full((HEIGHT, WIDTH, 3), 255, np.uint8), drawn])
    _, found = read(written(tmp_path, white, white))
    np.testing.assert_array_equal(found[0], drawn > 0)


def test_what_is_transparent_in_a_painted_mask_is_background(tmp_path: Path) -> None:
    drawn = disc(1)
    shown = np.where(drawn[..., None] > 0, np.uint8([255, 255, 255]), np.uint8([10, 200, 30])).astype(np.uint8)
    shown[40, 40] = 250
    _, found = read(written(tmp_path, np.dstack([shown, 255 * drawn])))
    np.testing.assert_array_equal(found[0], drawn)


def test_masks_of_two_kinds_are_refused_with_both_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1\.png holds 0 and 2 while others hold 0 and 255 \(.*0\.png\)"):
        read(written(tmp_path / "a", disc(255), disc(2)))
    alpha = np.dstack([np.full((HEIGHT, WIDTH, 3), 255, np.uint8), disc(255)])
    with pytest.raises(DataError, match=r"1\.png has its drawing in the transparency .* and mask .*0\.png has not"):
        read(written(tmp_path / "b", disc(255), alpha))


def test_a_few_coloured_masks_among_many_painted_ones_are_left_out_or_refused(tmp_path: Path) -> None:
    written(tmp_path, *[disc(255, x=20 + 5 * n) for n in range(8)], colours(RED, GREEN))
    with pytest.raises(
        DataError, match=r"8\.png is painted in the colours #00ff00, #ff0000 while 8 others are not in colour"
    ):
        read(tmp_path)
    dataset, found = read(tmp_path, skip_unreadable=True)
    assert len(found) == 8
    assert [finding.kind for finding in dataset.findings] == ["odd_mask"]


def test_inverted_masks_and_masks_without_foreground_are_said(tmp_path: Path) -> None:
    dataset = open_dataset(written(tmp_path / "a", 255 - disc(255)), DataOptions())
    record, _ = audit(dataset, DataOptions())
    assert "mostly_foreground" in {finding.kind for finding in record.findings}
    empty = open_dataset(written(tmp_path / "b", np.zeros((HEIGHT, WIDTH), np.uint8)), DataOptions())
    with pytest.raises(DataError, match=r"no image of .* has a pixel of a class"):
        audit(empty, DataOptions())


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: disc(255).astype(np.uint16) * 257, disc(1)),
        (lambda: Image.fromarray(disc(255) > 0), disc(1)),
        (lambda: np.dstack([disc(2)] * 3), disc(1)),
        (lambda: Image.fromarray((disc(1) > 0).astype(np.float32), "F"), disc(1)),
    ],
)
def test_depth_and_channels_of_a_mask_do_not_matter(
    tmp_path: Path, make: Callable[[], Any], expected: np.ndarray
) -> None:
    _, found = read(written(tmp_path, make(), suffix="tif"))
    np.testing.assert_array_equal(found[0], expected)


def test_a_photograph_among_the_masks_is_refused(tmp_path: Path) -> None:
    photograph = picture(HEIGHT, WIDTH, seed=3)[..., 0]
    with pytest.raises(DataError, match=r"1\.png is a photograph"):
        read(written(tmp_path, disc(255), photograph))
    save(tmp_path / "masks/1.jpg", photograph)
    (tmp_path / "masks/1.png").unlink()
    with pytest.raises(DataError, match=r"1\.jpg is a photograph"):
        read(tmp_path)


def test_too_many_classes_are_one_line(tmp_path: Path) -> None:
    written(tmp_path, disc(1))
    with pytest.raises(DataError, match=r"names 300 classes; a mask can tell 254 apart"):
        read(tmp_path, classes={f"c{n}": n for n in range(1, 301)})
