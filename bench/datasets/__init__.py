"""Data sets: one file per annotation format, all read into `Dataset`; then audit, split and pixel cache."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bench.datasets.dataset import DataOptions, Dataset, Sample
from bench.datasets.formats import coco, folders, labelme, via
from bench.errors import DataError, unknown

PARTS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Format:
    """How one annotation format is recognised and read; `wants` says, for an error message, what it looks for."""

    recognises: Callable[[Path], bool]
    read: Callable[[Path, DataOptions], Dataset]
    wants: str


FORMATS: Mapping[str, Format] = {
    "folders": Format(folders.recognises, folders.read, "images/ with masks/"),
    "via": Format(via.recognises, via.read, "a VIA JSON beside the images"),
    "coco": Format(coco.recognises, coco.read, "a COCO instances JSON"),
    "labelme": Format(labelme.recognises, labelme.read, "a LabelMe JSON per image"),
}
"""Annotation formats, in the order in which they are tried."""


def open_dataset(path: Path, options: DataOptions) -> Dataset:
    """Reads the annotations below `path` in whichever of FORMATS they are; images are not decoded.

    Raises DataError, one line, where the directory or its annotations cannot be used.
    """
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise DataError(f"data set {path} {what}; it should be a directory with one of: {_choices()}")
    if not any(path.iterdir()):
        raise DataError(f"data set {path} is empty; it needs one of: {_choices()}")
    for known in FORMATS.values():
        if known.recognises(path):
            return _checked(_with_prefix_splits(known.read(path, options), options))
    raise DataError(f"no annotations recognised in {path}; looked for {_choices()} (also in train/, val/, test/)")


def _choices() -> str:
    return ", ".join(known.wants for known in FORMATS.values())


def _with_prefix_splits(dataset: Dataset, options: DataOptions) -> Dataset:
    """Gives each sample the part that its file name's prefix stands for. Where no file has any of them there are no parts; where
    only some do, that is a mistake."""
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
            f"{unmarked[0].image_path} starts with none of the split prefixes {', '.join(prefixes)}, which {len(samples)} other "
            "images do; rename it, or set split_prefixes: {}"
        )
    return replace(dataset, samples=tuple(samples)) if samples else dataset


def _checked(dataset: Dataset) -> Dataset:
    if not dataset.samples:
        raise DataError(f"{dataset.root} has annotations ({dataset.format}) but none of their images exists")
    twice = [name for name, count in Counter(sample.id for sample in dataset.samples).items() if count > 1]
    if twice:
        raise DataError(f"{dataset.root / twice[0]} is annotated twice")
    return replace(dataset, samples=tuple(sorted(dataset.samples, key=lambda sample: sample.id)))


__all__ = ["FORMATS", "PARTS", "DataOptions", "Dataset", "Format", "Sample", "open_dataset"]
