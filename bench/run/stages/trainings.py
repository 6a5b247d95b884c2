"""Trainings of candidates on folds, within the time left."""

from collections.abc import Callable, Sequence

from bench.records import FinalsRecord, TrainingRecord
from bench.run.costs import Deadline, Probe
from bench.run.experiment_plan import relative_costs
from bench.run.final_evaluation import FINALS, run_finals
from bench.run.open_run import OpenRun

PATIENCE = 3.0
"""A candidate that takes longer than this many times the default configuration is out: others would lose their time."""


def train_candidates(
    run: OpenRun,
    planned: FinalsRecord,
    *,
    finished: Sequence[TrainingRecord],
    keep: Callable[[TrainingRecord], None],
    study: str = FINALS,
    shares: Sequence[float] = (1.0,),
    leaders_first: bool = False,
) -> str:
    return run_finals(
        planned,
        executor=run.executor,
        finished=finished,
        retries=run.experiment.retries,
        deadline=Deadline.after(_trainings_s(run)),
        costs=run.costs,
        keep=keep,
        keep_evidence=run.keep_evidence,
        progress=run.progress,
        study=study,
        shares=shares,
        keep_model=run.keep_model if study == FINALS else None,
        leaders_first=leaders_first,
        longest_s=_longest_s(run, planned) if leaders_first else None,
        fitted=run.chosen.fitted if run.chosen and planned.fitted else None,
    )


def _trainings_s(run: OpenRun) -> float | None:
    """Seconds left for trainings on folds (None: no budget). A single network is trained after them."""
    left_s = run.times.finals_s
    return None if left_s is None else max(0.0, left_s - run.times.kept_s)


def _longest_s(run: OpenRun, planned: FinalsRecord) -> float | None:
    """The longest time of a candidate within a budget: `PATIENCE` times that of the default configuration, or of the
    largest images of a comparison (None: not known)."""
    if run.probe is None:
        return None
    largest = max(relative_costs(run.experiment.space)) if planned.balanced else 1.0
    return PATIENCE * largest * _planned_s(run.probe, planned)


def _planned_s(probe: Probe, planned: FinalsRecord) -> float:
    """Seconds of a training of the default configuration, compiling included."""
    return planned.epochs * probe.epoch_s + probe.scoring_s + probe.first_s
