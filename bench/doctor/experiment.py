"""An experiment before it runs: its data, weights and workers, and how long it takes here, by the probe with which a
run begins."""

import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import clock
from bench.datasets import open_dataset
from bench.datasets.cache import cache_bytes
from bench.datasets.sample import write_sample_set
from bench.doctor import Finding
from bench.engine.devices import placements
from bench.errors import UserError
from bench.experiments import SAMPLE, Experiment
from bench.formats import duration, listing, plural
from bench.progress import Progress
from bench.records.store import RunStore
from bench.run.costs import MARGIN
from bench.run.experiment_plan import planned_epochs, planned_s, said_of_time
from bench.run.plan import Plan

_ENDLESS = "1000h"
"""A budget that leaves time for the probe, where the experiment has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the first steps of the default configuration took, in seconds, and the scoring of a training in the end
    (`scoring_s`), with how many trainings at once (`places`) and into how many `folds` the data were split; `plan` is
    what the experiment's budget has room for, None without one."""

    step_s: float
    first_s: float
    scoring_s: float
    places: int
    folds: int
    plan: Plan | None


def data(experiment: Experiment) -> tuple[Finding, int]:
    """Whether the data are read, and how many images there are."""
    if experiment.data.path == SAMPLE:
        images = int(inspect.signature(write_sample_set).parameters["num_images"].default)
        return Finding(subject="data", found=f"the sample set, {images} images, drawn when a run begins"), images
    try:
        dataset = open_dataset(Path(experiment.data.path), experiment.data.options)
    except UserError as error:
        where = experiment.data.path
        return Finding(subject="data", found=where, problem=str(error), mend=f"python -m bench data audit {where}"), 0
    said = (
        f"{experiment.data.path}: {plural(len(dataset.samples), 'image')}, {dataset.format}, {listing(dataset.classes)}"
    )
    return Finding(subject="data", found=said), len(dataset.samples)


def pixel_bytes(experiment: Experiment, images: int) -> int:
    """That the decoded images take in the folder for temporary files."""
    sizes = {*experiment.space.image_size, experiment.protocol.evaluation_size or max(experiment.space.image_size)}
    return cache_bytes(images, sizes)


def weights(experiment: Experiment) -> Iterator[Finding]:
    """Which pretrained encoders the space names, and where their weights are."""
    from search_spaces.backbones import BACKBONES, Source
    from search_spaces.encoders.packaged_weights import PACKAGES, PackageError, weights_file
    from search_spaces.encoders.weights_files import MissingFileError, imagenet_file

    for backbone, source in experiment.space.pretrained_backbones:
        subject = f"weights of {backbone}"
        if source != "imagenet":
            there = Path(source).is_file()
            yield Finding(
                subject=subject,
                found=source,
                problem=None if there else "there is no such file",
                mend=None if there else "name a weights file, run:NAME, imagenet or none as encoder_weights",
            )
        elif backbone in PACKAGES:
            try:
                yield Finding(subject=subject, found=str(weights_file(backbone)))
            except PackageError as error:
                reason, _, mend = str(error).partition("; run: ")
                yield Finding(subject=subject, found="ImageNet", problem=reason, mend=mend)
        elif BACKBONES[backbone].source is Source.FILE:
            try:
                yield Finding(subject=subject, found=str(imagenet_file(backbone)))
            except MissingFileError as error:
                problem, _, mend = str(error).partition("; ")
                yield Finding(subject=subject, found="ImageNet", problem=problem, mend=mend)
        else:
            yield Finding(subject=subject, found="ImageNet, by Keras: downloaded once where they are not in its cache")


def workers(experiment: Experiment) -> Finding:
    """How many trainings at once, and on what."""
    if experiment.cluster is not None:
        return Finding(subject="workers", found=f"on the Ray cluster {experiment.cluster}")
    try:
        placed = placements(experiment.workers)
    except UserError as error:
        return Finding(
            subject="workers", found=str(experiment.workers), problem=str(error), mend="python -m bench run --workers 1"
        )
    gpus = sum(each.gpu is not None for each in placed)
    where = f"on {plural(len({each.gpu for each in placed}), 'GPU')}" if gpus else "on the CPU"
    return Finding(subject="workers", found=f"{plural(len(placed), 'training')} at a time {where}")


