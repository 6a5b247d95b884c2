"""What tuners that train many configurations briefly did with them: who went on, and who was pruned, rung by rung."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.analysis.leaderboard import Row
from bench.evaluation.rank_agreement import Agreement, agreement
from bench.records import COLLAPSED, COMPLETED, FAILED, STOPPED, Key


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
        promotion = row.trial.promotion
        if promotion is not None and promotion.rung is not None:
            key = (row.trial.study_id, promotion.bracket, promotion.rung)
            groups.setdefault(key, []).append(row)
    promotions = [(row.trial.study_id, row.trial.promotion) for row in rows]
    parents = {(study, promotion.parent) for study, promotion in promotions if promotion and promotion.parent}
    keys = sorted(groups, key=lambda key: (key[0], -key[1], key[2]))  # Hyperband begins with its highest bracket
    last = {(study, bracket): rung for study, bracket, rung in keys}
    return tuple(_rung(key, groups[key], parents, is_last=last[key[:2]] == key[2]) for key in keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthAgreement:
    """How the configurations of one study that were trained for `short` epochs, and then for `long` ones, rank at
    both."""

    study_id: str
    short: int
    long: int
    ranks: Agreement


def length_agreements(rows: Sequence[Row]) -> tuple[LengthAgreement, ...]:
    """By study and lengths; without those of which too few configurations were trained at both. Each training has its
    own complete schedule."""
    trials = {row.trial.key: row.trial for row in rows if row.trial.status == COMPLETED}
    pairs: dict[tuple[str, int, int], list[tuple[float, float]]] = {}
    for trial in trials.values():
        parent = trials.get((trial.study_id, str(trial.promotion.parent))) if trial.promotion else None
        scores = [each.val_metrics.get("iou") for each in (parent, trial) if each is not None]
        if parent is not None and None not in scores and parent.epochs_planned < trial.epochs_planned:
            key = trial.study_id, parent.epochs_planned, trial.epochs_planned
            pairs.setdefault(key, []).append((scores[0] or 0.0, scores[1] or 0.0))
    found = []
    for (study, short, long), scored in sorted(pairs.items()):
        ranks = agreement(*zip(*scored, strict=True))
        if ranks is not None:
            found.append(LengthAgreement(study_id=study, short=short, long=long, ranks=ranks))
    return tuple(found)


def _rung(key: tuple[str, int, int], group: Sequence[Row], parents: set[Key], *, is_last: bool) -> Rung:
    study, bracket, rung = key
    promoted = sum(row.trial.key in parents for row in group)
    ended = Counter(row.trial.status for row in group)
    failed, collapsed, stopped = ended[FAILED], ended[COLLAPSED], ended[STOPPED]
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
