"""Data or model? What the first of the finals scores when it is trained on fewer images, and whether more would help.

Learning curves extrapolate: Figueroa and others, "Predicting sample size required for classification performance", BMC Medical
Informatics and Decision Making, 2012; Hestness and others, "Deep learning scaling is predictable, empirically", 2017. Three shares are too
few for a fitted law, so that only the last step is judged, by its paired interval.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.final_evaluation import SEED, Finals, NoFinals, out_of_fold, trainings_of
from bench.analysis.leaderboard import Row
from bench.analysis.series import Missing
from bench.evaluation.resampling import counts_array, pooled_scores
from bench.evaluation.statistics import Difference, Interval, compare
from bench.formats import MISSING, fraction, plural, signed, span
from bench.records import COMPLETED, Run, TrainingRecord, configuration_key
from bench.report import markdown, tables
from bench.report.plots import Plot, left_out, shown
from bench.report.style import ACCENT, MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Trained on `train_share` of the images, `train_images` of them in the mean over folds and seeds: IoU out of fold, pooled over all
    images, the mean over seeds, each of which is in `by_seed`. `gain` is this point minus the one before, paired on images and seeds."""

    train_share: float
    train_images: float
    iou: float
    interval: Interval
    by_seed: tuple[float, ...]
    gain: Difference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCurve:
    """`points` by rising share, two at least; the last are the finals' own trainings. `seeds` are those of which every training completed,
    of the `planned` ones of the finals."""

    label: str
    points: tuple[CurvePoint, ...]
    seeds: tuple[int, ...]
    planned: int


def data_curve(run: Run, held: Finals) -> DataCurve | Missing | None:
    """Of the first of the standings; None where no training on a share of the images is on record."""
    first = held.standings[0]
    own = [
        each
        for each in run.curve_trainings
        if configuration_key(each.hyperparameters) == configuration_key(first.contestant.hyperparameters)
    ]
    if not own:
        return None
    trained = {
        (each.train_share, each.seed, each.fold): each
        for each in (*own, *trainings_of(run, first.contestant))
        if each.status == COMPLETED
    }

    def is_whole(share: float, seed: int) -> bool:
        return all((share, seed, fold) in trained for fold in range(held.record.folds))

    shares = [
        share
        for share in sorted({share for share, _, _ in trained})
        if any(is_whole(share, seed) for seed in held.seeds)
    ]
    seeds = tuple(seed for seed in held.seeds if all(is_whole(share, seed) for share in shares))
    if len(shares) < 2 or not seeds:
        return Missing(f"no share of the images is complete for a seed ({plural(len(own), 'training')} on record)")
    by_share = {
        share: [trained[share, seed, fold] for seed in seeds for fold in range(held.record.folds)] for share in shares
    }
    try:
        points = _points(run, by_share, seeds)
    except ValueError as error:
        return Missing(str(error))
    return DataCurve(label=first.label, points=points, seeds=seeds, planned=len(held.seeds))


def _points(
    run: Run, by_share: Mapping[float, Sequence[TrainingRecord]], seeds: Sequence[int]
) -> tuple[CurvePoint, ...]:
    counts = counts_array([out_of_fold(own, seeds) for own in by_share.values()])
    compared, scores = compare(counts, np.random.default_rng(SEED)), pooled_scores(counts)[0]
    gains = {each.second: each.turned() for each in compared.differences if each.second == each.first + 1}
    return tuple(
        CurvePoint(
            train_share=share,
            train_images=mean(_train_images(run, each) for each in own),
            iou=compared.scores[position],
            interval=compared.intervals[position],
            by_seed=tuple(map(float, scores[position])),
            gain=gains.get(position),
        )
        for position, (share, own) in enumerate(by_share.items())
    )


def _train_images(run: Run, training: TrainingRecord) -> int:
    """As recorded; all images of the other folds where a training of the finals is older than that record."""
    if training.train_images is not None:
        return training.train_images
    return sum(len(ids) for fold, ids in enumerate(run.split.folds) if fold != training.fold)


