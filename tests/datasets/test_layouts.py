"""Where images and masks stand, and how they find each other."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from bench.datasets import DataOptions, Dataset, open_dataset
from bench.datasets.formats.layouts import IMAGE_FOLDERS, MASK_FOLDERS
from bench.datasets.images import decode
from bench.errors import DataError
from tests.datasets.drawings import picture, save, square_mask

COUNT = 4


def mask_of(number: int) -> np.ndarray:
    """A square whose place tells which image it is of."""
    return np.roll(square_mask(24, 32), 3 * number, axis=1)


def draw(root: Path, image: str, mask: str, count: int = COUNT) -> Path:
    for number in range(count):
        save(root / image.format(n=number), picture(24, 32, seed=number))
        save(root / mask.format(n=number), mask_of(number))
    return root


def assert_pairs(dataset: Dataset, count: int = COUNT) -> None:
    """Each image has its own mask."""
    assert len(dataset.samples) == count
    seen = set()
    for sample in dataset.samples:
        image, mask = decode(sample)
        number = next(n for n in range(count) if np.abs(image.astype(int) - picture(24, 32, seed=n)).mean() < 8)
        np.testing.assert_array_equal(mask > 0, mask_of(number) > 0)
        seen.add(number)
    assert seen == set(range(count))


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("Images/{n}.JPG", "Masks/{n}.PNG"),
        ("imgs/{n}.jpg", "masks/{n}.png"),
        ("image/{n}.jpg", "label/{n}.png"),
        ("images/{n}.jpg", "labels/{n}.png"),
        ("images/{n}.jpg", "annotations/{n}.png"),
        ("JPEGImages/{n}.jpg", "SegmentationClass/{n}.png"),
        ("images/cam/{n}.jpg", "masks/cam/{n}.png"),
        ("images/{n}.jpg", "masks/{n}_mask.png"),
        ("images/{n}.jpg", "masks/{n}-labels.png"),
        ("images/{n}.jpg", "masks/{n}_segmentation.png"),
        ("images/{n}.jpg", "masks/{n}.jpg.png"),
        ("images/{n}.jpg", "masks/mask_{n}.png"),
        ("images/{n}_sat.jpg", "masks/{n}_mask.png"),
        ("images/img_{n:03}.jpg", "masks/msk_{n:03}.png"),
        ("images/{n}.jpg", "masks/{n}.gif"),
        ("{n}.jpg", "{n}_mask.png"),
        ("imagesTr/case_{n:03}_0000.png", "labelsTr/case_{n:03}.png"),
        ("leftImg8bit/a_{n}_leftImg8bit.png", "gtFine/a_{n}_gtFine_labelIds.png"),
        ("id{n}/images/id{n}.png", "id{n}/masks/x.png"),
        ("archive/inner/images/{n}.jpg", "archive/inner/masks/{n}.png"),
    ],
)
def test_a_known_layout_is_read(tmp_path: Path, image: str, mask: str) -> None:
    dataset = open_dataset(draw(tmp_path, image, mask), DataOptions())
    assert_pairs(dataset)
    assert {sample.split for sample in dataset.samples} == {None}


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{part}/images/{n}.jpg", "{part}/masks/{n}.png"),
        ("images/{part}/{n}.jpg", "masks/{part}/{n}.png"),
        ("img_dir/{part}/{n}.jpg", "ann_dir/{part}/{n}.png"),
        ("{part}/{n}.jpg", "{part}annot/{n}.png"),
        ("{part}/{n}.jpg", "{part}_masks/{n}_mask.png"),
        ("{part}/{n}.jpg", "{part}/{n}_mask.png"),
    ],
)
def test_parts_come_from_folders_in_any_layout(tmp_path: Path, image: str, mask: str) -> None:
    for part in ("Train", "val", "test"):
        draw(tmp_path, image.replace("{part}", part), mask.replace("{part}", part), 2)
    dataset = open_dataset(tmp_path, DataOptions())
    assert sorted(str(sample.split) for sample in dataset.samples) == ["test"] * 2 + ["train"] * 2 + ["val"] * 2


def test_the_tables_of_folders_are_lower_case_and_do_not_overlap() -> None:
    assert not set(IMAGE_FOLDERS) & set(MASK_FOLDERS)
    assert all(name == name.lower() for name in (*IMAGE_FOLDERS, *MASK_FOLDERS))


def test_several_masks_of_one_image_are_drawn_together(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / f"id{number}/images/id{number}.png", picture(24, 32, seed=number))
        for nucleus in range(3):
            save(tmp_path / f"id{number}/masks/m{nucleus}.png", mask_of(2 * nucleus))
    for sample in open_dataset(tmp_path, DataOptions()).samples:
        np.testing.assert_array_equal(decode(sample)[1] > 0, (mask_of(0) > 0) | (mask_of(2) > 0) | (mask_of(4) > 0))


@pytest.mark.parametrize("mask", ["masks/{name}/{n}.png", "masks/{n}_class_{name}.png"])
def test_classes_told_by_names_are_read_and_said(tmp_path: Path, mask: str) -> None:
    for number in range(2):
        save(tmp_path / f"images/{number}.jpg", picture(24, 32, seed=number))
        for place, name in enumerate(("scratch", "dent")):
            save(tmp_path / mask.format(name=name, n=number), mask_of(4 * place))
    dataset = open_dataset(tmp_path, DataOptions())
    assert dataset.classes == ("dent", "scratch")
    assert [finding.kind for finding in dataset.findings] == ["classes_in_names"]
    np.testing.assert_array_equal(decode(dataset.samples[1])[1], np.select([mask_of(4) > 0, mask_of(0) > 0], [1, 2]))


def test_names_that_have_nothing_in_common_are_not_paired(tmp_path: Path) -> None:
    draw(tmp_path, "images/1{n}.jpg", "masks/{n}.png")
    with pytest.raises(DataError, match=r"no mask in .*masks has the stem of an image .*10\.jpg there, 0\.png here"):
        open_dataset(tmp_path, DataOptions())


def test_names_matched_by_common_ends_are_said(tmp_path: Path) -> None:
    dataset = open_dataset(draw(tmp_path, "images/img_{n:03}.jpg", "masks/msk_{n:03}.png"), DataOptions())
    (finding,) = dataset.findings
    assert finding.kind == "names_matched"
    assert "msk_000.png is taken for the mask of img_000.jpg" in finding.message


def test_patterns_pair_what_their_wildcards_stand_for(tmp_path: Path) -> None:
    draw(tmp_path, "night/s{n}/rgb/a.jpg", "night/s{n}/seg/a-x.png")
    assert_pairs(open_dataset(tmp_path, DataOptions(images="**/rgb/*.jpg", masks="**/seg/*-x.png")))


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        ("rgb/*.jpg", "seg/a.png", "rgb/\\*.jpg' has 1 wildcards and masks 'seg/a.png' has 0"),
        ("rgb/*.bmp", "seg/*.png", "images: 'rgb/\\*.bmp'} fits no picture"),
        ("*/*", "*/*", "fits both data: images"),
        ("rgb/*.jpg", None, "images and masks belong together"),
    ],
)
def test_patterns_that_make_no_pairs_say_why(tmp_path: Path, images: str, masks: str | None, message: str) -> None:
    draw(tmp_path, "rgb/{n}.jpg", "seg/{n}.png")
    save(tmp_path / "seg/a.png", mask_of(0))
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path, DataOptions(images=images, masks=masks))


def test_two_folders_of_masks_are_refused_with_both_named(tmp_path: Path) -> None:
    draw(tmp_path, "images/{n}.jpg", "masks/{n}.png")
    draw(tmp_path, "images/{n}.jpg", "labels/{n}.png")
    with pytest.raises(DataError, match=r"has masks and labels, each with pictures; .*data: \{images: "):
        open_dataset(tmp_path, DataOptions())


def test_files_that_are_no_pictures_are_counted_by_suffix(tmp_path: Path) -> None:
    draw(tmp_path, "images/{n}.jpg", "masks/{n}.png")
    for number in range(3):
        (tmp_path / f"masks/more{number}.npy").write_bytes(b"x")
    findings = open_dataset(tmp_path, DataOptions()).findings
    assert [finding.message for finding in findings] == ["masks/ has files that are not read: 3 .npy"]


@pytest.mark.parametrize(("suffix", "said"), [("heic", "HEIC: convert"), ("npy", "NumPy")])
def test_files_that_nothing_here_reads_have_a_way_out(tmp_path: Path, suffix: str, said: str) -> None:
    for number in range(3):
        save(tmp_path / "masks" / f"{number}.png", mask_of(number))
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / f"{number}.{suffix}").write_bytes(b"x")
    with pytest.raises(DataError, match=rf"3 \.{suffix} \({said}"):
        open_dataset(tmp_path, DataOptions())


def test_hidden_files_are_no_data(tmp_path: Path) -> None:
    draw(tmp_path, "images/{n}.jpg", "masks/{n}.png")
    for path in (*(tmp_path / "images").iterdir(), *(tmp_path / "masks").iterdir()):
        (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7")
    (tmp_path / "__MACOSX/images").mkdir(parents=True)
    dataset = open_dataset(tmp_path, DataOptions())
    assert_pairs(dataset)
    assert dataset.findings == ()


def test_unicode_spellings_of_a_name_are_one_name(tmp_path: Path) -> None:
    for number in range(COUNT):
        name = f"Stoßfänger {number}"
        save(tmp_path / "images" / f"{unicodedata.normalize('NFD', name)}.png", picture(24, 32, seed=number))
        save(tmp_path / "masks" / f"{unicodedata.normalize('NFC', name)}.png", mask_of(number))
    assert_pairs(open_dataset(tmp_path, DataOptions()))


def test_lists_of_pascal_voc_choose_images_and_parts(tmp_path: Path) -> None:
    draw(tmp_path, "JPEGImages/{n}.jpg", "SegmentationClass/{n}.png")
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("0\n1\n")
    (lists / "val.txt").write_text("2\n")
    dataset = open_dataset(tmp_path, DataOptions())
    assert [sample.split for sample in dataset.samples] == ["train", "train", "val"]
    assert "1 images with masks are in no list" in dataset.findings[0].message


def test_files_of_classes_name_values(tmp_path: Path) -> None:
    expected = {"crack": 1, "rust": 2}
    for name, text in {
        "_classes.csv": "Pixel Value, Class\n0, background\n1, crack\n2, rust\n",
        "classes.json": json.dumps({"background": 0, **expected}),
        "dataset.json": json.dumps({"labels": {"background": 0, **expected}}),
    }.items():
        root = tmp_path / name
        save(root / "images/a.png", picture(24, 32))
        save(root / "masks/a.png", np.maximum(mask_of(0) // 255, 2 * (mask_of(4) // 255)))
        (root / name).write_text(text)
        assert open_dataset(root, DataOptions()).classes == ("crack", "rust")


def test_an_archive_says_to_unpack_it_and_a_home_folder_is_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.zip", "a.tar.xz"):
        (tmp_path / name).write_bytes(b"PK")
        with pytest.raises(DataError, match="is an archive; unpack it"):
            open_dataset(tmp_path / name, DataOptions())
    monkeypatch.setenv("HOME", str(tmp_path))
    draw(tmp_path / "set", "images/{n}.jpg", "masks/{n}.png")
    assert_pairs(open_dataset(Path("~/set"), DataOptions()))


def test_dicom_and_nifti_are_refused_with_a_file_and_the_way_out(tmp_path: Path) -> None:
    for name, content in {
        "scan/images/IM0001": bytes(128) + b"DICM",  # DICOM often has no suffix
        "scan/images/IM0002": bytes(128) + b"DICM",
        "brain/imagesTr/brain_001_0000.nii.gz": b"",
        "brain/labelsTr/brain_001.nii.gz": b"",
        "mixed/images/a.dcm": b"",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    save(tmp_path / "mixed/masks/a.png", square_mask())
    with pytest.raises(
        DataError,
        match=r"scan/images/IM0001 is DICOM, which is not read, and 1 more like it: save each slice .*dcm2img",
    ):
        open_dataset(tmp_path / "scan", DataOptions())
    with pytest.raises(DataError, match=r"brain_001_0000\.nii\.gz is NIfTI, which is not read, and 1 more.*nibabel"):
        open_dataset(tmp_path / "brain", DataOptions())
    with pytest.raises(DataError, match=r"mixed/images/a\.dcm is DICOM, which is not read: save"):
        open_dataset(tmp_path / "mixed", DataOptions())
