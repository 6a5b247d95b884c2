"""Audit before anything trains: every image decoded once, and what is wrong with the data set said by file name."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from bench.datasets.dataset import VOID, DataOptions, Dataset, Sample
from bench.datasets.duplicates import equal_pairs, groups, near_pairs, perceptual_hash, thumbnail
from bench.datasets.findings import KINDS
from bench.datasets.formats.mask_files import MaskFile
from bench.datasets.images import UnreadableImageError, decode, read_image
from bench.datasets.letterbox import letterbox_mask, valid_area
from bench.datasets.parallel import in_threads
from bench.datasets.runs import runs_of
from bench.datasets.vanishing import survives_from, vanishing
from bench.errors import DataError
from bench.evaluation.counting import confusion_of, counts_of
from bench.records import AuditRecord, DatasetRecord, Finding, ImageFacts, SecondAnnotation

_COMPARED = 256
_MOSTLY = 0.5
_FEW_FRAMED = 0.25
_LEFT_OUT = ("unreadable", "misfit", "odd_mask")
_MOST_ERRORS = 20
"""Files that one error names; of more it says how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What one pass over an image leaves: facts and fingerprints, no pixels."""

    sample: Sample
    height: int
    width: int
    orientation: int
    class_pixels: np.ndarray  # int64 [classes + 1], without void
    void_pixels: int
    survives_from: tuple[int | None, ...]
    image_digest: str
    mask_digest: str
    hash: np.ndarray
    thumbnail: np.ndarray
    outside: tuple[int, ...]
    framed: bool  # foreground all along the edge and in most of the image


def audit(dataset: Dataset, options: DataOptions, *, threads: int | None = None) -> tuple[AuditRecord, DatasetRecord]:
    """Decodes every image and mask once and reports KINDS; also the identity of the data set, from the same pass.

    `background_accuracy` pools pixels over the images of a part at their own sizes (the figures 0.940 and 0.951 of the
    car-damage set are pooled; their means over images would be 0.929 and 0.920). With `options.skip_unreadable`, broken
    images and annotations that do not fit their image are left out, and findings name them. Without it,
    UnreadableImageError or DataError is raised after all images were read, and names them all. Raises DataError for a
    data set without any foreground.
    """
    looks, unreadable = _look_at_all(dataset, options, threads)
    if not looks:
        raise DataError(f"no image of {dataset.root} can be read: {unreadable[0].message}")
    if not any(look.class_pixels[1:].any() for look in looks):
        raise DataError(f"no image of {dataset.root} has a pixel of a class: {len(looks)} masks are all background")
    exact = equal_pairs([look.image_digest for look in looks])
    same = {tuple(rows) for rows in groups(exact)}
    near = [pair for pair in _near(looks) if not any(set(pair) <= set(rows) for rows in same)]
    findings = (
        *dataset.findings,
        *unreadable,
        *_findings_by_image(looks),
        *_unused_classes(dataset, looks),
        *_mostly_foreground(dataset, looks),
        *_inverted(looks),
        *vanishing([_facts(look) for look in looks], dataset.classes, dataset.mask_resize),
        *(_duplicates("exact_twins", "the same pixels", looks[i], looks[j]) for i, j in exact),
        *(_duplicates("near_twins", "nearly the same picture", looks[i], looks[j]) for i, j in near),
    )
    record = AuditRecord(
        images=tuple(_facts(look) for look in looks),
        findings=findings,
        twin_groups=tuple(tuple(looks[row].sample.id for row in rows) for rows in groups([*exact, *near])),
        background_accuracy=_background_accuracy(looks),
        second_annotations=tuple(
            _second_annotation(looks[i], looks[j], len(dataset.classes) + 1, dataset.mask_resize)
            for i, j in exact
            if looks[i].mask_digest != looks[j].mask_digest
        ),
    )
    return record, _identity(dataset, looks, findings)


def _look_at_all(
    dataset: Dataset, options: DataOptions, threads: int | None
) -> tuple[list[_Look], tuple[Finding, ...]]:
    def look(sample: Sample) -> _Look | tuple[Sample, DataError]:
        try:
            return _look(sample, len(dataset.classes), dataset.mask_resize)
        except DataError as error:
            return sample, error

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        results = list(pool.map(look, dataset.samples))
    broken = [result for result in results if isinstance(result, tuple)]
    if broken and not options.skip_unreadable:
        raise _all_of([error for _, error in broken])
    findings = (
        Finding(
            kind="unreadable" if isinstance(error, UnreadableImageError) else "misfit",
            message=f"{error}; left out",
            files=(sample.id,),
        )
        for sample, error in broken
    )
    return [result for result in results if isinstance(result, _Look)], tuple(findings)


def _all_of(errors: Sequence[DataError]) -> DataError:
    """One error that names them all."""
    more = f"; and {len(errors) - _MOST_ERRORS} more" if len(errors) > _MOST_ERRORS else ""
    said = "; ".join(str(error) for error in errors[:_MOST_ERRORS])
    kind = UnreadableImageError if isinstance(errors[0], UnreadableImageError) else DataError
    return kind(f"{said}{more} (--skip-unreadable leaves such images out)")


def _look(sample: Sample, num_classes: int, mask_resize: str) -> _Look:
    image, orientation = read_image(sample.image_path, sample.value_range)
    height, width = image.shape[:2]
    mask = sample.annotation.rasterise(height, width, orientation)
    pixels = runs_of(mask).counts()
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return _Look(
        sample=sample,
        height=height,
        width=width,
        orientation=orientation,
        class_pixels=pixels[: num_classes + 1],
        void_pixels=int(pixels[VOID]),
        survives_from=survives_from(mask, num_classes, pixels, mask_resize),
        image_digest=_digest(image),
        mask_digest=_digest(mask),
        hash=perceptual_hash(grey),
        thumbnail=thumbnail(grey),
        outside=sample.annotation.outside(height, width),
        framed=pixels[1 : num_classes + 1].sum() > _MOSTLY * mask.size and _is_framed(mask),
    )


def _is_framed(mask: np.ndarray) -> bool:
    return all(bool(edge.all()) for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))


def _digest(pixels: np.ndarray) -> str:
    digest = hashlib.sha256(f"{pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _near(looks: Sequence[_Look]) -> list[tuple[int, int]]:
    return near_pairs(
        np.array([look.hash for look in looks]),
        np.array([look.thumbnail for look in looks]),
        np.array([look.width / look.height for look in looks]),
    )


def _facts(look: _Look) -> ImageFacts:
    share = look.class_pixels[1:] / max(1, look.height * look.width - look.void_pixels)
    return ImageFacts(
        id=look.sample.id,
        split=look.sample.split,
        width=look.width,
        height=look.height,
        foreground_share=tuple(float(value) for value in share),
        void_share=look.void_pixels / (look.height * look.width),
        survives_from=look.survives_from,
    )


def _findings_by_image(looks: Sequence[_Look]) -> Iterator[Finding]:
    for look in looks:
        name = look.sample.id
        if look.orientation != 1:
            message = f"{name} is stored with EXIF orientation {look.orientation}; it is read as it is shown"
            yield Finding(kind="exif_rotation", message=message, files=(name,))
            if isinstance(look.sample.annotation, MaskFile) and look.class_pixels[1:].any() and _fits_both_ways(look):
                message = (
                    f"{name} is stored with EXIF orientation {look.orientation} and its mask fits it turned and "
                    "unturned; the mask is taken for the picture as it is shown. "
                    "If it was drawn on the pixels as they are stored, rotate the picture's pixels and drop the tag"
                )
                yield Finding(kind="turned_mask", message=message, files=(name,))
        if look.outside:
            numbers = ", ".join(map(str, look.outside))
            message = f"{name}: region {numbers} reaches beyond the image ({look.width}x{look.height}) and is cut there"
            yield Finding(kind="region_outside", message=message, files=(name,))
        if not look.class_pixels[1:].any():
            yield Finding(kind="empty_mask", message=f"{name} has no foreground pixel", files=(name,))


def _fits_both_ways(look: _Look) -> bool:
    """Orientations 2 to 4 keep height and width, the others do in a square."""
    return look.orientation in (2, 3, 4) or look.height == look.width


def _unused_classes(dataset: Dataset, looks: Sequence[_Look]) -> Iterator[Finding]:
    totals = np.sum([look.class_pixels for look in looks], axis=0)
    for number, name in enumerate(dataset.classes, start=1):
        if totals[number] == 0:
            yield Finding(kind="unused_class", message=f"class {name} has no pixel in {dataset.name}")


def _mostly_foreground(dataset: Dataset, looks: Sequence[_Look]) -> Iterator[Finding]:
    totals = np.sum([look.class_pixels for look in looks], axis=0)
    share = float(totals[1:].sum() / totals.sum())
    if share == 1:
        said = (
            f"no pixel is background in {dataset.name}; where a value of the masks stands for it, say so with classes: "
            "{background: VALUE, NAME: VALUE}"
        )
        yield Finding(kind="mostly_foreground", message=said)
    elif share > _MOSTLY:
        said = (
            f"{share:.0%} of all pixels are foreground in {dataset.name}; "
            "if it is the background that is marked, the masks are inverted"
        )
        yield Finding(kind="mostly_foreground", message=said)


def _inverted(looks: Sequence[_Look]) -> Iterator[Finding]:
    framed = [look for look in looks if look.framed]
    if len(framed) > _FEW_FRAMED * len(looks):
        return
    for look in framed:
        share = float(look.class_pixels[1:].sum() / (look.height * look.width))
        said = (
            f"the mask of {look.sample.id} is foreground all around its edge and in {share:.0%} of the image, "
            "unlike the others; it may be inverted"
        )
        yield Finding(kind="inverted_mask", message=said, files=(look.sample.id,))


def _second_annotation(first: _Look, second: _Look, num_classes: int, mask_resize: str) -> SecondAnnotation:
    """Letterboxed as for the models, so that a large image weighs no more than a small one."""
    truth, other = (letterbox_mask(_mask(look), _COMPARED, mask_resize) for look in (first, second))
    valid = valid_area(first.height, first.width, _COMPARED) & (truth != VOID) & (other != VOID)
    return SecondAnnotation(
        first=first.sample.id,
        second=second.sample.id,
        counts=counts_of(confusion_of(truth, other, valid, num_classes)),
    )


def _mask(look: _Look) -> np.ndarray:
    return look.sample.annotation.rasterise(look.height, look.width, look.orientation)


def _duplicates(kind: str, how: str, first: _Look, second: _Look) -> Finding:
    agreement = mask_agreement(
        first.sample,
        (first.height, first.width, first.orientation),
        second.sample,
        (second.height, second.width, second.orientation),
    )
    parts = {first.sample.split, second.sample.split} - {None}
    across = ", in different parts" if len(parts) == 2 else ""
    masks = "both masks are empty" if agreement is None else f"their masks agree at IoU {agreement:.2f}"
    message = f"{first.sample.id} and {second.sample.id} are {how}{across}; {masks}"
    return Finding(kind=kind, message=message, files=(first.sample.id, second.sample.id))


def mask_agreement(
    first: Sample, first_size: tuple[int, int, int], second: Sample, second_size: tuple[int, int, int]
) -> float | None:
    """Foreground IoU of two annotations of one image (a ceiling for any model); None if both are empty.

    Sizes are height, width and EXIF orientation. Compared at their own size where it is one, else letterboxed to 256.
    """
    masks = [first.annotation.rasterise(*first_size), second.annotation.rasterise(*second_size)]
    if masks[0].shape != masks[1].shape:
        masks = [letterbox_mask(mask, _COMPARED) for mask in masks]
    decided = (masks[0] != VOID) & (masks[1] != VOID)
    a, b = (masks[0] > 0) & decided, (masks[1] > 0) & decided
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else None


def _background_accuracy(looks: Sequence[_Look]) -> dict[str, float]:
    totals: dict[str, np.ndarray] = {}
    for look in looks:
        part = look.sample.split or "all"
        totals[part] = totals.get(part, 0) + look.class_pixels
    return {part: float(pixels[0] / max(1, pixels.sum())) for part, pixels in sorted(totals.items())}


def _identity(dataset: Dataset, looks: Sequence[_Look], findings: Sequence[Finding]) -> DatasetRecord:
    return DatasetRecord(
        name=dataset.name,
        path=str(dataset.root),
        format=dataset.format,
        classes=dataset.classes,
        fingerprint=_fingerprint((look.sample.id, look.image_digest, look.mask_digest) for look in looks),
        num_images=len(looks),
        skipped=tuple(name for finding in findings if finding.kind in _LEFT_OUT for name in finding.files),
        value_range=dataset.value_range,
        mask_resize=dataset.mask_resize,
    )


def fingerprint(dataset: Dataset, options: DataOptions) -> str:
    """That of `DatasetRecord`, without the rest of an audit; images that cannot be read count as they do there."""

    def digests(sample: Sample) -> tuple[str, str, str] | None:
        try:
            image, mask = decode(sample)
        except DataError:
            if not options.skip_unreadable:
                raise
            return None
        return sample.id, _digest(image), _digest(mask)

    return _fingerprint(each for each in in_threads(digests, dataset.samples) if each is not None)


def _fingerprint(images: Iterable[tuple[str, str, str]]) -> str:
    """Of ids with the digests of image and mask."""
    digest = hashlib.sha256()
    for name, image, mask in sorted(images):
        digest.update(f"{name}\0{image}\0{mask}\n".encode())
    return digest.hexdigest()


__all__ = ["KINDS", "audit", "fingerprint", "mask_agreement"]
