"""What tuners that train many configurations briefly did with them: who went on, and who was pruned, rung by rung."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.analysis.leaderboard import Row
from bench.records import COLLAPSED, FAILED, STOPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """The trials of one study that were trained up to `epochs` in one bracket. `promoted` of them were trained on;
    `pruned` completed and were not (or not yet, where the run is not over), though there was a higher rung;
    `collapsed` were stopped as collapsed, `stopped` did not end within the budget."""

    study_id: str
    bracket: int
    rung: int
    epochs: int
    trials: int
    promoted: int
    pruned: int
    collapsed: int
    stopped: int
    failed: int
    best: float | None
    median: float | None


def rungs(rows: Sequence[Row]) -> tuple[Rung, ...]:
    """By study, bracket and rung; () where no tuner promotes."""
    groups: dict[tuple[str, int, int], list[Row]] = {}
    for row in rows:
        values = row.trial.hyperparameters
        if "tuner/round" in values:
            key = (row.trial.study_id, int(values.get("tuner/bracket", 0)), int(values["tuner/round"]))
            groups.setdefault(key, []).append(row)
    parents: set[tuple[str, object]] = {
        (row.trial.study_id, row.trial.hyperparameters.get("tuner/trial_id")) for row in rows
    }
    keys = sorted(groups, key=lambda key: (key[0], -key[1], key[2]))  # Hyperband begins with its highest bracket
    last = {(study, bracket): rung for study, bracket, rung in keys}
    return tuple(_rung(key, groups[key], parents, is_last=last[key[:2]] == key[2]) for key in keys)


def _rung(key: tuple[str, int, int], group: Sequence[Row], parents: set[tuple[str, object]], *, is_last: bool) -> Rung:
    study, bracket, rung = key
    promoted = sum((study, row.trial.trial_id) in parents for row in group)
    failed = sum(row.trial.status == FAILED for row in group)
    collapsed = sum(row.trial.status == COLLAPSED for row in group)
    stopped = sum(row.trial.status == STOPPED for row in group)
    ious = [row.iou for row in group if row.iou is not None]
    return Rung(
        study_id=study,
        bracket=bracket,
        rung=rung,
        epochs=max(row.trial.epochs_planned for row in group),
        trials=len(group),
        promoted=promoted,
        pruned=0 if is_last else len(group) - promoted - failed - collapsed - stopped,
        collapsed=collapsed,
        stopped=stopped,
        failed=failed,
        best=max(ious, default=None),
        median=median(ious) if ious else None,
    )
