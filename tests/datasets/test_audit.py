from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bench.datasets import DataOptions, open_dataset
from bench.datasets.audit import KINDS, audit
from bench.datasets.duplicates import groups, near_pairs, perceptual_hash, thumbnail
from bench.datasets.images import UnreadableImageError
from bench.errors import DataError
from bench.records import AuditRecord, ClassCounts, DatasetRecord
from tests.datasets.drawings import folders, picture, save, square_mask, via_entry, via_region, write_json


def look(root: Path, *, skip: bool = False) -> tuple[AuditRecord, DatasetRecord]:
    options = DataOptions(skip_unreadable=skip)
    return audit(open_dataset(root, options), options)


def said(record: AuditRecord, kind: str) -> list[tuple[str, ...]]:
    assert kind in KINDS
    return [finding.files for finding in record.findings if finding.kind == kind]


def test_facts_are_upright_sizes_and_shares(tmp_path: Path) -> None:
    record, identity = look(folders(tmp_path, 2))
    assert [(facts.id, facts.width, facts.height) for facts in record.images] == [
        ("images/a0.png", 16, 12),
        ("images/a1.png", 16, 12),
    ]
    assert record.images[0].foreground_share == (16 / 192,)
    assert (identity.num_images, identity.classes, identity.format) == (2, ("foreground",), "folders")
    assert record.findings == ()


def test_background_accuracy_pools_pixels_by_part(tmp_path: Path) -> None:
    for part, side, size in (("train", 4, 16), ("train", 0, 32), ("test", 8, 16)):
        save(tmp_path / part / "images" / f"{size}.png", picture(size, size, seed=size + side))
        save(tmp_path / part / "masks" / f"{size}.png", square_mask(size, size, side=side))
    record, _ = look(tmp_path)
    # train: 16 of 256 + 1024 pixels are foreground; test: 64 of 256
    assert record.background_accuracy == {"train": 1 - 16 / 1280, "test": 0.75}


def test_equal_pixels_in_another_file_format_are_exact_twins_with_their_masks_compared(tmp_path: Path) -> None:
    folders(tmp_path, 2)
    save(tmp_path / "images/b.bmp", picture(seed=0))
    save(tmp_path / "masks/b.png", np.roll(square_mask(), 1, axis=0))  # 12 of 20 pixels in common
    record, _ = look(tmp_path)
    assert said(record, "exact_twins") == [("images/a0.png", "images/b.bmp")]
    assert record.twin_groups == (("images/a0.png", "images/b.bmp"),)
    assert "agree at IoU 0.60" in record.findings[-1].message


def test_a_picture_annotated_twice_has_the_agreement_of_its_masks_on_record(tmp_path: Path) -> None:
    folders(tmp_path, 2)
    for name, mask in {"b": np.roll(square_mask(), 1, axis=0), "c": square_mask()}.items():
        save(tmp_path / f"images/{name}.bmp", picture(seed=0))
        save(tmp_path / f"masks/{name}.png", mask)
    record, _ = look(tmp_path)
    (pair,) = record.second_annotations  # c.bmp has the mask of a0.png: a copy, not a second opinion
    assert (pair.first, pair.second) == ("images/a0.png", "images/b.bmp")
    background, foreground = pair.counts
    # 16 x 12 px enlarged 16 times: of 16 pixels 12 in common, 4 in each mask alone, 192 in all
    assert foreground == ClassCounts(tp=12 * 256, fp=4 * 256, fn=4 * 256, tn=172 * 256)
    assert (background.tp, background.fp) == (foreground.tn, foreground.fn)


