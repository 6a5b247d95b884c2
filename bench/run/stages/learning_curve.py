"""Whether more images would help: the leader trained again on fewer of them."""

from bench.analysis.final_evaluation import NoFinals
from bench.records.store import load
from bench.run.data_curve import LEARNING_CURVE, SHARES, plan_learning_curve
from bench.run.open_run import OpenRun
from bench.run.stages.trainings import train_candidates


def train_learning_curve(run: OpenRun) -> None:
    """Trains the leader of the final evaluation again on fractions of the training images, if the experiment asks for
    it."""
    if not run.experiment.learning_curve:
        return
    recorded = load(run.store.directory)
    planned = plan_learning_curve(recorded)
    if isinstance(planned, NoFinals):
        run.progress.warning(f"no learning curve: {planned.reason}")
        return
    ended = train_candidates(
        run,
        planned,
        finished=recorded.curve_trainings,
        keep=run.keep_curve_training,
        study=LEARNING_CURVE,
        shares=SHARES,
    )
    if ended == "budget":
        run.progress.warning(
            "the budget left too little time for the whole learning curve; a larger one goes on with it"
        )
