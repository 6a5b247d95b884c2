"""One network in place of an ensemble (`--single`): the recipe that is best alone out of fold, trained again on all development images."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.engine.executor import Executor
from bench.engine.spec import TrialOutcome, TrialSpec
from bench.formats import plural
from bench.records import COMPLETED, DeliveryRecord, TrainingRecord, configuration_name
from bench.run.delivery import MEMBERS, weights_path

REFIT = "refit"

ALLOWANCE = 1.5
"""A budget keeps so many times what the default configuration's training takes: the recipe that is best may be dearer."""


def refit_spec(selected: DeliveryRecord, trainings: Sequence[TrainingRecord]) -> TrialSpec:
    """The training of the recipe and seed of `selected`, an ensemble of one unit, as long as that of its first member."""
    member = selected.members[0]
    known = next(each for each in trainings if weights_path(each) == member.weights)
    return TrialSpec(
        study_id=REFIT,
        trial_id=f"{member.candidate}, seed {member.seed}",
        hyperparameters=member.hyperparameters,
        seed=member.seed,
        epochs=known.epochs_run,
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