def measure(experiment: Experiment, scratch: Path, progress: Progress) -> Measured:
    """Begins the experiment as a run does, with its data and workers, and holds the probe; `scratch` is a folder of its
    own, as `bench.run.scratch.scratch_folder` makes one. Raises UserError where a run would."""
    from bench.engine.executor import LocalExecutor
    from bench.run.open_run import OpenRun
    from bench.run.setup import prepare
    from bench.run.stages.planning import plan_budget

    began = clock.now()
    timed = experiment if experiment.budget else experiment.model_copy(update={"budget": _ENDLESS})
    with LocalExecutor(None, scratch, placements(experiment.workers)) as executor:
        space = experiment.space
        prepared = prepare(experiment.data, experiment.protocol, space.image_size, scratch, progress, views=space.view)
        timed = prepared.resolved(timed)
        executor.begin(prepared.trial_setup(experiment.protocol))
        executor.check_weights(experiment.space.pretrained_backbones)
        run = OpenRun(timed, prepared, RunStore(scratch), executor, progress, None, "doctor", began)
        plan_budget(run)
    if run.probe is None:
        raise UserError(
            f"the default configuration could not be measured within the budget of {experiment.budget}"
            if experiment.budget
            else "the default configuration could not be measured"
        )
    return Measured(
        step_s=run.probe.step_s,
        first_s=run.probe.first_s,
        scoring_s=run.probe.scoring_s,
        places=executor.slots,
        folds=len(prepared.split.folds),
        plan=run.chosen if experiment.budget else None,
    )


def length(experiment: Experiment, measured: Measured | None) -> Finding:
    """How long the experiment takes. Without a budget an estimate, as if every configuration cost what the default one
    does."""
    protocol = experiment.protocol
    if experiment.budget_s is not None:
        found = said_of_time(experiment.budget_s, None)
        if measured is None or measured.plan is None:
            return Finding(subject="time", found=f"{found}; what that has room for is not measured")
        shortest_s = MARGIN * protocol.shortest_steps * measured.step_s + measured.first_s + measured.scoring_s
        low = measured.plan.steps < protocol.shortest_steps
        return Finding(
            subject="time",
            found=f"{found}: {measured.plan.reason}; {_said(measured)}",
            problem=f"one training of {protocol.shortest_steps} steps alone takes {duration(shortest_s)}"
            if low
            else None,
            mend=f"python -m bench run --budget {_minutes(experiment.budget_s, shortest_s)}m" if low else None,
        )
    folds = measured.folds if measured else protocol.folds
    epochs = planned_epochs(experiment, folds)
    if epochs is None:
        return Finding(
            subject="time",
            found="without end",
            problem="the experiment has neither trials nor a budget",
            mend="python -m bench run --budget 15m",
        )
    steps = f"{epochs * protocol.steps_per_epoch} steps of training"
    if measured is None:
        return Finding(subject="time", found=f"{steps}, which are not measured")
    cost = {"step_s": measured.step_s, "first_s": measured.first_s, "scoring_s": measured.scoring_s}
    found = said_of_time(None, planned_s(experiment, folds, slots=measured.places, **cost))
    return Finding(subject="time", found=f"{found}: {steps}; {_said(measured)}")


def _said(measured: Measured) -> str:
    step = f"a step of the default configuration takes {measured.step_s:.2f} s here"
    steps = f"{step}, its first one {measured.first_s:.0f} s"
    return f"{steps}, scoring a training {measured.scoring_s:.0f} s" if measured.scoring_s >= 1 else steps


def _minutes(budget_s: float, shortest_s: float) -> int:
    """A budget with room for two such trainings."""
    return math.ceil(max(budget_s, 2 * shortest_s) / 60) + 1
