"""One network in place of an ensemble (`--single`): the recipe that is best alone out of fold, trained again on all development images."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.engine.executor import Executor
from bench.engine.spec import TrialOutcome, TrialSpec
from bench.experiments import Experiment
from bench.formats import plural
from bench.records import COMPLETED, DeliveryRecord, TrainingRecord, configuration_name
from bench.run.delivery import MEMBERS, weights_path
from bench.run.plan import BEFORE_LAST, LONGEST

REFIT = "refit"

FEW_IMAGES = 200
"""Development images up to which one network of all of them is better than several of two thirds each
(docs/decisions/0019-all-images.md)."""


def refits(experiment: Experiment, images: int) -> bool:
    """Whether the model is one network, trained on all `images` of the folds: as the experiment says, or where it says
    nothing, with a budget, few images, and no comparison of levels that has a use for all of its time."""
    if experiment.single is not None:
        return experiment.single
    protocol, budget_s = experiment.protocol, experiment.budget_s
    chooses = bool(protocol.finalists) and experiment.search != "compare"
    return chooses and budget_s is not None and 0 < images <= FEW_IMAGES


LEAST_ROOM, LONG, SHARE = 3.0, 4.5, 1 / 3
"""What a budget keeps for the last training, in short ones: from `LEAST_ROOM` of them on half of its time, up to `LONG`,
while there is one candidate, and a `SHARE` of it where several fit besides. With less room a training that is scored
comes first."""


def kept_units(units: float) -> float:
    """Of the `units` short trainings that a budget has room for, how many are kept for the network of all images."""
    if units < LEAST_ROOM:
        return 0.0
    several = units * (1 - SHARE) >= BEFORE_LAST
    return min(LONG, units * SHARE if several else units / 2)


def refit_spec(
    selected: DeliveryRecord, trainings: Sequence[TrainingRecord], *, steps_per_epoch: int, left_s: float | None
) -> TrialSpec:
    """The training of the recipe and seed of `selected`, an ensemble of one unit, as long as that of its first member;
    where `left_s` seconds are left for it, as long as these last, up to `LONGEST` steps or a little more."""
    member = selected.members[0]
    known = next(each for each in trainings if weights_path(each) == member.weights)
    longest = max(known.epochs_run, LONGEST // steps_per_epoch)
    return TrialSpec(
        study_id=REFIT,
        trial_id=f"{member.candidate}, seed {member.seed}",
        hyperparameters=member.hyperparameters,
        seed=member.seed,
        epochs=known.epochs_run if left_s is None else longest,
        fit_s=left_s,
        refit=True,
    )


def refit_weights(spec: TrialSpec) -> str:
    """Where they are kept, relative to the run's folder."""
    return f"{MEMBERS}/{configuration_name(spec.hyperparameters)}-seed{spec.seed}-all.weights.h5"


def train(
    spec: TrialSpec, executor: Executor, *, retries: int, keep: Callable[[bytes], None], warn: Callable[[str], None]
) -> bool:
    """Trains it, again where its process died, and hands its weights to `keep`; False where it did not come to its end, and why is said."""
    for attempt in range(1, retries + 2):
        outcome = _outcome(replace(spec, attempt=attempt), executor)
        if outcome.record.status == COMPLETED:
            keep(executor.model(spec))
            return True
        if not outcome.crashed:
            break
    warn(f"the ensemble is delivered, since its best recipe could not be trained again: {outcome.record.error}")
    return False


def refitted(selected: DeliveryRecord, spec: TrialSpec, num_images: int) -> DeliveryRecord:
    """The delivery of the network of `spec` in place of `selected`, whose threshold, smallest object and counts out of fold stay."""
    member = replace(selected.members[0], fold=None, weights=refit_weights(spec))
    rule = f"one network, trained on all {plural(num_images, 'development image')}, of the recipe that is best alone; {selected.rule}"
    return replace(selected, members=(member,), rule=rule, refit=True)


def _outcome(spec: TrialSpec, executor: Executor) -> TrialOutcome:
    executor.submit(spec)
    while True:
        for event in executor.events():
            if isinstance(event, TrialOutcome):
                return event
