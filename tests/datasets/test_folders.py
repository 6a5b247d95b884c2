from pathlib import Path

import numpy as np
import pytest

from bench.datasets import DataOptions, open_dataset
from bench.datasets.images import decode
from bench.errors import DataError
from tests.datasets.drawings import folders, picture, save, square_mask


def foreground(root: Path, options: DataOptions | None = None) -> list[int]:
    """Foreground pixels of each sample."""
    return [int((decode(sample)[1] > 0).sum()) for sample in open_dataset(root, options or DataOptions()).samples]


@pytest.mark.parametrize("value", [1, 255, 100])
def test_one_value_beside_0_is_the_one_class(tmp_path: Path, value: int) -> None:
    dataset = open_dataset(folders(tmp_path, value=value), DataOptions())
    assert dataset.format == "folders"
    assert dataset.classes == ("foreground",)
    assert [sample.id for sample in dataset.samples] == ["images/a0.png", "images/a1.png", "images/a2.png"]
    image, mask = decode(dataset.samples[0])
    np.testing.assert_array_equal(image, picture(seed=0))
    np.testing.assert_array_equal(mask, square_mask(value=1))


def test_antialiased_masks_are_cut_above_127(tmp_path: Path) -> None:
    folders(tmp_path)
    soft = square_mask()
    soft[2, 3:7] = (127, 128, 60, 200)  # two of the four edge pixels stay
    save(tmp_path / "masks/a0.png", soft)
    assert foreground(tmp_path) == [14, 16, 16]


def test_jpeg_masks_are_cut_above_127(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / "images" / f"a{number}.jpg", picture(32, 32, seed=number))
        save(tmp_path / "masks" / f"a{number}.jpg", square_mask(32, 32, side=16), quality=60)
    assert open_dataset(tmp_path, DataOptions()).classes == ("foreground",)
    assert foreground(tmp_path) == pytest.approx([256, 256], abs=16)


def test_several_small_ids_are_several_classes_in_their_order(tmp_path: Path) -> None:
    folders(tmp_path, value=2)
    save(tmp_path / "masks/a1.png", square_mask(value=5))
    dataset = open_dataset(tmp_path, DataOptions())
    assert dataset.classes == ("class_2", "class_5")
    assert [int(decode(sample)[1].max()) for sample in dataset.samples] == [1, 2, 1]


def test_configured_classes_name_the_ids_and_order_them(tmp_path: Path) -> None:
    folders(tmp_path, value=2)
    save(tmp_path / "masks/a1.png", square_mask(value=5))
    dataset = open_dataset(tmp_path, DataOptions(classes={"scratch": 5, "dent": 2}))
    assert dataset.classes == ("scratch", "dent")
    assert [int(decode(sample)[1].max()) for sample in dataset.samples] == [2, 1, 2]


def test_id_that_configured_classes_do_not_know_names_file_and_ids(tmp_path: Path) -> None:
    folders(tmp_path, value=2)
    save(tmp_path / "masks/a1.png", square_mask(value=5))
    with pytest.raises(DataError, match=r"a1\.png holds the ids 5; classes knows 0 \(background\), 2, 3"):
        open_dataset(tmp_path, DataOptions(classes={"dent": 2, "scratch": 3}))


def test_configured_name_of_a_painted_class(tmp_path: Path) -> None:
    assert open_dataset(folders(tmp_path), DataOptions(classes={"crack": 1})).classes == ("crack",)


def test_values_that_are_neither_painted_nor_ids_ask_for_classes(tmp_path: Path) -> None:
    folders(tmp_path, value=128)
    whole = square_mask(value=255)
    whole[8:11, 8:12] = 128
    save(tmp_path / "masks/a1.png", whole)
    with pytest.raises(
        DataError, match=r"a1\.png holds the values 128, 255, neither 0 and 255 nor small class ids; .*classes"
    ):
        open_dataset(tmp_path, DataOptions())


def test_a_mask_of_0_and_1_among_masks_of_0_and_255_is_refused(tmp_path: Path) -> None:
    folders(tmp_path)
    save(tmp_path / "masks/a1.png", square_mask(value=1))
    with pytest.raises(DataError, match=r"a1\.png holds 0 and 1 while others hold 0 and 255"):
        open_dataset(tmp_path, DataOptions())


@pytest.mark.parametrize("layout", ["train/images", "images/train"])
def test_folders_of_parts_predefine_the_split(tmp_path: Path, layout: str) -> None:
    for part in ("train", "valid", "test"):
        place = layout.replace("train", part)
        save(tmp_path / place / "a.png", picture())
        save(tmp_path / place.replace("images", "masks") / "a.png", square_mask())
    samples = open_dataset(tmp_path, DataOptions()).samples
    assert {sample.id: sample.split for sample in samples} == {
        f"{layout}/a.png": "train",
        f"{layout.replace('train', 'valid')}/a.png": "val",
        f"{layout.replace('train', 'test')}/a.png": "test",
    }


