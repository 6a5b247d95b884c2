"""Rows to the numbers of each chart. A series is frozen and knows nothing of drawing; `bench.report.figures` draws it.

Where the numbers do not carry a chart, a function returns `Missing` with the reason, which the page prints in its
place.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from statistics import median

from bench.analysis.final_evaluation import Finals, RankedCandidate
from bench.analysis.leaderboard import Row, ranked, references
from bench.evaluation.statistics import Interval
from bench.records import Run


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no such chart or table: a clause that goes on after "left out: "."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreGrid:
    """Median validation IoU and number of trials by loss (columns) and backbone (rows); None where nothing was
    tried."""

    backbones: tuple[str, ...]
    losses: tuple[str, ...]
    medians: tuple[tuple[float | None, ...], ...]
    counts: tuple[tuple[int, ...], ...]


MIN_CELLS = 4


def score_grid(run: Run, rows: Sequence[Row]) -> ScoreGrid | Missing:
    cells: dict[tuple[str, str], list[float]] = {}
    for row in filter(lambda row: row.compares, rows):
        loss = row.trial.hyperparameters.get("loss")
        if loss is not None and row.iou is not None:
            cells.setdefault((_backbone(row), str(loss)), []).append(row.iou)
    backbones, losses = (_by_best(cells, axis) for axis in (0, 1))
    if min(len(backbones), len(losses)) < 2 or len(cells) < MIN_CELLS:
        return Missing(f"fewer than {MIN_CELLS} pairs of backbone and loss have a score")
    grid = [[cells.get((backbone, loss), []) for loss in losses] for backbone in backbones]
    return ScoreGrid(
        backbones=backbones,
        losses=losses,
        medians=tuple(tuple(median(cell) if cell else None for cell in line) for line in grid),
        counts=tuple(tuple(len(cell) for cell in line) for line in grid),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressLine:
    """One study, one entry per trial in the order they ended: its own IoU (None if it has none), the best so far, and
    when it ended, in wall seconds since the study's first trial began: trials under way at the same time count once.
    `epochs` adds up those trained."""

    tuner: str
    seed: int
    ious: tuple[float | None, ...]
    best: tuple[float | None, ...]
    spent_s: tuple[float, ...]
    epochs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    lines: tuple[ProgressLine, ...]
    baseline: float | None


def progress(run: Run, rows: Sequence[Row]) -> Progress | Missing:
    by_study: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (_ended_at(row), row.name)):
        by_study.setdefault(row.trial.study_id, []).append(row)
    lines = [_progress_line(run, study) for study in by_study.values() if any(row.is_scored for row in study)]
    if not any(len(line.ious) > 1 for line in lines):
        return Missing("no tuner has completed a trial and started a second one")
    return Progress(lines=tuple(sorted(lines, key=lambda line: (line.tuner, line.seed))), baseline=_mean_mask_iou(run))


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Validation IoU by epoch (1, 2, ...) of one trial, epochs without a score left out."""

    rank: int
    label: str
    epochs: tuple[int, ...]
    ious: tuple[float, ...]
    best_epoch: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCurves:
    curves: tuple[Curve, ...]
    baseline: float | None


MAX_CURVES = 5


def training_curves(run: Run, rows: Sequence[Row]) -> TrainingCurves | Missing:
    """Of the best trial of each network: a tuner that learns ends with many trials of one, whose curves would cover
    each other."""
    curves: dict[str, Curve] = {}
    for row in ranked(rows):
        points = [(point.epoch, point.val_iou) for point in row.training.curve if point.val_iou is not None]
        if len(points) > 1 and row.model not in curves:
            epochs, ious = zip(*points, strict=True)
            curves[row.model] = Curve(
                rank=row.rank or 0, label=row.model, epochs=epochs, ious=ious, best_epoch=row.trial.best_epoch
            )
    if not curves:
        return Missing("none of the best trials has scores of more than one epoch")
    return TrainingCurves(curves=tuple(curves.values())[:MAX_CURVES], baseline=_mean_mask_iou(run))


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPoint:
    """`rank` is None of the delivered model, which is no candidate; `interval` None of a single training."""

    rank: int | None
    label: str
    cost: float
    iou: float
    interval: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPanel:
    """Quality against one cost. `front` holds the points that no other point beats in both, cheapest first."""

    title: str
    points: tuple[CostPoint, ...]
    front: tuple[CostPoint, ...]


COSTS: dict[str, Callable[[Row], float | None]] = {
    "Parameters (million)": lambda row: None if row.trial.num_params is None else row.trial.num_params / 1e6,
    "Training time (s)": lambda row: row.training.train_s,
}


LATENCY = "Latency (ms per image)"


def quality_against_cost(run: Run, rows: Sequence[Row]) -> tuple[CostPanel, ...] | Missing:
    panels = []
    for title, cost in COSTS.items():
        points = tuple(
            CostPoint(rank=row.rank, label=row.model, cost=value, iou=row.iou)
            for row in ranked(rows)
            if row.rank is not None and row.iou is not None and (value := cost(row)) is not None and value > 0
        )
        if len(points) > 1:
            panels.append(CostPanel(title=title, points=points, front=pareto_front(points)))
    return tuple(panels) or Missing("fewer than two ranked trials have a recorded cost")


