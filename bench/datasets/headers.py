"""What the headers of a data set's images say before any is decoded: depth, pages, bands, size.

All images of more than 8 bit a channel are scaled from one value range.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.datasets.dataset import Dataset, Sample
from bench.datasets.formats.image_index import image_id
from bench.datasets.images import Header, UnreadableImageError, read_header, read_pixels
from bench.datasets.parallel import in_threads
from bench.records import Finding, ValueRange

LARGE = 50_000_000
"""Images of more pixels are announced, with the memory that they take, before they are decoded."""

PERCENTILES = (0.1, 99.9)
"""Percentiles of the pixels of all deep images that become 0 and 255, so that hot pixels do not stretch the range."""

_DRAWN = 65_536
"""Pixels of each image that enter the percentiles, evenly spaced: large images weigh no more than small ones."""
_BYTES_A_PIXEL = 6


def with_headers(dataset: Dataset) -> Dataset:
    """The data set with a value range for each deep sample, and with findings.

    They are about pages, bands, sizes and links out of its folder. Broken headers are reported by the audit.
    """
    headers = list(zip(dataset.samples, in_threads(_header, dataset.samples), strict=True))
    deep = [sample for sample, header in headers if header is not None and header.deep]
    value_range = common_range([sample.image_path for sample in deep])
    findings = [*_findings(headers), *_outside(dataset)]
    if value_range is None:
        return replace(dataset, findings=(*dataset.findings, *findings))
    kept = (
        ""
        if len(deep) == len(headers)
        else "; the others have 8 bit and are kept as they are, which may look different"
    )
    said = (
        f"{len(deep)} of {len(headers)} images have more than 8 bit a channel; "
        f"all of these are scaled from one range, {value_range.low:g} to {value_range.high:g}{kept}"
    )
    findings.append(Finding(kind="value_range", message=said))
    names = {sample.id for sample in deep}
    samples = tuple(
        replace(sample, value_range=value_range) if sample.id in names else sample for sample in dataset.samples
    )
    return replace(dataset, samples=samples, value_range=value_range, findings=(*dataset.findings, *findings))


def common_range(paths: Sequence[Path]) -> ValueRange | None:
    """The value range of these images: PERCENTILES of their pixels, which become 0 and 255.

    It is 0 to 255 if no value is above 255 and all are whole numbers. None if no image can be read. Values that are NaN
    or infinite do not count.
    """

    def drawn(path: Path) -> np.ndarray:
        try:
            pixels = read_pixels(path)
        except UnreadableImageError:
            return np.array([])
        stored = pixels.stored[..., :-1] if pixels.mode == "RGBA" else pixels.stored
        values = stored.reshape(-1)[:: max(1, stored.size // _DRAWN)].astype(np.float64)
        return values[np.isfinite(values)]

    parts = [values for values in in_threads(drawn, paths) if values.size]
    if not parts:
        return None
    values = np.concatenate(parts)
    if values.min() >= 0 and 1 < values.max() <= 255 and bool((values % 1 == 0).all()):
        return ValueRange(low=0.0, high=255.0)
    low, high = (float(value) for value in np.percentile(values, PERCENTILES))
    return ValueRange(low=low, high=high if high > low else low + 1)


def _header(sample: Sample) -> Header | None:
    try:
        return None if sample.image_path.suffix.lower() == ".json" else read_header(sample.image_path)
    except UnreadableImageError:
        return None


def _findings(headers: Sequence[tuple[Sample, Header | None]]) -> list[Finding]:
    findings = []
    for sample, header in headers:
        if header is None:
            continue
        if header.pages > 1:
            said = (
                f"{sample.id} has {header.pages} pages (a stack or an animation), of which the first is read; "
                "save the page, or a projection, that its mask belongs to as a file of its own"
            )
            findings.append(Finding(kind="pages", message=said, files=(sample.id,)))
        if header.extra_band:
            said = f"{sample.id} has a fourth band that the file does not call transparency; it is not read"
            findings.append(Finding(kind="extra_band", message=said, files=(sample.id,)))
        if header.width * header.height > LARGE:
            gib = header.width * header.height * _BYTES_A_PIXEL / 2**30
            size = f"{header.width}x{header.height}"
            said = f"{sample.id} has {size} pixels; decoding it takes about {gib:.1f} GiB of memory"
            findings.append(Finding(kind="large_image", message=said, files=(sample.id,)))
    return findings


def _outside(dataset: Dataset) -> list[Finding]:
    root = dataset.root.resolve()
    outside = [sample for sample in dataset.samples if not sample.image_path.resolve().is_relative_to(root)]
    if not outside:
        return []
    example = image_id(root, outside[0].image_path.resolve())
    said = (
        f"{len(outside)} images are read from outside of the data set's folder, by links or by the names in "
        f"annotations: {example}"
    )
    return [Finding(kind="outside", message=said, files=tuple(sample.id for sample in outside))]
