"""Costs of the default configuration in an earlier run on such a machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.engine.devices import describe_cpu, visible_gpus
from bench.errors import StoreError
from bench.experiments import Experiment
from bench.records import Run, TrainingRecord, TrialRecord
from bench.records.store import load
from search_spaces.portfolio import portfolio
from search_spaces.space import cost_identity
from search_spaces.views import PATCHES

MOST_RUNS = 10
"""How many of the newest runs are searched for the cost of a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Costs of the default configuration in an earlier run on such a `device`: seconds of a step, seconds to build and
    compile, seconds to score a training at its end (0 of whole images: little beside the steps), and the peak memory of
    a process of that run."""

    run: str
    device: str
    step_s: float
    first_s: float
    scoring_s: float
    peak_memory_bytes: int | None


def measured_before(results: Path, experiment: Experiment) -> Measured | None:
    """Costs of the default configuration in the newest run in `results` on this CPU, or on a GPU if this machine has
    one; None without such a run."""
    here = "GPU: " if visible_gpus() else describe_cpu()
    newest = sorted(results.glob("*/run.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest[:MOST_RUNS]:
        try:
            run = load(path.parent)
        except StoreError:  # a damaged run is no reason to say nothing of this one
            continue
        found = _measured(run, experiment) if run.environment.device.startswith(here) else None
        if found is not None:
            return found
    return None


def _measured(run: Run, experiment: Experiment) -> Measured | None:
    protocol = run.experiment.get("protocol")
    per_epoch = protocol.get("steps_per_epoch") if isinstance(protocol, Mapping) else None
    own = cost_identity(portfolio(experiment.space)[0])
    timed = [
        trial
        for trial in run.trials
        if cost_identity(trial.hyperparameters) == own and trial.train_s and trial.epochs_run
    ]
    again = [
        each
        for each in run.trainings
        if cost_identity(each.hyperparameters) == own and each.train_s and each.epochs_run
    ]
    costs = [(each.train_s or 0.0) / each.epochs_run for each in timed]
    costs += [(each.train_s or 0.0) / each.epochs_run for each in again]
    if not costs or not isinstance(per_epoch, int):
        return None
    firsts = [(each.build_s or 0.0) + (each.first_step_s or 0.0) for each in timed if not each.graph_reused]
    peaks = [trial.peak_memory_bytes for trial in run.trials if trial.peak_memory_bytes]
    peaks += [each.peak_memory_bytes for each in run.trainings if each.peak_memory_bytes]
    return Measured(
        run=run.record.name,
        device=run.environment.device,
        step_s=min(costs) / per_epoch,
        first_s=max(firsts, default=0.0),
        scoring_s=scoring_s(timed, again),
        peak_memory_bytes=max(peaks, default=None),
    )


def scoring_s(trials: Sequence[TrialRecord], trainings: Sequence[TrainingRecord]) -> float:
    """Seconds to score a training of one network at its end; 0 of whole images. Of patches: the least time that a
    training of a final evaluation took beside its steps, for its fold and the held-out images; without any, the time of
    a trial's validation."""
    if (trials or trainings)[0].hyperparameters.get("view") != PATCHES:
        return 0.0
    finals = [each.wall_s - (each.train_s or 0.0) for each in trainings if each.wall_s]
    return min(finals or [each.evaluate_s or 0.0 for each in trials], default=0.0)
