"""The delivered model of a run: its networks, and the predictions that are kept to show."""

import math
from dataclasses import replace

import numpy as np

from bench.delivery import FOLDER
from bench.delivery.deliver import deliver
from bench.engine.spec import TrialSpec
from bench.evaluation.ensemble import MOST_MEMBERS
from bench.evaluation.resampling import even_spread
from bench.formats import plural
from bench.records import DeliveryRecord
from bench.run.delivery import Selection, masks_by_configuration, select
from bench.run.open_run import OpenRun
from bench.run.refit import WORTH, refit_spec, refit_weights, refitted, train, trained_before

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
    left_s, development = run.times.finals_s, run.prepared.split.folds
    spec = refit_spec(selection.record, run.trainings, protocol=run.experiment.protocol, left_s=left_s)
    epochs = trained_before(run.store.directory, spec)
    if epochs is None or _has_time_for_a_longer_one(run, spec, epochs):
        epochs = _trained_again(run, spec, sum(map(len, development))) or epochs
    if epochs is None:
        return None
    return replace(selection, record=refitted(selection.record, spec, epochs, sum(map(len, development))))


def _has_time_for_a_longer_one(run: OpenRun, spec: TrialSpec, epochs: int) -> bool:
    longer = math.ceil(WORTH * epochs)
    return spec.fit_s is not None and longer <= spec.epochs and run.costs.of(replace(spec, epochs=longer)) < spec.fit_s


def _trained_again(run: OpenRun, spec: TrialSpec, images: int) -> int | None:
    """Epochs of the training on all development images; None, with a warning, if it did not reach its end."""
    shortest = spec if spec.fit_s is None else replace(spec, epochs=run.experiment.protocol.shortest_epochs)
    least_s, left_s = run.costs.of(shortest), run.times.finals_s
    if left_s is not None and least_s > left_s:
        run.progress.warning(
            f"the ensemble is delivered, since the budget leaves {left_s:.0f} s and a training on all development "
            f"images takes {least_s:.0f} s; a larger --budget goes on with --resume"
        )
        return None
    run.progress.stage(f"training {spec.trial_id} on all {images} development images")

    def keep(epochs: int, weights: bytes) -> None:
        run.store.write_bytes(refit_weights(spec, epochs), weights)

    return train(
        spec,
        run.executor,
        retries=run.experiment.retries,
        left_s=lambda: run.times.finals_s,
        least_s=least_s,
        keep=keep,
        warn=run.progress.warning,
    )


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