def test_prefixes_predefine_the_split(tmp_path: Path) -> None:
    folders(tmp_path, 2)
    save(tmp_path / "images/b.png", picture())
    save(tmp_path / "masks/b.png", square_mask())
    dataset = open_dataset(tmp_path, DataOptions(split_prefixes={"a": "train", "b": "test"}))
    assert [sample.split for sample in dataset.samples] == ["train", "train", "test"]


@pytest.mark.parametrize(
    ("prefixes", "message"),
    [
        ({"a1": "train"}, r"a0\.png starts with none of the split prefixes a1"),
        ({"a": "trian"}, "unknown part 'trian' in split_prefixes; choose from train, val, test"),
    ],
)
def test_prefix_that_does_not_fit_is_said(tmp_path: Path, prefixes: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_dataset(folders(tmp_path), DataOptions(split_prefixes=prefixes))


def test_prefixes_that_no_file_has_leave_the_data_unsplit(tmp_path: Path) -> None:
    dataset = open_dataset(folders(tmp_path), DataOptions(split_prefixes={"train_": "train", "test_": "test"}))
    assert {sample.split for sample in dataset.samples} == {None}


def test_images_and_masks_without_partner_are_findings(tmp_path: Path) -> None:
    folders(tmp_path)
    save(tmp_path / "images/lonely.png", picture())
    save(tmp_path / "masks/orphan.png", square_mask())
    dataset = open_dataset(tmp_path, DataOptions())
    assert len(dataset.samples) == 3
    assert {(finding.kind, finding.files) for finding in dataset.findings} == {
        ("missing_annotation", ("images/lonely.png",)),
        ("missing_image", ("masks/orphan.png",)),
    }


def test_mask_of_another_size_names_both_files_and_sizes(tmp_path: Path) -> None:
    folders(tmp_path)
    save(tmp_path / "masks/a1.png", square_mask(10, 16))
    with pytest.raises(DataError, match=r"masks/a1\.png is 16x10 pixels, but its image .*images/a1\.png is 16x12"):
        decode(open_dataset(tmp_path, DataOptions()).samples[1])


@pytest.mark.parametrize("mask_is_shown", [True, False])
def test_mask_is_turned_with_its_image_only_where_it_has_the_stored_size(tmp_path: Path, mask_is_shown: bool) -> None:
    stored = square_mask(12, 16)
    shown = np.rot90(stored, -1)  # what EXIF orientation 6 means: a quarter turn clockwise
    save(tmp_path / "images/a.jpg", np.repeat(stored[..., None], 3, axis=2), orientation=6, quality=95)
    save(tmp_path / "masks/a.png", np.ascontiguousarray(shown if mask_is_shown else stored))
    image, mask = decode(open_dataset(tmp_path, DataOptions()).samples[0])
    assert image.shape == (16, 12, 3)
    np.testing.assert_array_equal(mask, shown > 0)
    np.testing.assert_array_equal(image[..., 0] > 127, shown > 0)


def test_two_images_of_one_stem_are_refused(tmp_path: Path) -> None:
    folders(tmp_path)
    save(tmp_path / "images/a0.jpg", picture())
    with pytest.raises(DataError, match=r"a0\.jpg and .*a0\.png have one stem"):
        open_dataset(tmp_path, DataOptions())


def test_unreadable_mask_stops_or_is_left_out_as_configured(tmp_path: Path) -> None:
    folders(tmp_path)
    (tmp_path / "masks/a1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"masks/a1\.png: not an image"):
        open_dataset(tmp_path, DataOptions())
    dataset = open_dataset(tmp_path, DataOptions(skip_unreadable=True))
    assert [sample.id for sample in dataset.samples] == ["images/a0.png", "images/a2.png"]
    assert [finding.kind for finding in dataset.findings] == ["unreadable"]


def test_missing_folder_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"data set .*/nowhere does not exist; it should be a directory with one of: images/ with masks/",
    ):
        open_dataset(tmp_path / "nowhere", DataOptions())


def test_empty_folder_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty; it needs one of: images/ with masks/"):
        open_dataset(tmp_path, DataOptions())


def test_images_without_masks_say_where_masks_belong(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", picture())
    with pytest.raises(DataError, match=r"images has no masks: .*masks is missing"):
        open_dataset(tmp_path, DataOptions())


def test_masks_of_other_stems_say_what_would_fit(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", picture())
    save(tmp_path / "masks/b.png", square_mask())
    with pytest.raises(DataError, match=r"no mask in .*masks has the stem of an image"):
        open_dataset(tmp_path, DataOptions())


def test_plain_images_say_what_was_looked_for(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture())
    with pytest.raises(DataError, match=r"no annotations recognised in .*; looked for images/ with masks/, a VIA JSON"):
        open_dataset(tmp_path, DataOptions())
