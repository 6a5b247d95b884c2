"""One network in place of an ensemble (`--single`): the best single recipe out of fold, trained again on all
development images."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.engine.executor import Executor
from bench.engine.spec import TrialOutcome, TrialSpec
from bench.engine.worker import WorkerDiedError
from bench.experiments import Experiment, Protocol
from bench.formats import plural
from bench.records import COMPLETED, DeliveryRecord, TrainingRecord, configuration_name
from bench.run.costs import Price
from bench.run.delivery import MEMBERS, weights_path
from bench.run.final_evaluation import FILLED
from bench.run.plan import BEFORE_LAST, LONGEST

REFIT = "refit"

FEW_IMAGES = 200
"""Up to this many development images, one network of all is better than several of two thirds each
(docs/decisions/0019-all-images.md)."""


def refits(experiment: Experiment, images: int) -> bool:
    """Whether the model is one network, trained on all `images` of the folds. If the experiment does not say: yes with
    a budget and few images, but not in a comparison of levels, which needs all of its time."""
    if experiment.single is not None:
        return experiment.single
    protocol, budget_s = experiment.protocol, experiment.budget_s
    chooses = bool(protocol.finalists) and experiment.search != "compare"
    return chooses and budget_s is not None and 0 < images <= FEW_IMAGES


LEAST_ROOM, LONG, SHARE = 3.0, 4.5, 1 / 3
"""What a budget keeps for the last training, in short trainings. With room for `LEAST_ROOM` of them it keeps half of
the time while there is one candidate, a `SHARE` of it if several fit, at most `LONG`. With less room it keeps nothing:
a training that is scored comes first."""

ENDING_S = 2.0
"""Seconds at its end, for batch statistics and handing its weights over."""

WORTH = 1.5
"""A network from an earlier session is trained again if there is time for this many times its length."""


def kept_s(experiment: Experiment, left_s: float, price: Price, slots: int = 1) -> float:
    """Seconds of `left_s` that are kept for the training on all images."""
    return price.unit_s * kept_units(left_s / price.unit_s, slots) if experiment.single else 0.0


def kept_units(units: float, slots: int = 1) -> float:
    """The same in short trainings; one worker slot has time for `units` of them."""
    if units < LEAST_ROOM:
        return 0.0
    several = units * slots * (1 - SHARE) >= BEFORE_LAST
    return min(LONG, units * SHARE if several else units / 2)


def refit_spec(
    selected: DeliveryRecord, trainings: Sequence[TrainingRecord], *, protocol: Protocol, left_s: float | None
) -> TrialSpec:
    """The training on all images with the recipe and seed of `selected`, an ensemble of one unit. It is as long as that
    of its first member. With `left_s` seconds left, and no length in the protocol, it lasts as long as these, up to
    twice `LONGEST` steps."""
    member = selected.members[0]
    known = next(each for each in trainings if weights_path(each) == member.weights)
    fitted = left_s is not None and protocol.steps is None
    return TrialSpec(
        study_id=REFIT,
        trial_id=f"{member.candidate}, seed {member.seed}",
        hyperparameters=member.hyperparameters,
        seed=member.seed,
        epochs=max(known.epochs_run, LONGEST // protocol.steps_per_epoch) if fitted else known.epochs_run,
        fit_s=left_s if fitted else None,
        refit=True,
    )


def refit_weights(spec: TrialSpec, epochs: int) -> str:
    """The path of the weights after `epochs`, relative to the run's folder."""
    return f"{_stem(spec)}{epochs}.weights.h5"


def trained_before(directory: Path, spec: TrialSpec) -> int | None:
    """Epochs of the longest such training with weights in the run's folder; None without any."""
    found = (directory / MEMBERS).glob(f"{_stem(spec).rpartition('/')[2]}*.weights.h5")
    lengths = [path.name.removesuffix(".weights.h5").rpartition("-all")[2] for path in found]
    return max((int(length) for length in lengths if length.isdecimal()), default=None)


def _stem(spec: TrialSpec) -> str:
    return f"{MEMBERS}/{configuration_name(spec.hyperparameters)}-seed{spec.seed}-all"


def train(
    spec: TrialSpec,
    executor: Executor,
    *,
    retries: int,
    left_s: Callable[[], float | None],
    least_s: float,
    keep: Callable[[int, bytes], None],
    warn: Callable[[str], None],
) -> int | None:
    """Trains `spec`, hands its epochs and weights to `keep` and returns its epochs. If its process died and `left_s`
    has room for `least_s` seconds, it is tried again. None if it did not reach its end; `warn` hears why."""
    for attempt in range(1, retries + 2):
        seconds = left_s()
        fit_s = None if spec.fit_s is None or seconds is None else FILLED * seconds - ENDING_S
        outcome = _outcome(replace(spec, attempt=attempt, fit_s=fit_s, time_limit_s=seconds), executor)
        error = outcome.record.error
        if outcome.record.status == COMPLETED:
            try:
                weights = executor.model(spec)
            except WorkerDiedError as died:
                error = str(died)
            else:
                keep(outcome.record.epochs_run, weights)
                return outcome.record.epochs_run
        elif not outcome.crashed:
            break
        seconds = left_s()
        if seconds is not None and seconds < least_s:
            break
    warn(f"the ensemble is delivered, since its best recipe could not be trained again: {error}")
    return None


def refitted(selected: DeliveryRecord, spec: TrialSpec, epochs: int, num_images: int) -> DeliveryRecord:
    """The delivery of the network of `spec`, trained for `epochs`, in place of `selected`. Threshold, smallest object
    and counts out of fold stay."""
    member = replace(selected.members[0], fold=None, weights=refit_weights(spec, epochs))
    said = f"one network, trained on all {plural(num_images, 'development image')}, of the recipe that is best alone"
    return replace(selected, members=(member,), rule=f"{said}; {selected.rule}", refit=True)


def _outcome(spec: TrialSpec, executor: Executor) -> TrialOutcome:
    while not executor.free_slots:  # a worker that died is replaced at the next look
        for _ in executor.events():
            pass
    executor.submit(spec)
    while True:
        for event in executor.events():
            if isinstance(event, TrialOutcome):
                return event
