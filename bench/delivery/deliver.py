"""From the members that a run chose to the model on disk, scored once: `deliver`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.datasets.cache import CachedPixels, open_cache
from bench.datasets.native import NativePixels, open_native
from bench.delivery import FOLDER, NETWORK
from bench.delivery.process import in_own_process
from bench.engine.devices import Placement
from bench.evaluation.counting import confusion_record
from bench.records import DeliveryRecord
from bench.records.store import load
from search_spaces.views import PATCHES

LOG = "delivery.log"
"""What libraries print while a model is delivered, in the run's folder."""


def deliver(
    run_directory: Path,
    record: DeliveryRecord,
    *,
    cache_directory: Path,
    test_ids: Sequence[str],
    evaluation_size: int,
    tell: Callable[[str], None] = lambda text: None,
) -> DeliveryRecord:
    """Writes `run_directory`/model/; returns `record` with `test`, `latency_s` and `num_bytes` of that very model.

    A process of its own builds the network from the members' weights, writes it, opens the written file, and scores the
    images `test_ids` of the pixel cache in `cache_directory`: probabilities enlarged from the model's size to
    `evaluation_size`, then threshold and smallest object. The folder appears in one step and replaces an earlier one;
    the caller then writes the record. `tell` gets lines such as "building member 2 of 5".

    Raises UserError, one line, for weights that cannot be loaded, missing pixels, a full disk, and a process that died.
    """
    return in_own_process(
        deliver_here,
        run_directory,
        record,
        cache_directory,
        tuple(test_ids),
        evaluation_size,
        log=run_directory / LOG,
        placement=Placement(),
        tell=tell,
    )


def deliver_here(
    run_directory: Path,
    record: DeliveryRecord,
    cache_directory: Path,
    test_ids: Sequence[str],
    evaluation_size: int,
    tell: Callable[[str], None],
) -> DeliveryRecord:
    """`deliver` in this process, which then has TensorFlow in it."""
    from bench.delivery.artefact import write
    from bench.delivery.card import write_card
    from bench.delivery.model import load_model
    from bench.delivery.scoring import ScoredImages, latency_s, native_latency_s, score_cached, score_native

    run = load(run_directory)
    pixels = open_cache(cache_directory, record.image_size)
    truth = pixels if evaluation_size == record.image_size else open_cache(cache_directory, evaluation_size)
    native = open_native(cache_directory) if record.view == PATCHES else None
    measured: list[DeliveryRecord] = []

    # What is scored is the model as it lies on disk, opened as a user opens it, before it takes its place.
    def finish(folder: Path) -> None:
        tell("opening what was written")
        model = load_model(folder)
        scored: ScoredImages | None = None
        if test_ids:
            tell(f"scoring {len(test_ids)} held-out test images")
            scored = (
                score_native(model, native, truth, test_ids) if native else score_cached(model, pixels, truth, test_ids)
            )
        delivered = replace(
            record,
            test=scored.counts if scored else {},
            confusion=confusion_record(scored.confusion if scored else None),
            latency_s=native_latency_s(model, np.array(native.image(_median(native))))
            if native
            else latency_s(model, _some(pixels, test_ids)),
            num_bytes=(folder / NETWORK).stat().st_size,
        )
        write_card(folder, run, delivered, truth, scored)
        measured.append(delivered)

    write(
        run_directory / FOLDER,
        name=run.record.name,
        members=record.members,
        weights_folder=run_directory,
        classes=run.dataset.classes,
        image_size=record.image_size,
        evaluation_size=evaluation_size,
        flips=record.flips,
        threshold=record.threshold,
        smallest_object=record.smallest_object,
        value_range=run.dataset.value_range,
        view=record.view,
        tell=tell,
        finish=finish,
    )
    return measured[0]


def _median(native: NativePixels) -> int:
    """The row of the image of median size."""
    return sorted(range(len(native.ids)), key=lambda row: native.mask(row).size)[len(native.ids) // 2]


def _some(pixels: CachedPixels, ids: Sequence[str]) -> np.ndarray:
    return pixels.images[pixels.rows(ids)[:2]] if ids else pixels.images[:2]
