"""Data sets: one file per annotation format, all read into `Dataset`; then audit, split and pixel cache."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.datasets.dataset import SPLIT_FOLDERS, DataOptions, Dataset, Sample, at_home
from bench.datasets.formats import coco, folders, labelme, via, yolo
from bench.datasets.formats.annotation_files import Document, documents
from bench.datasets.formats.assembly import Reading
from bench.datasets.formats.foreign import suffixes_said, table_said, tool_of, volume_said
from bench.datasets.formats.image_index import ImageIndex
from bench.datasets.formats.layouts import IMAGE_FOLDERS, MASK_FOLDERS, folders_in, image_files_below
from bench.datasets.formats.links import require_inside
from bench.datasets.headers import with_headers
from bench.errors import DataError, unknown
from bench.records import Finding

PARTS = ("train", "val", "test")

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".7z", ".rar")
_LEFT_OUT = ("unreadable", "misfit", "odd_mask", "missing_image")
_MOST_ERRORS = 20


@dataclass(frozen=True, slots=True)
class Format:
    """How one annotation format is recognised and read.

    `wants` says in error messages what the format looks for. `kinds` are the kinds of its JSON files, if any.
    """

    wants: str
    recognises: Callable[[Path, Sequence[Document], DataOptions], bool]
    read: Callable[[Path, Sequence[Document], Reading], Dataset]
    kinds: tuple[str, ...] = ()


FORMATS: Mapping[str, Format] = {
    "folders": Format(
        "images/ with masks/",
        lambda root, _, options: folders.recognises(root, options),
        lambda root, _, reading: folders.read(root, reading.options),
    ),
    "via": Format(
        "a VIA JSON or CSV beside the images",
        lambda _root, found, _options: bool(found),
        lambda _root, found, reading: via.read(found, reading),
        ("via", "via 3"),
    ),
    "coco": Format(
        "a COCO instances JSON",
        lambda _root, found, _options: bool(found),
        lambda _root, found, reading: coco.read(found, reading),
        ("coco",),
    ),
    "labelme": Format(
        "a LabelMe JSON per image",
        lambda _root, found, _options: bool(found),
        lambda _root, found, reading: labelme.read(found, reading),
        ("labelme",),
    ),
    "yolo": Format(
        "YOLO segmentation texts in labels/",
        lambda root, _, _options: yolo.recognises(root),
        lambda root, _, reading: yolo.read(root, reading.options, reading),
    ),
}
"""Annotation formats, in the order in which they are tried."""


def open_dataset(path: Path, options: DataOptions) -> Dataset:
    """Reads the annotations below `path`, in whichever of FORMATS they are.

    Images are not decoded, except those of more than 8 bit a channel, for their value range. If there are several
    formats, the one with most annotated images is read, and a finding says so. Raises DataError, one line, if the
    directory or its annotations cannot be used.
    """
    root = _directory(path)
    found, errors = documents(root)
    by_format = {
        name: [document for document in found if document.kind in known.kinds] for name, known in FORMATS.items()
    }
    present = [name for name, known in FORMATS.items() if known.recognises(root, by_format[name], options)]
    if options.images or options.masks:
        present = ["folders"]
    if errors and (not present or not options.skip_unreadable) and "folders" not in present:
        raise DataError("; ".join(str(error) for error in errors[:_MOST_ERRORS]))
    if not present:
        raise DataError(_not_recognised(root, found))
    dataset = _read(root, present, by_format, options)
    if not options.allow_outside:
        require_inside(root, [*(each.path for each in found), *(sample.image_path for sample in dataset.samples)])
    unread = (Finding(kind="unreadable", message=f"{error}; left out") for error in errors)
    dataset = replace(dataset, findings=(*unread, *dataset.findings), mask_resize=options.mask_resize)
    return with_headers(_with_prefix_splits(_checked(dataset), options))


def _directory(path: Path) -> Path:
    """`path` with ~ resolved; of a folder that holds nothing but one folder, that one (an unpacked archive)."""
    root = at_home(path)
    if root.suffix.lower() in _ARCHIVES and root.is_file():
        raise DataError(f"data set {path} is an archive; unpack it and give the folder")
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DataError(f"data set {path} {what}; it should be a directory with one of: {_choices()}")
    if not any(root.iterdir()):
        raise DataError(f"data set {path} is empty; it needs one of: {_choices()}")
    visible = [child for child in root.iterdir() if not child.name.startswith((".", "__MACOSX"))]
    if len(visible) == 1 and visible[0].is_dir() and not _is_meant(visible[0]) and folders_in(visible[0]):
        return _directory(visible[0])
    return root


def _is_meant(folder: Path) -> bool:
    """Whether a lone folder is a part, a folder of images or an image's own folder, and no wrapping."""
    return folder.name.lower() in {*SPLIT_FOLDERS, *IMAGE_FOLDERS, *MASK_FOLDERS}


