"""Where images and masks stand: a table of folder names, and what is in them."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.datasets.dataset import SPLIT_FOLDERS
from bench.datasets.images import SUFFIXES, is_image_file, require_utf8
from bench.errors import DataError

IMAGE_FOLDERS = (
    "images", "image", "imgs", "img", "img_dir", "jpegimages", "imagestr", "leftimg8bit", "pictures", "photos",
    "original", "originals", "frames", "rgb", "original_images",
)  # fmt: skip
MASK_FOLDERS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "ann_dir", "ann", "segmentationclass",
    "segmentationclasspng", "segmentationclassaug", "segmentationclassraw", "labelstr", "gtfine", "gtcoarse", "gt",
    "groundtruth", "ground_truth", "segmentations", "segmentation", "seg", "annots", "mask_images", "masks_machine",
    "masks_png", "target", "targets", "label_images", "label_images_semantic",
)  # fmt: skip
"""Folder names, whatever their case, with underscores for blanks and hyphens.

Any of the first that stands beside any of the second, and holds images, makes a pair.
"""

BESIDE = ("annot", "_labels", "_masks", "_mask", "_annotations", "_gt", "masks", "labels")
"""What is added to the name of a folder of images, or of a part, by that of its masks: train and trainannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A folder of images with its folder of masks, both with all folders below; `part` is that of their path."""

    images: Path
    masks: Path
    part: str | None = None


def folders_in(folder: Path) -> list[Path]:
    """Folders directly in `folder` that are not hidden, sorted by name."""
    try:
        return sorted(
            path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX")) and path.is_dir()
        )
    except OSError:
        return []


def image_files_below(folder: Path) -> list[Path]:
    """Every image file in `folder` and below, sorted, except hidden files and folders."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        found += [path for name in files if is_image_file(path := Path(parent, name)) and path.is_file()]
    for path in found:
        require_utf8(path)
    return sorted(found)


def find_pairs(root: Path) -> list[Pair]:
    """Every pair of folders in `root`, in its parts, or in a folder for each image.

    Raises DataError for competing mask folders.
    """
    pairs = _pairs_in(root, None)
    for child in folders_in(root):
        part = SPLIT_FOLDERS.get(child.name.lower())
        inside = _pairs_in(child, part)
        pairs += inside
        if part and not inside:
            for grandchild in folders_in(child):
                pairs += _pairs_in(grandchild, part)
    return pairs or _beside_parts(root)


def _pairs_in(folder: Path, part: str | None) -> list[Pair]:
    by_name = {plain_name(child): child for child in folders_in(folder)}
    images = [by_name[name] for name in IMAGE_FOLDERS if name in by_name and _has_image_files(by_name[name])]
    masks = [by_name[name] for name in MASK_FOLDERS if name in by_name and _has_image_files(by_name[name])]
    if not images or not masks:
        return []
    if len(images) > 1 or len(masks) > 1:
        several = images if len(images) > 1 else masks
        raise DataError(
            f"{folder} has {' and '.join(path.name for path in several)}, each with pictures; say which are meant with "
            f'data: {{images: "{images[0].name}/*", masks: "{masks[0].name}/*"}}'
        )
    return [Pair(images=images[0], masks=masks[0], part=part)]


def plain_name(folder: Path) -> str:
    """A folder's name as the tables have it."""
    return folder.name.lower().replace(" ", "_").replace("-", "_")


def _beside_parts(root: Path) -> list[Pair]:
    """Pairs by name: train and trainannot or train_masks, train_images and train_masks, images_train and so on."""
    by_name = {plain_name(child): child for child in folders_in(root) if _has_image_files(child)}
    pairs = _parts_in_names(by_name)
    for name, child in by_name.items():
        partners = [by_name[name + more] for more in BESIDE if name + more in by_name]
        if (name in SPLIT_FOLDERS or name in IMAGE_FOLDERS) and partners:
            pairs.append(Pair(images=child, masks=partners[0], part=SPLIT_FOLDERS.get(name)))
    return pairs


def _parts_in_names(by_name: Mapping[str, Path]) -> list[Pair]:
    pairs = []
    for word, part in SPLIT_FOLDERS.items():
        for pattern in (f"{word}_{{}}", f"{{}}_{word}"):
            images = [by_name[name] for kind in IMAGE_FOLDERS if (name := pattern.format(kind)) in by_name]
            masks = [by_name[name] for kind in MASK_FOLDERS if (name := pattern.format(kind)) in by_name]
            if len(images) == 1 and len(masks) == 1:
                pairs.append(Pair(images=images[0], masks=masks[0], part=part))
    return pairs


def _has_image_files(folder: Path) -> bool:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if any(is_image_file(Path(parent, name)) for name in files):
            return True
    return False


def unused_suffixes(folder: Path) -> Mapping[str, int]:
    """How many files of each suffix `folder` holds that are no images; hidden files do not count."""
    counts: Counter[str] = Counter()
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        counts.update(Path(name).suffix or name for name in files if not name.startswith("."))
    return {
        suffix: count
        for suffix, count in sorted(counts.items())
        if suffix.lower() not in SUFFIXES
        and suffix not in ("Thumbs.db", ".db", ".ini", ".txt", ".md", ".json", ".csv", ".yaml", ".yml")
    }


def walk_folders(root: Path) -> Iterator[tuple[str | None, Path]]:
    """(part, folder): the root and the folders of parts in it."""
    yield None, root
    for child in folders_in(root):
        if child.name.lower() in SPLIT_FOLDERS:
            yield SPLIT_FOLDERS[child.name.lower()], child
