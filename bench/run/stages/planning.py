"""The plan of a budget, from a few measured steps."""

import math

from bench.errors import StoreError
from bench.evaluation.ensemble import MOST_MEMBERS
from bench.experiments import Experiment
from bench.run.costs import Price
from bench.run.experiment_plan import LEAST_FOR_PROBE_S, ROOM, longer_with, plan_of, unmeasured_price
from bench.run.open_run import OpenRun
from bench.run.probe import NoProbe, probe
from bench.run.refit import kept_s


def plan_budget(run: OpenRun) -> None:
    """Plans the budget from a few measured steps of the default configuration. Without a budget the protocol is the
    plan."""
    left_s = run.times.finals_s
    if left_s is None or not run.experiment.protocol.finalists:
        return
    protocol = run.experiment.protocol
    steps = run.finals.epochs * protocol.steps_per_epoch if run.finals else None
    if run.experiment.search == "compare" and steps is not None and steps < protocol.shortest_steps:
        raise StoreError(
            f"run {run.record.name!r} was begun with trainings of {steps} steps, too few to compare by (at least "
            f"{protocol.shortest_steps}); choose another --name"
        )
    run.price = _measured_price(run, left_s)
    divide_time(run, run.experiment, steps)
    if run.fits_nothing and run.trainings:
        return  # it has its models, and only no time for more
    say_plan(run)
    if run.fits_nothing:
        run.progress.warning(_too_short(run, run.price))


def divide_time(run: OpenRun, experiment: Experiment, steps: int | None = None) -> None:
    """Plans the time left. Closing takes longer the more networks are planned, so that they are planned again in the
    time that it leaves."""
    split, slots = run.prepared.split, run.executor.slots
    folds, test, longer = len(split.folds), len(split.test), longer_with(experiment, split)
    assert run.price is not None
    for _ in range(2):
        left_s = run.times.finals_s or 0.0
        run.times.kept_s = kept_s(experiment, left_s, run.price, slots, longer=longer, trained_s=run.trained_s)
        open_s = left_s - run.times.kept_s + run.compared_s
        run.chosen = plan_of(experiment, open_s, price=run.price, split=split, slots=slots, steps=steps)
        run.times.search_share = run.chosen.search_share
        if run.probe is None or not run.chosen.candidates:
            return
        most = MOST_MEMBERS * folds
        several = min(run.chosen.fitted, most) if run.chosen.fitted else folds if run.chosen.candidates == 1 else most
        run.times.keep_for_closing(run.probe, test, 1 if run.times.kept_s else several)


def say_plan(run: OpenRun) -> None:
    """Notes what the rest of the budget goes to."""
    assert run.chosen is not None
    last = f"; then one training on all images, about {run.times.kept_s:.0f} s" if run.times.kept_s else ""
    run.progress.note(f"plan: {run.chosen.reason}{last}")


def _too_short(run: OpenRun, price: Price) -> str:
    """The warning before anything trains: no training would reach its end."""
    left_s, budget_s = run.times.finals_s or 0.0, run.experiment.budget_s or 0.0
    begun_s = max(budget_s - left_s, run.times.wall_s)
    said = (
        f"no training comes to its end in the {left_s:.0f} s that a budget of {run.experiment.budget} "
        "leaves for it here"
    )
    if run.probe is None:
        return f"{said}, and what one takes is not known: --budget {math.ceil(2 * begun_s / 60)}m may have room for it"
    return (
        f"{said}; one of {run.experiment.protocol.shortest_steps} steps takes about {price.unit_s:.0f} s: "
        f"--budget {math.ceil((begun_s + ROOM * price.unit_s) / 60)}m has room for it"
    )


def _measured_price(run: OpenRun, left_s: float) -> Price:
    """The price of trainings of the default configuration. Without time for a probe, the plan assumes that nothing
    fits: the one training runs as far as it gets. The probe also tells how long closing takes."""
    if left_s < LEAST_FOR_PROBE_S:
        return unmeasured_price(left_s)
    with run.progress.lasting("measuring what a training costs here"):
        measured = probe(run.experiment, run.executor, run.prepared.split, left_s)
    if isinstance(measured, NoProbe):
        run.progress.warning(f"the default configuration cannot be measured: {measured.reason}")
        return Price(unit_s=max(1.0, left_s / 6))
    run.probe = measured
    run.costs.add_probe(measured)
    run.times.keep_for_closing(measured, len(run.prepared.split.test), 1)
    run.progress.note(
        f"a step of the default configuration takes {measured.step_s:.2f} s here, its first one "
        f"{measured.first_s:.0f} s"
    )
    cost = {"step_s": measured.step_s, "first_s": measured.first_s, "scoring_s": measured.scoring_s}
    return Price.of(run.experiment.protocol, **cost)
