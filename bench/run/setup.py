"""The data of a run: read, audited and split, with its pixels laid out for the workers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.datasets import open_dataset
from bench.datasets.audit import audit
from bench.datasets.cache import CachedPixels, open_cache, write_cache
from bench.datasets.dataset import Dataset
from bench.datasets.findings import memory_said, warnings_of
from bench.datasets.handedness import handed_classes
from bench.datasets.native import native_bytes, write_native
from bench.datasets.sample import write_sample_set
from bench.datasets.splits import make_split, stratified_order
from bench.datasets.vanishing import sizes_said
from bench.datasets.view import chosen_views, size_of_evaluation
from bench.engine.spec import TrialSetup
from bench.errors import DataError
from bench.experiments import SAMPLE, Data, Experiment, Protocol
from bench.formats import first_few, plural
from bench.progress import Progress
from bench.records import AuditRecord, DatasetRecord, SplitRecord
from bench.run.refit import refits
from search_spaces.augmentations import augment
from search_spaces.views import PATCHES, WHOLE

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Strengths in the report's image of augmentation."""

DRAWS = 24
"""Draws of which that image shows the one that changes most: many change hardly anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedData:
    """The prepared data of a run. `cache_directory` holds the pixels at every size of the space and at
    `evaluation_size`, the side in pixels of the square on which all trials are compared. `mirror` is that of
    `TrialSetup`; `view` are the views that trials use."""

    dataset: DatasetRecord
    audit: AuditRecord
    split: SplitRecord
    cache_directory: Path
    evaluation_size: int
    mirror: bool = True
    view: tuple[str, ...] = (WHOLE,)

    def resolved(self, experiment: Experiment) -> Experiment:
        """`experiment` with what depends on its data: the views of its space, and with patches the evaluation size."""
        return resolved(experiment, self.view, self.evaluation_size, self.split)

    def pixels(self) -> CachedPixels:
        """The pixels at the evaluation size."""
        return open_cache(self.cache_directory, self.evaluation_size)

    def trial_setup(self, protocol: Protocol) -> TrialSetup:
        """What the workers need to know of the data, and how they train."""
        folds, facts_of = self.split.folds, {facts.id: facts for facts in self.audit.images}
        images = [name for ids in folds for name in ids]
        return TrialSetup(
            cache_directory=self.cache_directory,
            train_ids=self.split.train,
            val_ids=self.split.val,
            test_ids=self.split.test,
            folds=folds,
            stratified_order=tuple(stratified_order(images, facts_of, self.audit.twin_groups)),
            classes=self.dataset.classes,
            evaluation_size=self.evaluation_size,
            threshold=protocol.threshold,
            steps_per_epoch=protocol.steps_per_epoch,
            batch_norm=protocol.batch_norm,
            precision=protocol.precision,
            xla=protocol.xla,
            collapse_epochs=protocol.collapse_epochs,
            mirror=self.mirror,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A data set that was read, audited and split, before its pixels are laid out. `evaluation_size` and `view` as in
    `PreparedData`."""

    source: Dataset
    dataset: DatasetRecord
    audit: AuditRecord
    split: SplitRecord
    evaluation_size: int
    mirror: bool
    view: tuple[str, ...]

    def resolved(self, experiment: Experiment) -> Experiment:
        """As of `PreparedData`."""
        return resolved(experiment, self.view, self.evaluation_size, self.split)

    @property
    def used_ids(self) -> tuple[str, ...]:
        return (*self.split.train, *self.split.val, *self.split.test)


def resolved(experiment: Experiment, view: tuple[str, ...], evaluation_size: int, split: SplitRecord) -> Experiment:
    space = experiment.space.model_copy(update={"view": view})
    decided = {"space": space, "single": refits(experiment, sum(map(len, split.folds)))}
    if PATCHES in view:
        decided["protocol"] = experiment.protocol.model_copy(update={"evaluation_size": evaluation_size})
    return experiment.model_copy(update=decided)


def prepare(
    data: Data,
    protocol: Protocol,
    sizes: Iterable[int],
    scratch: Path,
    progress: Progress,
    *,
    views: Sequence[str] = (WHOLE,),
) -> PreparedData:
    """Reads everything once. `views` are those of the space. Raises DataError, naming the file, for data that cannot be
    used."""
    found = examine(data, protocol, sizes, scratch, progress, views=views)
    progress.stage("decoding")
    cache = scratch / "pixels"
    if PATCHES in found.view:
        used = set(found.used_ids)
        num_bytes = native_bytes(image for image in found.audit.images if image.id in used)
        write_native(found.source, found.used_ids, cache, fingerprint=found.dataset.fingerprint, num_bytes=num_bytes)
    write_cache(
        found.source, found.used_ids, {*sizes, found.evaluation_size}, cache, fingerprint=found.dataset.fingerprint
    )
    return PreparedData(
        dataset=found.dataset,
        audit=found.audit,
        split=found.split,
        cache_directory=cache,
        evaluation_size=found.evaluation_size,
        mirror=found.mirror,
        view=found.view,
    )


