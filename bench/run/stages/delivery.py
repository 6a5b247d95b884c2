"""The delivered model of a run: its networks, and the predictions that are kept to show."""

import math
from dataclasses import replace

import numpy as np

from bench.delivery import FOLDER
from bench.delivery.deliver import deliver
from bench.engine.spec import TrialSpec
from bench.engine.training.length import LONGER
from bench.evaluation.ensemble import MOST_MEMBERS
from bench.evaluation.resampling import even_spread
from bench.formats import plural
from bench.records import DeliveryRecord
from bench.run.delivery import Selection, masks_by_configuration, select
from bench.run.experiment_plan import longer_with
from bench.run.open_run import OpenRun
from bench.run.refit import (
    WORTH,
    least_epochs,
    least_s,
    refit_spec,
    refit_weights,
    refitted,
    train,
    trained_before,
)

SHOWN = 48
"""Images whose predictions the report can show."""


def deliver_model(run: OpenRun) -> None:
    """Chooses the networks that are best together on images that they did not train on, and writes them as one
    model."""
    if not run.experiment.protocol.finalists or not run.trainings:
        return
    run.progress.stage("choosing the model to deliver")
    directory = run.store.directory
    selection = (_single(run) if run.experiment.single else None) or _selected(run)
    if selection is None:
        run.progress.warning("no model: no training of the final evaluation came to its end")
        return
    if _is_delivered(run, selection.record):
        return
    _keep_predictions(run, selection)
    run.progress.stage(f"writing the model, {plural(len(selection.record.members), 'network')}")
    record = deliver(
        directory,
        selection.record,
        cache_directory=run.prepared.cache_directory,
        test_ids=run.prepared.split.test,
        evaluation_size=run.prepared.evaluation_size,
        tell=run.progress.stage,
    )
    run.store.write(record)
    run.progress.note(f"model: {directory / FOLDER} ({record.rule})")


def _selected(run: OpenRun, most: int = MOST_MEMBERS) -> Selection | None:
    num_classes = len(run.prepared.dataset.classes) + 1
    return select(run.store.directory, run.trainings, run.prepared.pixels(), num_classes, most=most)


def _single(run: OpenRun) -> Selection | None:
    """The best recipe trained on all development images; None, with a warning, if that cannot be."""
    selection = _selected(run, most=1)
    if selection is None:
        return None
    protocol, images = run.experiment.protocol, sum(map(len, run.prepared.split.folds))
    longer = longer_with(run.experiment, run.prepared.split)
    spec = refit_spec(selection.record, run.trainings, protocol=protocol, left_s=run.times.finals_s, longer=longer)
    shortest = least_epochs(selection.record, run.trainings, protocol=protocol)
    before = trained_before(run.store.directory, spec)
    epochs = before or 0
    if before is None or _has_time_for_a_longer_one(run, spec, before):
        epochs = max(epochs, _trained_again(run, spec, shortest, images, is_first=before is None))
    if not epochs:
        return None
    return replace(selection, record=refitted(selection.record, spec, epochs, images))


def _has_time_for_a_longer_one(run: OpenRun, spec: TrialSpec, epochs: int) -> bool:
    longer = math.ceil(WORTH * epochs)
    is_allowed = spec.fit_s is not None and longer <= LONGER * spec.epochs
    return is_allowed and run.costs.of(replace(spec, epochs=longer)) < (spec.fit_s or 0.0)


def _trained_again(run: OpenRun, spec: TrialSpec, shortest: int, images: int, *, is_first: bool) -> int:
    """Epochs of the training on all development images; 0, with a warning, if it did not reach its end."""
    needed_s, left_s = least_s(spec, run.costs, shortest), run.times.finals_s
    instead = "the ensemble is delivered" if is_first else "the network of an earlier session is delivered"
    if left_s is not None and needed_s > left_s:
        run.progress.warning(
            f"{instead}, since the budget leaves {left_s:.0f} s and a training on all development images takes "
            f"{needed_s:.0f} s; a larger --budget goes on with --resume"
        )
        return 0
    run.progress.stage(f"training {spec.trial_id} on all {images} development images")

    def keep(epochs: int, weights: bytes) -> None:
        run.store.write_bytes(refit_weights(spec, epochs), weights)

    trained = train(
        spec,
        run.executor,
        retries=run.experiment.retries,
        left_s=lambda: run.times.finals_s,
        least_s=needed_s,
        shortest=shortest,
        keep=keep,
    )
    if isinstance(trained, int):
        return trained
    run.progress.warning(f"{instead}, since its best recipe could not be trained again: {trained}")
    return 0


def _is_delivered(run: OpenRun, record: DeliveryRecord) -> bool:
    """Whether this very model exists: it has scored the held-out images once."""
    there = run.delivered
    if there is None or not (run.store.directory / FOLDER).is_dir():
        return False
    return replace(there, test={}, confusion=(), latency_s=None, num_bytes=None) == record


def _keep_predictions(run: OpenRun, selection: Selection) -> None:
    """Keeps what the report shows: some images, and the delivered model's predictions of them out of fold."""
    places = even_spread(len(selection.ids), SHOWN)
    ids = [selection.ids[place] for place in places]
    pixels = run.prepared.pixels()
    rows = pixels.rows(ids)
    run.store.write_arrays(
        "predictions/development",
        {
            "ids": np.array(ids, np.str_),
            "images": pixels.images[rows],
            "truth": pixels.class_ids(rows),
            "valid": pixels.valid[rows],
        },
    )
    delivered = {"ids": np.array(ids, np.str_), "masks": selection.masks[places]}
    run.store.write_arrays("predictions/delivered", delivered)
    for name, arrays in masks_by_configuration(run.store.directory, run.trainings, pixels, ids):
        run.store.write_arrays(name, arrays)
