"""What an experiment trains: the plan that fits its time, and the number of epochs without a budget."""

import math
from collections.abc import Sequence
from dataclasses import replace

from bench.experiments import WITHOUT_TUNERS, Experiment
from bench.formats import listing
from bench.progress import duration
from bench.progress.ahead import Ahead
from bench.records import COMPLETED, SplitRecord, TrainingRecord, configuration_key
from bench.run.candidates import level_name
from bench.run.costs import MARGIN, Price, pixels
from bench.run.data_curve import SHARES
from bench.run.plan import Plan, comparison_plan, plan, times_longer
from search_spaces.defaults import default_configuration
from search_spaces.one_at_a_time import one_at_a_time
from search_spaces.portfolio import portfolio
from search_spaces.space import HYPERPARAMETERS, Range, Space, cost_identity

ROOM = 1.1
"""A recommended larger budget is multiplied by this, since a share of it is kept for the delivery."""

LEAST_FOR_PROBE_S = 60.0
"""With less time left nothing is measured: compiling alone takes a third of it."""

SEARCH_SHARE = 0.3
"""The search's share of a budget if the experiment asks for one."""


def plan_of(
    experiment: Experiment,
    left_s: float,
    *,
    price: Price,
    split: SplitRecord,
    slots: int,
    steps: int | None = None,
) -> Plan:
    """The plan of an experiment for `left_s` seconds (`bench.run.plan`) on the folds of `split`, with a search if the
    experiment asks for one. After a search its finalists and the default configuration alone are candidates: it has
    compared the others. `steps` is the length of an interrupted comparison's trainings."""
    folds = len(split.folds)
    if experiment.search == "compare":
        return _plan_of_comparison(experiment, left_s, price, folds, max(1, slots), steps)
    share = SEARCH_SHARE if experiment.search == "always" else 0.0
    recipes = len(portfolio(experiment.space))
    chosen = plan(
        left_s * (1 - share),
        price=price,
        folds=folds,
        available=min(recipes, experiment.protocol.finalists + 1) if share else recipes,
        slots=max(1, slots),
        epoch=experiment.protocol.steps_per_epoch,
        shortest=experiment.protocol.shortest_steps,
        may_search=experiment.search == "auto",
        given=experiment.protocol.steps,
        fits=not share,
        is_before_last=bool(experiment.single),
        longer=longer_with(experiment, split),
    )
    if not share or not chosen.candidates:
        return chosen
    return replace(chosen, search_share=share, reason=f"{share:.0%} of the time for a search; then {chosen.reason}")


def longer_with(experiment: Experiment, split: SplitRecord) -> float:
    """How many times as long as with few images the trainings should be (`bench.run.plan.times_longer`)."""
    batch_size = int(default_configuration(experiment.space)["batch_size"])
    return times_longer(sum(map(len, split.folds)), batch_size, experiment.protocol.shortest_steps)


def _plan_of_comparison(
    experiment: Experiment, left_s: float, price: Price, folds: int, slots: int, steps: int | None
) -> Plan:
    """The reason names the levels that are left out, and a budget that has room for them."""
    design = one_at_a_time(experiment.space)
    chosen = comparison_plan(
        left_s,
        price=price,
        folds=folds,
        costs=relative_costs(experiment.space),
        slots=slots,
        epoch=experiment.protocol.steps_per_epoch,
        shortest=experiment.protocol.shortest_steps,
        steps=experiment.protocol.steps or steps,
    )
    if not chosen.missing_units or experiment.budget_s is None:
        return chosen
    said = listing([level_name(recipe, design[0]) for recipe in design[chosen.candidates :]])
    left_out = f"{chosen.reason}; left out are {said}"
    if left_s * slots < price.unit_s:  # what one takes was not measured, or would not be to its end
        return replace(chosen, reason=left_out)
    whole_s = experiment.budget_s + ROOM * chosen.missing_units * price.unit_s / slots
    budget = f"{math.ceil(whole_s / 60)}m"
    return replace(chosen, reason=f"{left_out}, for which --budget {budget} has room")


