"""What the budget has room for, from a few measured steps."""

import time

from bench.errors import StoreError
from bench.run.costs import short_training_s
from bench.run.experiment_plan import LEAST_FOR_PROBE_S, plan_of, unmeasured_unit_s
from bench.run.open_run import OpenRun
from bench.run.probe import NoProbe, probe


def plan_budget(run: OpenRun) -> None:
    """What the budget has room for, from a few measured steps of the default configuration. Without a budget the
    protocol is the plan."""
    left_s = run.times.finals_s
    if left_s is None or not run.experiment.protocol.finalists or len(run.material.split.folds) < 2:
        return
    protocol = run.experiment.protocol
    steps = run.finals.epochs * protocol.steps_per_epoch if run.finals else None
    if run.experiment.search == "compare" and steps is not None and steps < protocol.shortest_steps:
        raise StoreError(
            f"run {run.record.name!r} was begun with trainings of {steps} steps, too few to compare by (at least "
            f"{protocol.shortest_steps}); choose another --name"
        )
    unit_s, spent_s = _measured_unit_s(run, left_s)
    run.chosen = plan_of(
        run.experiment,
        max(0.0, left_s - spent_s - (unit_s if run.experiment.single else 0.0)) + run.compared_s,
        unit_s=unit_s,
        folds=len(run.material.split.folds),
        places=run.executor.places,
        steps=steps,
    )
    run.times.search_share = run.chosen.search_share
    run.progress.note(f"plan: {run.chosen.reason}")


def _measured_unit_s(run: OpenRun, left_s: float) -> tuple[float, float]:
    """Seconds of a short training of the default configuration, and of what it took to find out. A budget that has no
    time for a probe is planned as if nothing fitted: the one training then runs as far as it gets."""
    if left_s < LEAST_FOR_PROBE_S:
        return unmeasured_unit_s(left_s), 0.0
    started = time.monotonic()
    run.progress.stage("measuring what a training costs here")
    measured = probe(run.experiment, run.executor, run.material.split, left_s)
    if isinstance(measured, NoProbe):
        run.progress.warning(f"the default configuration cannot be measured: {measured.reason}")
        return left_s / 6, time.monotonic() - started
    run.probe = measured
    run.costs.add_probe(measured)
    protocol = run.experiment.protocol
    run.progress.note(
        f"a step of the default configuration takes {measured.step_s:.2f} s here, its first one "
        f"{measured.first_s:.0f} s"
    )
    unit_s = short_training_s(protocol, step_s=measured.step_s, first_s=measured.first_s) + measured.scoring_s
    return unit_s, time.monotonic() - started
