"""A run's studies as Optuna studies in one SQLite file, which optuna-dashboard and `optuna.load_study` open."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.exchange.records.entries import Entry, entries
from bench.exchange.records.output_paths import require_new_file
from bench.exchange.run_data import experiment_of
from bench.records import COMPLETED, FAILED, Run
from bench.records.durable import store_errors
from search_spaces.space import HYPERPARAMETERS, Range, Space

SUFFIX = ".db"


def write_optuna(run: Run, output: Path) -> str:
    """A study "RUN: GROUP" for each study of the search and for the final evaluation.

    Scores are IoU, epochs are intermediate values. Trials that were stopped, pruned or collapsed are Optuna's PRUNED.
    `output` is the file, or a folder for it. Raises StoreError if the file exists.
    """
    import optuna

    file = output if output.suffix else output / f"optuna{SUFFIX}"
    require_new_file(file)
    groups: dict[str, list[Entry]] = {}
    for entry in entries(run):
        groups.setdefault(entry.group, []).append(entry)
    space = experiment_of(run).space
    with store_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it announces every study
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{file.resolve()}")
        for group, found in groups.items():
            study = optuna.create_study(storage=storage, study_name=f"{run.record.name}: {group}", direction="maximize")
            distributions = _distributions(space, found)
            study.add_trials([_trial(entry, distributions) for entry in found])
        storage.engine.dispose()
    finally:
        optuna.logging.set_verbosity(before)
    studies = "1 study" if len(groups) == 1 else f"{len(groups)} studies"
    return f"{studies}; open with: optuna-dashboard sqlite:///{file}"


def _distributions(space: Space, found: Sequence[Entry]) -> Mapping[str, Any]:
    """The distributions of the space, extended by values outside of them, which an original baseline may have."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    distributions: dict[str, Any] = {}
    for name in dict.fromkeys(name for entry in found for name in entry.hyperparameters):
        listed = getattr(space, name) if name in HYPERPARAMETERS else ()
        seen = [entry.hyperparameters[name] for entry in found if name in entry.hyperparameters]
        if isinstance(listed, Range):
            numbers = [listed.min, listed.max, *map(float, seen)]
            log = listed.sampling == "log" and min(numbers) > 0
            distributions[name] = FloatDistribution(min(numbers), max(numbers), log=log)
        else:
            distributions[name] = CategoricalDistribution(tuple(dict.fromkeys([*listed, *seen])))
    return distributions


def _trial(entry: Entry, distributions: Mapping[str, Any]) -> Any:
    from optuna.trial import TrialState, create_trial

    states = {COMPLETED: TrialState.COMPLETE, FAILED: TrialState.FAIL}
    state = states.get(entry.status, TrialState.PRUNED)
    if state == TrialState.COMPLETE and entry.score is None:
        state = TrialState.FAIL  # Optuna has no complete trial without a value
    trial = create_trial(
        state=state,
        value=entry.score if state != TrialState.FAIL else None,
        params=dict(entry.hyperparameters),
        distributions={name: distributions[name] for name in entry.hyperparameters},
        intermediate_values=dict(_intermediate(entry)),
        user_attrs={"name": entry.name, **entry.about, **entry.metrics},
    )
    # Optuna has local time without a zone.
    trial.datetime_start, trial.datetime_complete = (
        moment.astimezone().replace(tzinfo=None) for moment in (entry.started_at, entry.ended_at)
    )
    return trial


def _intermediate(entry: Entry) -> Iterable[tuple[int, float]]:
    return ((epoch.epoch, epoch.val_iou) for epoch in entry.curve if epoch.val_iou is not None)