def _read(
    root: Path, present: Sequence[str], by_format: Mapping[str, Sequence[Document]], options: DataOptions
) -> Dataset:
    """The format with most images; with masks in folders, those, whatever outlines are there too."""
    index = ImageIndex.of(root, allow_outside=options.allow_outside)
    read: dict[str, Dataset] = {}
    errors: dict[str, DataError] = {}
    for name in present:
        reading = Reading(root=root, index=index, options=options, format=name)
        try:
            read[name] = FORMATS[name].read(root, by_format[name], reading)
        except DataError as error:
            errors[name] = error
        if name == "folders" and name in read:
            break
    if not read:
        raise next(iter(errors.values()))
    chosen = max(read, key=lambda name: len(read[name].samples))
    others = [name for name in present if name != chosen]
    if not others:
        return read[chosen]
    counts = ", ".join(f"{name} ({len(read[name].samples)} images)" if name in read else f"{name}" for name in others)
    said = (
        f"annotations of several formats: {chosen} is read ({len(read[chosen].samples)} images), {counts} is not; "
        "keep one of them in the folder"
    )
    finding = Finding(kind="second_format", message=said)
    return replace(read[chosen], findings=(finding, *read[chosen].findings))


def _not_recognised(root: Path, found: Sequence[Document]) -> str:
    tool = tool_of(found)
    if tool is not None:
        return tool
    advice = volume_said(root) or table_said(root)
    if advice is not None:
        return advice
    folders_said = ", ".join(f"{child.name}/" for child in folders_in(root)[:8])
    there = f" It has the folders {folders_said};" if folders_said else ""
    unread = suffixes_said(root)
    more = f" files that are not read: {unread};" if unread else ""
    image_files = image_files_below(root)
    lonely = root / "images"
    if lonely.is_dir() and image_files and not found and not unread:
        return (
            f"{lonely} has no masks: {root / 'masks'} is missing; it should hold one mask per image, "
            "of the same stem (other folders: data: {images: GLOB, masks: GLOB})"
        )
    return (
        f"no annotations recognised in {root}; looked for {_choices()} "
        f"(also in train/, val/, test/).{there}{more} "
        "for other places of masks write data: {images: GLOB, masks: GLOB} in an experiment"
    )


def _choices() -> str:
    return ", ".join(known.wants for known in FORMATS.values())


def _with_prefix_splits(dataset: Dataset, options: DataOptions) -> Dataset:
    """Gives each sample the part that the prefix of its file name stands for.

    If no file has a prefix, there are no parts. Raises DataError if only some files have one.
    """
    prefixes = options.split_prefixes
    if not prefixes:
        return dataset
    for part in prefixes.values():
        if part not in PARTS:
            raise DataError(unknown("part", part, PARTS, "split_prefixes"))
    samples, unmarked = [], []
    for sample in dataset.samples:
        fitting = [prefix for prefix in prefixes if sample.image_path.name.startswith(prefix)]
        if fitting:
            samples.append(replace(sample, split=prefixes[max(fitting, key=len)]))
        else:
            unmarked.append(sample)
    if samples and unmarked:
        raise DataError(
            f"{unmarked[0].image_path} starts with none of the split prefixes {', '.join(prefixes)}, "
            f"which {len(samples)} other images do; rename it, or set split_prefixes: {{}}"
        )
    return replace(dataset, samples=tuple(samples)) if samples else dataset


def _checked(dataset: Dataset) -> Dataset:
    if not dataset.samples:
        left_out = [
            finding.message.removesuffix("; left out") for finding in dataset.findings if finding.kind in _LEFT_OUT
        ]
        why = f": {left_out[0]}" if left_out else ""
        raise DataError(f"{dataset.root} has annotations ({dataset.format}) but none of their images can be used{why}")
    seen: dict[str, Path] = {}
    for sample in dataset.samples:
        if sample.id in seen:
            raise DataError(f"{dataset.root / sample.id} is annotated twice")
        seen[sample.id] = sample.image_path
    return replace(dataset, samples=tuple(sorted(dataset.samples, key=lambda sample: sample.id)))


__all__ = ["FORMATS", "PARTS", "DataOptions", "Dataset", "Format", "Sample", "open_dataset"]