def test_another_size_compression_and_exposure_are_near_twins(tmp_path: Path) -> None:
    original = picture(120, 160, seed=4)
    versions = {
        "a.png": original,
        "b.jpg": np.asarray(Image.fromarray(original).resize((200, 150))),
        "c.png": (original * 0.6 + 30).astype(np.uint8),
        "d.png": picture(120, 160, seed=5),
    }
    for name, pixels in versions.items():
        save(tmp_path / "images" / name, pixels)
        save(tmp_path / "masks" / f"{name[0]}.png", square_mask(*pixels.shape[:2], side=40))
    record, _ = look(tmp_path)
    assert record.twin_groups == (("images/a.png", "images/b.jpg", "images/c.png"),)
    assert said(record, "exact_twins") == []


def test_uniform_textures_are_no_duplicates() -> None:
    rng = np.random.default_rng(0)
    textures = [np.clip(rng.normal(120, 6, (200, 200, 3)), 0, 255).astype(np.uint8) for _ in range(40)]
    textures.append(np.full((200, 200, 3), 120, np.uint8))
    textures.append(np.full((200, 200, 3), 121, np.uint8))
    grey = [cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY) for texture in textures]
    hashes = np.array([perceptual_hash(texture) for texture in grey])
    assert near_pairs(hashes, np.array([thumbnail(texture) for texture in grey]), np.ones(42)) == []


def test_groups_are_connected_components() -> None:
    assert groups([(1, 4), (2, 3), (4, 7)]) == [(1, 4, 7), (2, 3)]


def test_unreadable_image_stops_or_is_left_out_as_configured(tmp_path: Path) -> None:
    folders(tmp_path)
    path = tmp_path / "images/a1.png"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UnreadableImageError, match=r"images/a1\.png"):
        look(tmp_path)
    record, identity = look(tmp_path, skip=True)
    assert said(record, "unreadable") == [("images/a1.png",)]
    assert [facts.id for facts in record.images] == ["images/a0.png", "images/a2.png"]
    assert (identity.num_images, identity.skipped) == (2, ("images/a1.png",))


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    folders(tmp_path, 1)
    (tmp_path / "images/a0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"no image of .* can be read"):
        look(tmp_path, skip=True)


def test_rotation_empty_masks_and_strayed_outlines_are_said_by_name(tmp_path: Path) -> None:
    save(tmp_path / "turned.jpg", picture(60, 80), orientation=8)
    save(tmp_path / "empty.png", picture(seed=1))
    save(tmp_path / "far.png", picture(seed=2))
    far = via_region("rect", x=10, y=8, width=100, height=100)
    entries = [via_entry("turned.jpg", via_region()), via_entry("empty.png"), via_entry("far.png", via_region(), far)]
    write_json(tmp_path / "via.json", {entry["filename"]: entry for entry in entries})
    record, _ = look(tmp_path)
    assert Counter(finding.kind for finding in record.findings) == {
        "exif_rotation": 1,
        "empty_mask": 1,
        "region_outside": 1,
    }
    assert said(record, "exif_rotation") == [("turned.jpg",)]
    assert said(record, "empty_mask") == [("empty.png",)]
    assert said(record, "region_outside") == [("far.png",)]


def test_fingerprint_follows_pixels_and_ids_but_not_files(tmp_path: Path) -> None:
    def fingerprint(root: Path) -> str:
        return look(root)[1].fingerprint

    first = fingerprint(folders(tmp_path / "a"))
    assert fingerprint(folders(tmp_path / "b")) == first
    save(tmp_path / "b/images/a0.png", picture(seed=0), compress_level=1)
    assert fingerprint(tmp_path / "b") == first
    save(tmp_path / "b/masks/a0.png", np.roll(square_mask(), 1))
    assert fingerprint(tmp_path / "b") != first


def test_configured_class_without_pixels_is_said(tmp_path: Path) -> None:
    options = DataOptions(classes={"dent": 2, "scratch": 3})
    record, _ = audit(open_dataset(folders(tmp_path, value=2), options), options)
    assert [finding.message for finding in record.findings if finding.kind == "unused_class"] == [
        f"class scratch has no pixel in {tmp_path.name}"
    ]
