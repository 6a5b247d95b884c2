"""Would more data help? The leader of the final evaluation is trained again on fractions of the training images, for as
many steps and with the same seeds."""

from dataclasses import replace
from statistics import median

from bench.analysis.final_evaluation import NoFinals, finals
from bench.records import FinalsRecord, Run

LEARNING_CURVE = "learning curve"
SHARES = (0.75, 0.5, 0.25)
"""Fractions of the training images, for each seed in this order: the first answers most of the question. Trainings on
all images are those of the final evaluation."""


def plan_learning_curve(run: Run) -> FinalsRecord | NoFinals:
    """What to train with each of `SHARES` after a run's final evaluation (`docs/decisions/0013-learning-curve.md`)."""
    held = finals(run)
    if isinstance(held, NoFinals):
        return held
    leader = held.ranking[0].candidate
    lengths = [each.epochs_run for each in run.trainings if each.candidate == leader.name and each.epochs_run]
    epochs = round(median(lengths)) if held.record.fitted and lengths else held.record.epochs
    return replace(held.record, candidates=(leader,), seeds=held.seeds, epochs=epochs, fitted=False)
