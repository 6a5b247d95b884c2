"""A run, from data to leaderboard and model. This is the file to read first.

Everything that is finished is on disk before the next thing begins, so a run can be stopped at any moment and resumed.
"""

from contextlib import ExitStack, nullcontext
from pathlib import Path

from bench import clock
from bench.engine.devices import placements
from bench.engine.executor import Executor, LocalExecutor
from bench.engine.ray.cluster import require_reachable
from bench.engine.spec import TrialSetup
from bench.experiments import Experiment
from bench.progress import Progress
from bench.records.durable import require_writable
from bench.records.environment import current_environment
from bench.records.store import RunStore, load
from bench.report import write_index, write_report
from bench.run.first_look import first_look
from bench.run.open_run import OpenRun
from bench.run.resume import load_previous, locked, merge_environment, require_same
from bench.run.scratch import scratch_folder
from bench.run.setup import prepare
from bench.run.stages.baselines import record_baselines
from bench.run.stages.delivery import deliver_model
from bench.run.stages.final_evaluation import evaluate_finally
from bench.run.stages.held_out_scores import score_best_models
from bench.run.stages.learning_curve import train_learning_curve
from bench.run.stages.planning import plan_budget
from bench.run.stages.search import run_search


def run_experiment(
    experiment: Experiment, *, results: Path, reports: Path, command: str, resume: bool, progress: Progress
) -> Path:
    """Runs an experiment, or what is left of it, and returns the leaderboard's path.

    Raises UserError, with nothing half-written, where the experiment, the data or the workers do not fit together.
    KeyboardInterrupt passes through when the run is marked as interrupted; all finished trials are kept.
    """
    began = clock.now()
    directory = results / experiment.name
    for place in (results, reports):
        require_writable(place)
    if experiment.cluster is not None:
        require_reachable(experiment.cluster)
    with ExitStack() as stack:
        # Set-up: the data are read once, the workers start, and what an interrupted run left must belong to the same
        # experiment.
        earlier = load_previous(directory, resume, stack)
        scratch = stack.enter_context(scratch_folder())
        workers = None if experiment.cluster else stack.enter_context(_started_workers(experiment, scratch, progress))
        space = experiment.space
        prepared = prepare(experiment.data, experiment.protocol, space.image_size, scratch, progress, views=space.view)
        experiment = prepared.resolved(experiment)
        if earlier is not None:
            require_same(earlier, experiment, prepared)
        setup = prepared.trial_setup(experiment.protocol)
        executor = _begun(workers, setup) or stack.enter_context(_on_cluster(experiment, setup, progress))
        progress.stage("scoring baselines")
        look = first_look(prepared, experiment.seeds[0])
        progress.stage("starting TensorFlow")
        environment = merge_environment(earlier, current_environment(executor.device(), executor.precision()))
        progress.stage("reading pretrained weights")
        executor.check_weights(experiment.space.pretrained_backbones)
        with RunStore.create(directory) if earlier is None else nullcontext(RunStore(directory)) as store:
            run = OpenRun(experiment, prepared, store, executor, progress, earlier, command, began)
            run.record_setting(environment, look)
        if earlier is None:
            stack.enter_context(locked(directory))
        # The story: each stage begins where an interrupted one stopped.
        with run.marked():
            record_baselines(run, look.baselines)
            plan_budget(run)
            run_search(run)
            score_best_models(run)
            evaluate_finally(run)
            train_learning_curve(run)
            deliver_model(run)
    progress.stage("writing the report")
    leaderboard = write_report(load(directory), reports / experiment.name)
    write_index(reports)
    return leaderboard


def _started_workers(experiment: Experiment, scratch: Path, progress: Progress) -> LocalExecutor:
    """Worker processes of this machine, which import TensorFlow while the data are read."""
    return LocalExecutor(None, scratch, placements(experiment.workers), note=progress.note)


def _begun(workers: LocalExecutor | None, setup: TrialSetup) -> Executor | None:
    if workers is not None:
        workers.begin(setup)
    return workers


def _on_cluster(experiment: Experiment, setup: TrialSetup, progress: Progress) -> Executor:
    from bench.engine.ray.executor import RayExecutor

    assert experiment.cluster is not None
    return RayExecutor(setup, experiment.cluster, workers=experiment.workers, note=progress.note)