def candidates_against_cost(found: Finals, delivered: CostPoint | None) -> tuple[CostPanel, ...] | Missing:
    """The same of the candidates of a final evaluation: cross-validated IoU against the cost of using them. `delivered`
    stands beside them by its latency in ms; how many parameters an ensemble has is not recorded."""
    costs: dict[str, Callable[[RankedCandidate], float | None]] = {
        LATENCY: lambda each: None if each.latency_s is None else 1000 * each.latency_s,
        "Parameters (million)": lambda each: None if each.num_params is None else each.num_params / 1e6,
    }
    panels = []
    for title, cost in costs.items():
        points = tuple(
            CostPoint(rank=found.rank_of(each), label=each.label, cost=value, iou=each.score, interval=each.interval)
            for each in found.ranking
            if (value := cost(each)) is not None and value > 0
        )
        if title == LATENCY and delivered is not None:
            points = (*points, delivered)
        if len(points) > 1:
            panels.append(CostPanel(title=title, points=points, front=pareto_front(points)))
    return tuple(panels) or Missing("fewer than two candidates have a recorded cost")


def pareto_front(points: Sequence[CostPoint]) -> tuple[CostPoint, ...]:
    front: list[CostPoint] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.iou)):
        if not front or point.iou > front[-1].iou:
            front.append(point)
    return tuple(front)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForegroundShares:
    """Share of foreground (all classes together) of each image, 0-1, by part of the split."""

    parts: tuple[tuple[str, tuple[float, ...]], ...]


def foreground_shares(run: Run, rows: Sequence[Row]) -> ForegroundShares | Missing:
    share_of = {image.id: sum(image.foreground_share) for image in run.audit.images}
    split = {"train": run.split.train, "validation": run.split.val, "test": run.split.test}
    parts = tuple(
        (name, shares) for name, ids in split.items() if (shares := tuple(share_of[id] for id in ids if id in share_of))
    )
    return ForegroundShares(parts=parts) if parts else Missing("the audit recorded no image of this split")


def _progress_line(run: Run, study: Sequence[Row]) -> ProgressLine:
    ious = tuple(row.iou if row.is_scored else None for row in study)
    best: list[float | None] = []
    for iou in ious:
        best.append(max((value for value in (*best[-1:], iou) if value is not None), default=None))
    clock = Busy([(row.trial.started_at, row.trial.wall_s) for row in study])
    spent_s = tuple(clock.until_s(_ended_at(row).timestamp()) for row in study)
    epochs = tuple(accumulate(row.trial.epochs_run for row in study))
    seeds = {record.study_id: record.seed for record in run.record.studies}
    first = study[0]
    seed = seeds.get(first.trial.study_id, first.trial.seed)
    return ProgressLine(tuner=first.tuner, seed=seed, ious=ious, best=tuple(best), spent_s=spent_s, epochs=epochs)


class Busy:
    """The time in which at least one of several things was under way: what begins at a time ISO 8601, and takes so
    many seconds."""

    def __init__(self, spans: Iterable[tuple[str, float | None]]) -> None:
        began = [(datetime.fromisoformat(at).timestamp(), seconds or 0.0) for at, seconds in spans]
        self._spans: list[tuple[float, float]] = []
        reached = float("-inf")
        for start, end in sorted((start, start + seconds) for start, seconds in began):
            if end > reached:
                self._spans.append((max(start, reached), end))
                reached = end
        self._before = [0.0, *accumulate(end - start for start, end in self._spans)]

    def until_s(self, moment: float = float("inf")) -> float:
        """Seconds of it up to a moment, in seconds since 1970; pauses, as between the sittings of a resumed run, do
        not count."""
        place = bisect_right(self._spans, (moment, float("inf")))
        if not place:
            return 0.0
        start, end = self._spans[place - 1]
        return self._before[place - 1] + min(end, moment) - start


def _ended_at(row: Row) -> datetime:
    return datetime.fromisoformat(row.trial.started_at) + timedelta(seconds=row.trial.wall_s or 0.0)


def _mean_mask_iou(run: Run) -> float | None:
    for reference in references(run):
        if reference.name == "mean_mask":
            return reference.metrics.get("val", {}).get("iou")
    return None


def _backbone(row: Row) -> str:
    """The backbone, or the architecture in brackets where it has none of its own."""
    backbone = row.trial.hyperparameters.get("backbone")
    return str(backbone) if backbone is not None else f"({row.model})"


def _by_best(cells: dict[tuple[str, str], list[float]], axis: int) -> tuple[str, ...]:
    best: dict[str, float] = {}
    for key, ious in cells.items():
        best[key[axis]] = max(best.get(key[axis], -math.inf), *ious)
    return tuple(sorted(best, key=lambda name: (-best[name], name)))
