"""One network in place of an ensemble (`--single`): the best single recipe out of fold, trained again on all
development images."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path

from bench.engine.executor import Executor
from bench.engine.spec import TrialOutcome, TrialSpec
from bench.engine.training.length import LONGER
from bench.engine.worker import WorkerDiedError
from bench.experiments import Experiment, Protocol
from bench.formats import plural
from bench.records import COMPLETED, DeliveryRecord, TrainingRecord, configuration_name
from bench.run.costs import MARGIN, CostModel, Price
from bench.run.delivery import MEMBERS, weights_path
from bench.run.final_evaluation import FILLED
from bench.run.plan import BEFORE_LAST, LONG, LONGEST

REFIT = "refit"


def refits(experiment: Experiment, images: int) -> bool:
    """Whether the model is one network, trained on all `images` of the folds. If the experiment does not say: yes with
    a budget, but not in a comparison of levels, which needs all of its time (docs/decisions/0019-all-images.md)."""
    if experiment.single is not None:
        return experiment.single
    chooses = bool(experiment.protocol.finalists) and experiment.search != "compare"
    return chooses and experiment.budget_s is not None and images > 0


LEAST_ROOM, SHARE = 3.0, 1 / 3
"""What a budget keeps for the last training, in short trainings. With room for `LEAST_ROOM` of them it keeps half of
the time while there is one candidate, and a `SHARE` of it if several fit, at most `LONG`. With less room it keeps
nothing: a training that is scored comes first."""

LARGE_SHARE = 0.6
"""What is kept where many images need more than `LONG`: all that a comparison of four recipes does not need, if it is
this share of the time or of that need. Otherwise nothing is compared, and this share of the time is kept."""

MOST = 3 * LONGEST
"""The most steps of a last training that has time left: the time that was kept for it, and the rest in which no other
training on a fold fitted. With many images it is longer by as much as they need."""

LEAST_SHARE = 0.5
"""The least length of a last training, as a part of that of its recipe's trainings on folds. A shorter one is not
delivered."""

DEARER = 1.5
"""How many times as long as the default configuration the best of several recipes may take, if the protocol gives the
length. Any other length is fitted to the time."""

ENDING_S = 2.0
"""Seconds at its end, for batch statistics and handing its weights over."""

WORTH = 1.5
"""A network from an earlier session is trained again if there is time for this many times its length."""


def kept_s(
    experiment: Experiment, left_s: float, price: Price, slots: int = 1, *, longer: float = 1.0, trained_s: float = 0.0
) -> float:
    """Seconds of `left_s` that are kept for the training on all images, which should be `longer` by this factor than
    with few (`bench.run.plan.times_longer`). The `trained_s` of trainings of an earlier session count as time left:
    what was kept then is not spent on more of them."""
    if not experiment.single:
        return 0.0
    whole_s, steps = left_s + trained_s, experiment.protocol.steps
    if steps is None:
        return min(left_s, price.unit_s * kept_units(whole_s / price.unit_s, slots, longer))
    given_s = price.seconds(steps / experiment.protocol.shortest_steps)
    if whole_s < 2 * MARGIN * given_s:
        return 0.0
    return min(left_s, (DEARER if whole_s * slots >= BEFORE_LAST * given_s else 1.0) * given_s)


def kept_units(units: float, slots: int = 1, longer: float = 1.0) -> float:
    """The same in short trainings; one worker slot has time for `units` of them."""
    if units < LEAST_ROOM:
        return 0.0
    if longer > 1:
        most, beside = longer * LONG, units - longer * BEFORE_LAST / slots
        compares = beside >= LARGE_SHARE * min(most, units)
        return min(most, beside if compares else LARGE_SHARE * units)
    several = units * slots * (1 - SHARE) >= BEFORE_LAST
    return min(LONG, units * SHARE if several else units / 2)


def refit_spec(
    selected: DeliveryRecord,
    trainings: Sequence[TrainingRecord],
    *,
    protocol: Protocol,
    left_s: float | None,
    longer: float = 1.0,
) -> TrialSpec:
    """The training on all images with the recipe and seed of `selected`, an ensemble of one unit. It is as long as that
    of its first member. With `left_s` seconds left, and no length in the protocol, it lasts as long as these, up to
    `MOST` steps, with many images `longer` by this factor, or twice as long as on a fold where that is more."""
    member, known = selected.members[0], _epochs_on_fold(selected, trainings)
    fitted = left_s is not None and protocol.steps is None
    return TrialSpec(
        study_id=REFIT,
        trial_id=f"{member.candidate}, seed {member.seed}",
        hyperparameters=member.hyperparameters,
        seed=member.seed,
        epochs=max(known, int(longer * MOST) // LONGER // protocol.steps_per_epoch) if fitted else known,
        fit_s=left_s if fitted else None,
        refit=True,
    )


def least_epochs(selected: DeliveryRecord, trainings: Sequence[TrainingRecord], *, protocol: Protocol) -> int:
    """The fewest epochs of a last training that is delivered: those of a short training, and `LEAST_SHARE` of those of
    its recipe on a fold."""
    known = _epochs_on_fold(selected, trainings)
    return max(min(known, protocol.shortest_epochs), ceil(LEAST_SHARE * known))


def _epochs_on_fold(selected: DeliveryRecord, trainings: Sequence[TrainingRecord]) -> int:
    weights = selected.members[0].weights
    return next(each.epochs_run for each in trainings if weights_path(each) == weights)


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


def least_s(spec: TrialSpec, costs: CostModel, shortest: int) -> float:
    """The fewest seconds left with which the training starts: those of its `shortest` epochs, or of all if its length
    is given. Then there is no margin: it is stopped as soon as it shows that it cannot end."""
    return costs.of(spec) / MARGIN if spec.fit_s is None else costs.of(replace(spec, epochs=shortest))


def train(
    spec: TrialSpec,
    executor: Executor,
    *,
    retries: int,
    left_s: Callable[[], float | None],
    least_s: float,
    shortest: int,
    keep: Callable[[int, bytes], None],
) -> int | str:
    """Trains `spec`, hands its epochs and weights to `keep` and returns its epochs. If its process died and `left_s`
    has room for `least_s` seconds, it is tried again. One line that says why, if it did not reach its end or has fewer
    epochs than `shortest`."""

    def has_time() -> bool:
        seconds = left_s()
        return seconds is None or seconds >= least_s

    error: str | None = "no worker was up in time"
    for attempt in range(1, retries + 2):
        if not _has_slot(executor, has_time):
            break
        seconds = left_s()
        fit_s = None if spec.fit_s is None or seconds is None else FILLED * seconds - ENDING_S
        outcome = _outcome(replace(spec, attempt=attempt, fit_s=fit_s, time_limit_s=seconds), executor)
        error, epochs = outcome.record.error, outcome.record.epochs_run
        if outcome.record.status == COMPLETED and epochs < shortest:
            return f"it came to {plural(epochs, 'epoch')} in its time, of at least {shortest}"
        if outcome.record.status == COMPLETED:
            try:
                weights = executor.model(spec)
            except WorkerDiedError as died:
                error = str(died)
            else:
                keep(epochs, weights)
                return epochs
        elif not outcome.crashed:
            break
    return str(error)


def refitted(selected: DeliveryRecord, spec: TrialSpec, epochs: int, num_images: int) -> DeliveryRecord:
    """The delivery of the network of `spec`, trained for `epochs`, in place of `selected`. Threshold, smallest object
    and counts out of fold stay."""
    member = replace(selected.members[0], fold=None, weights=refit_weights(spec, epochs))
    said = f"one network, trained on all {plural(num_images, 'development image')}, of the recipe that is best alone"
    return replace(selected, members=(member,), rule=f"{said}; {selected.rule}", refit=True)


def _has_slot(executor: Executor, has_time: Callable[[], bool]) -> bool:
    """Waits for a free worker slot while there is time: a worker that died is replaced at the next look, and a machine
    of a cluster may join again."""
    while not executor.free_slots and has_time():
        for _ in executor.events():
            pass
    return executor.free_slots > 0 and has_time()


def _outcome(spec: TrialSpec, executor: Executor) -> TrialOutcome:
    executor.submit(spec)
    while True:
        for event in executor.events():
            if isinstance(event, TrialOutcome):
                return event