def measured_unit_s(experiment: Experiment, trainings: Sequence[TrainingRecord], epochs: int) -> float | None:
    """Seconds of a short training of the default configuration, estimated from a comparison's trainings of `epochs`
    each; None before one has completed. It is more exact than a probe, which measures a few steps on a machine that may
    be busy."""
    design = one_at_a_time(experiment.space)
    costs = {
        configuration_key(recipe): cost for recipe, cost in zip(design, relative_costs(experiment.space), strict=True)
    }
    over = [each for each in trainings if each.status == COMPLETED and each.wall_s and each.configuration in costs]
    if not over:
        return None
    length = epochs * experiment.protocol.steps_per_epoch / experiment.protocol.shortest_steps
    return MARGIN * sum(each.wall_s or 0.0 for each in over) / sum(length * costs[each.configuration] for each in over)


def relative_costs(space: Space) -> tuple[float, ...]:
    """Costs of a comparison's candidates by their pixels, in trainings of the default configuration, at least 1 each.
    The cost of another network shows when it is trained."""
    design = one_at_a_time(space)
    own = pixels(cost_identity(design[0]))
    return tuple(max(1.0, pixels(cost_identity(recipe)) / own) for recipe in design)


def unmeasured_price(left_s: float) -> Price:
    """The price of a short training where there is no time to measure it: more than the time left, so that one model is
    trained as far as it gets."""
    return Price(unit_s=2 * left_s + 1)


def ahead(experiment: Experiment, folds: int, left_s: float | None, epochs_over: int) -> Ahead:
    """What the display shows when trainings start: `left_s` seconds of the budget, or the number of epochs left. A
    budget with a final evaluation is used up, whatever the plan."""
    planned = None if left_s is not None and experiment.protocol.finalists else planned_epochs(experiment, folds)
    values = {name: getattr(experiment.space, name) for name in HYPERPARAMETERS}
    fixed = {name: own[0] for name, own in values.items() if not isinstance(own, Range) and len(own) == 1}
    return Ahead(
        budget_s=left_s,
        epochs=None if planned is None else max(0, planned - epochs_over),
        varies=frozenset(name for name, own in values.items() if isinstance(own, Range) or len(own) > 1),
        fixed=fixed,
    )


def planned_epochs(experiment: Experiment, folds: int) -> int | None:
    """Epochs of all trainings without a budget; None if a search lasts as long as there is time."""
    trainings = planned_trainings(experiment, folds)
    return None if trainings is None else trainings * experiment.protocol.epochs


def planned_trainings(experiment: Experiment, folds: int) -> int | None:
    """Number of trainings without a budget; a trial on several folds counts as several. None as above."""
    protocol = experiment.protocol
    searched = 0
    if experiment.search not in WITHOUT_TUNERS:
        if experiment.trials is None:
            return None
        studies = len(experiment.tuners) * len(experiment.seeds)
        searched = studies * experiment.trials * protocol.search_folds
    final = most_candidates(experiment) * folds * protocol.final_seeds
    curve = len(SHARES) * folds * protocol.final_seeds if experiment.learning_curve else 0
    return searched + final + curve


def most_candidates(experiment: Experiment) -> int:
    """Candidates of a final evaluation without a budget: finalists, the default configuration and the original
    baseline; of a comparison all its levels."""
    if experiment.search == "compare":
        return len(one_at_a_time(experiment.space))
    return experiment.protocol.finalists + 2 if experiment.protocol.finalists else 0


def planned_s(
    experiment: Experiment, folds: int, *, step_s: float, first_s: float, scoring_s: float, slots: int
) -> float | None:
    """Seconds of all trainings without a budget, `slots` at a time, if each costs what the default configuration does:
    `step_s` for a step, `first_s` to build and compile, `scoring_s` to score it at its end. None if a search lasts as
    long as there is time."""
    trainings = planned_trainings(experiment, folds)
    if trainings is None:
        return None
    training_s = experiment.protocol.epochs * experiment.protocol.steps_per_epoch * step_s + scoring_s
    return MARGIN * (trainings * training_s + first_s) / max(1, slots)


def said_of_time(budget_s: float | None, planned_s: float | None) -> str:
    """How long a run takes, in words, for `doctor` and `run --dry-run`. `planned_s` None: not known."""
    if budget_s is not None:
        return f"at most {duration(budget_s)}, the budget, delivery included"
    if planned_s is None:
        return "no budget: until all trainings are over"
    return f"about {duration(planned_s)} of training, where other networks cost as much as the default configuration"