def section(held: Finals | NoFinals, run: Run, rows: Sequence[Row], directory: Path) -> Iterator[str]:
    """Nothing where the run has no such trainings."""
    found = None if isinstance(held, NoFinals) else data_curve(run, held)
    if found is None:
        return
    yield "## Data or model?"
    if isinstance(found, Missing):
        yield left_out("learning curve", found.reason)
        return
    extent = plural(found.planned, "seed")
    if len(found.seeds) < found.planned:
        extent = f"{len(found.seeds)} of {extent}, those of which every training completed,"
    yield (
        f"{markdown.text(found.label)}, the first of the finals, trained again (`--learning-curve`) on shares of each fold's training images with {extent} and for as "
        "many steps, so that only the images differ: fewer are seen more often. Shares are nested, resemble the whole in foreground share, "
        "keep twins together, and are drawn anew for each fold and seed. It is first by its scores on all images, which favours "
        f"that point. Intervals are for other images{' and for training again on these' if len(found.seeds) > 1 else ', of these trainings'} (95 %)."
    )
    plot = Plot("IoU by training images", "data-curve.png", lambda run, rows: found, draw_data_curve, about_data_curve)
    yield from shown(plot, run, rows, directory)
    yield table(found)
    tables.write_csv(directory / "tables/data-curve.csv", [_record(point) for point in found.points], [])
    yield f"Full precision: {markdown.link('tables/data-curve.csv', 'tables/data-curve.csv')}."


def table(found: DataCurve) -> str:
    head = ["Images", "Training images", "IoU", "95 % interval", "over the share before"]
    cells = [
        [
            _share(point),
            f"{point.train_images:.1f}",
            fraction(point.iou),
            span(point.interval.low, point.interval.high),
            MISSING if point.gain is None else _gain(point.gain),
        ]
        for point in found.points
    ]
    return markdown.table(head, cells, right=[0, 1, 2])


def about_data_curve(found: DataCurve) -> str:
    """Whether more data would help, as the last step says."""
    *_, before, last = found.points
    gain = last.gain
    assert gain is not None  # only the first point has none
    said = f"From {_share(before)} of the images ({before.train_images:.0f}) to all ({last.train_images:.0f}) IoU changes by {_gain(gain)}: "
    if len(found.seeds) == 1:
        return f"{said}with one seed nothing tells the effect of images from luck in training."
    if gain.interval.low > 0:
        return f"{said}more photographs are likely to help."
    if gain.interval.high < 0:
        return f"{said}fewer images scored more, so that nothing speaks for more of the same kind."
    return f"{said}no gain to be seen; one below {fraction(gain.detectable)} could easily have stayed unseen."


def draw_data_curve(found: DataCurve) -> "Figure":
    """A line through the means with their intervals; at the left of each a ring for every seed."""
    figure = new_figure(3.2)
    axes = figure.add_subplot()
    images = [point.train_images for point in found.points]
    aside = 0.015 * images[-1]
    for point in found.points:
        low, high = max(0.0, point.interval.low), min(1.0, point.interval.high)
        axes.vlines(point.train_images, low, high, color=ACCENT, linewidth=2, zorder=3)
        if len(found.seeds) > 1:
            axes.scatter(
                [point.train_images - aside] * len(point.by_seed), point.by_seed, s=22, facecolors="white", edgecolors=MUTED,
                linewidths=1.2, zorder=4, label="a seed" if point is found.points[0] else None,
            )  # fmt: skip
    axes.plot(
        images, [point.iou for point in found.points], color=ACCENT, linewidth=1.5, marker="o", markersize=7, zorder=5,
        label="mean, with 95 % interval",
    )  # fmt: skip
    axes.set_xticks(images, [f"{point.train_images:.0f}\n{_share(point)}" for point in found.points])
    axes.set_xlim(0, 1.04 * images[-1])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("Training images, mean over folds and seeds")
    axes.set_ylabel("Cross-validated IoU")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, fontsize=8)
    return figure


def _share(point: CurvePoint) -> str:
    return f"{100 * point.train_share:.0f} %"


def _gain(gain: Difference) -> str:
    return f"{signed(gain.value)} ({signed(gain.interval.low)} to {signed(gain.interval.high)})"


def _record(point: CurvePoint) -> dict[str, object]:
    gain = point.gain
    return {
        "train_share": point.train_share, "train_images": point.train_images,
        "iou": point.iou, "iou_low": point.interval.low, "iou_high": point.interval.high,
        "gain": gain and gain.value, "gain_low": gain and gain.interval.low, "gain_high": gain and gain.interval.high,
        "p": gain and gain.p, "detectable": gain and gain.detectable,
    }  # fmt: skip
