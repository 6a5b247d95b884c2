"""Data or model? The first of the finals, trained again on shares of the training images, for as many steps and with the same seeds."""

from collections.abc import Callable
from dataclasses import replace

from bench.engine.clock import Deadline
from bench.engine.executor import Executor
from bench.evaluation.evidence import PixelEvidence
from bench.finals import Costs, run_finals
from bench.progress import Progress
from bench.records import Run, TrainingRecord
from bench.report.finals import NoFinals, finals

STUDY = "learning curve"
SHARES = (0.75, 0.5, 0.25)
"""Of a seed in this order: the first is what the question turns on. All images are the trainings of the finals."""


def hold_learning_curve(
    run: Run,
    *,
    executor: Executor,
    retries: int,
    deadline: Deadline,
    costs: Costs,
    keep: Callable[[TrainingRecord], None],
    keep_evidence: Callable[[str, PixelEvidence], None],
    progress: Progress,
) -> None:
    """Trains what is left of the learning curve of a run whose finals were held (`docs/decisions/0013-learning-curve.md`)."""
    held = finals(run)
    if isinstance(held, NoFinals):
        progress.note(f"no learning curve: {held.reason}")
        return
    plan = replace(held.record, contestants=(held.standings[0].contestant,), seeds=held.seeds)
    ended = run_finals(
        plan,
        executor=executor,
        finished=run.curve_trainings,
        retries=retries,
        deadline=deadline,
        costs=costs,
        keep=keep,
        keep_evidence=keep_evidence,
        progress=progress,
        study=STUDY,
        shares=SHARES,
    )
    if ended == "budget":
        progress.note("the budget left too little time for the whole learning curve; a larger one goes on with it")