def examine(
    data: Data,
    protocol: Protocol,
    sizes: Iterable[int],
    scratch: Path,
    progress: Progress,
    *,
    views: Sequence[str] = (WHOLE,),
) -> Examined:
    """The part of `prepare` that leaves no pixels. It reports what is wrong with the data. Raises DataError as
    `prepare` does."""
    root = Path(data.path).expanduser()
    if data.path == SAMPLE:
        progress.stage("drawing the sample set")
        root = scratch / SAMPLE
        write_sample_set(root)
    progress.stage(f"reading {data.path}")
    dataset = open_dataset(root, data.options)
    progress.note(f"{data.path}: {len(dataset.samples)} images, {dataset.format}, {', '.join(dataset.classes)}")
    for line in memory_said(dataset.findings):
        progress.warning(line)
    handed = handed_classes(dataset.classes, data.no_flip)
    if handed:
        progress.note(f"no image is mirrored, neither in training nor for a prediction: classes {', '.join(handed)}")
    audited, record = audit(dataset, data.options)
    sizes, num_classes = tuple(sizes), len(record.classes)
    view, why = chosen_views(views, audited.images, num_classes, max(sizes))
    evaluation_size = protocol.evaluation_size or size_of_evaluation(view, audited.images, max(sizes))
    if why is not None:
        progress.note(f"{why}; compared at {evaluation_size} px")
    seen = sizes if WHOLE in view else ()
    vanishing = sizes_said(audited.images, record.classes, seen, evaluation_size, record.mask_resize)
    # What `memory_said` has said is not said twice.
    later = [finding for finding in audited.findings if finding.kind != "large_image"]
    for line in (*warnings_of(later), *vanishing):
        progress.warning(line)
    if record.skipped:
        progress.warning(f"{len(record.skipped)} unreadable images left out: {first_few(record.skipped)}")
    if data.path == SAMPLE:  # where it happened to be drawn means nothing
        record = replace(record, path=SAMPLE)
    split = make_split(
        audited,
        dataset,
        seed=protocol.split_seed,
        val_share=protocol.val_share,
        test_share=protocol.test_share,
        folds=protocol.folds,
    )
    if len(split.folds) < protocol.search_folds:
        raise DataError(
            f"{data.path} has images for {len(split.folds)} folds, and search_folds is {protocol.search_folds}"
        )
    progress.note(f"{len(split.train)} images train, {len(split.val)} validate, {len(split.test)} test: {split.rule}")
    if split.excluded:
        named = first_few([f"{name} ({why})" for name, why in split.excluded.items()])
        progress.warning(
            f"{plural(len(split.excluded), 'duplicate')} across parts left out, scores would be too high: {named}"
        )
    return Examined(
        source=dataset,
        dataset=record,
        audit=audited,
        split=split,
        evaluation_size=evaluation_size,
        mirror=not handed,
        view=view,
    )


def validation_images(prepared: PreparedData) -> dict[str, np.ndarray]:
    """Arrays for the report's overlays: ids, images uint8 [N, e, e, 3], truth uint8 [N, e, e], valid bool [N, e, e]."""
    pixels = prepared.pixels()
    rows = pixels.rows(prepared.split.val)
    return {
        "ids": np.array(prepared.split.val, np.str_),
        "images": pixels.images[rows],
        "truth": pixels.class_ids(rows),
        "valid": pixels.valid[rows],
    }


def augmentation_images(prepared: PreparedData, seed: int) -> dict[str, np.ndarray]:
    """One training image at every strength: the one with the foreground share nearest to the mean. It is drawn as in
    the one of the first `DRAWS` passes that changes it most at full strength."""
    pixels = prepared.pixels()
    rows = pixels.rows(prepared.split.train)
    shares = (pixels.class_ids(rows) > 0).mean(axis=(1, 2))
    index = int(np.abs(shares - shares.mean()).argmin())
    image_id, row = prepared.split.train[index], rows[index]

    def drawn(number: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
        return augment(
            pixels.images[row],
            pixels.masks[row],
            strength=strength,
            seed=seed,
            epoch=number,
            image_id=image_id,
            mirror=prepared.mirror,
        )

    def change(number: int) -> float:
        return float(np.abs(drawn(number, 1.0)[0].astype(float) - pixels.images[row]).mean())

    most = max(range(DRAWS), key=change)
    variants = [drawn(most, strength) for strength in STRENGTHS]
    images, masks = zip(*variants, strict=True)
    return {"strengths": np.array(STRENGTHS), "images": np.stack(images), "masks": np.stack(masks)}
