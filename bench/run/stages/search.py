"""The search: each tuner with each seed, one after the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.experiments import WITHOUT_TUNERS
from bench.run.costs import Deadline
from bench.run.open_run import OpenRun


def run_search(run: OpenRun) -> None:
    """Runs each tuner with each seed, one after the other, in equal time; none if the plan has no time for a search."""
    if run.experiment.search in WITHOUT_TUNERS or (run.chosen is not None and not run.chosen.search_share):
        return
    with _native_remarks_hidden():
        from bench.run.search import StudyPlan, run_study
        from search_spaces.segmentation import SegmentationHyperModel

    experiment = run.experiment
    hypermodel = SegmentationHyperModel(experiment.space, len(run.prepared.dataset.classes) + 1)
    plans = [
        StudyPlan(
            tuner=tuner,
            seed=seed,
            trials=experiment.trials,
            epochs=_search_epochs(run),
            rung_epochs=experiment.protocol.shortest_epochs,
            retries=experiment.retries,
            search_folds=experiment.protocol.search_folds,
        )
        for seed in experiment.seeds
        for tuner in experiment.tuners
    ]
    for number, study in enumerate(plans):
        share_s = run.times.share_s([each.study_id for each in plans[number:]])
        with run.times.timing(study.study_id):
            ended = run_study(
                study,
                hypermodel=hypermodel,
                executor=run.executor,
                proposals=[proposal for proposal in run.proposals if proposal.study_id == study.study_id],
                finished=[record for record in run.trials if record.study_id == study.study_id],
                costs=run.costs,
                deadline=Deadline.after(share_s),
                recorder=run,
                progress=run.progress,
            )
        run.progress.study_ended(run.times.end(study.study_id, ended))
        run.mark("running")


def _search_epochs(run: OpenRun) -> int:
    """Epochs of the longest trial. Within a budget it is the shortest length that is compared, unless the protocol sets
    one."""
    protocol = run.experiment.protocol
    if run.chosen is None or protocol.steps is not None:
        return protocol.epochs
    return protocol.shortest_epochs


@contextmanager
def _native_remarks_hidden() -> Iterator[None]:
    """Hides what TensorFlow's C++ part prints to file descriptor 2 on import, whatever the log level: it would break
    the live display."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
