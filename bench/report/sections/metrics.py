"""Other metrics of the candidates: over and under segmentation, small objects, contours, thresholds, calibration,
costs."""

from collections.abc import Iterator, Mapping
from dataclasses import fields

from bench import formats
from bench.analysis.decision import Choice
from bench.analysis.final_evaluation import Finals, RankedCandidate
from bench.analysis.probabilities import ProbabilityMetrics
from bench.analysis.run_analysis import Analysis
from bench.evaluation.metrics import FOREGROUND_METRICS
from bench.evaluation.pixel_metrics import BINS, TOLERANCE
from bench.evaluation.pooling import Estimate
from bench.formats import MISSING, fraction
from bench.records import Run
from bench.report import cells, estimates
from bench.report.blocks import Block, Column, Folded, Heading, Table, paragraph
from bench.report.sections.classes import classes

METRICS = {
    "image_iou": "IoU per image",
    "image_dice": "Dice per image",
    **{name: metric.title for name, metric in FOREGROUND_METRICS.items() if name != "iou"},  # which the ranking has
    "pixel_accuracy": "Accuracy",
}
"""By their stored name, with their heading, in the order of the table."""


def metrics(found: Analysis) -> Iterator[Block]:
    held = found.final
    if not isinstance(held, Finals):
        return
    leader = held.ranking[0]
    known = {name: leader.metrics.get(name) for name in ("dice", "precision", "recall")}
    said = ", ".join(f"{METRICS[name]} {formats.rounded(value)}" for name, value in known.items() if value is not None)
    blocks = (*_quality(found, held), *classes(found, held), *_probabilities(found, held))
    yield Folded("Other metrics", f"The leader has {said}.", blocks, "metrics")


def _quality(found: Analysis, held: Finals) -> Iterator[Block]:
    yield paragraph(
        "IoU and Dice per image are means over images, in which small objects weigh as much as large ones; the rest "
        "is pooled over pixels. Background is "
        "the accuracy of predicting no foreground: a model below it is worse than predicting nothing. Memory is the "
        "peak of the worker process."
    )
    columns = (
        Column("Model", "model"),
        *(Column(title, name, cells.rounded, number=True) for name, title in METRICS.items()),
        Column("Background", "background", cells.rounded, number=True, wide=True),
        Column("Training", "train_s", cells.duration, number=True, wide=True),
        Column(
            "Memory",
            "peak_memory_bytes",
            lambda value: formats.gibibytes(value if isinstance(value, int) else None),
            number=True,
            wide=True,
        ),
    )
    records: list[Mapping[str, object]] = [] if found.delivered is None else [_of_choice(found.delivered, held)]
    records += [
        {
            "model": each.label,
            **each.metrics,
            "background": held.background_share,
            "train_s": each.train_s,
            "peak_memory_bytes": each.peak_memory_bytes,
        }
        for each in held.ranking
    ]
    records += [
        {"model": each.label, **each.metrics, "background": held.background_share, "group": "baseline"}
        for each in held.references
    ]
    yield Table("Quality of the candidates", columns, records)


def _of_choice(choice: Choice, held: Finals) -> Mapping[str, object]:
    return {"model": choice.label, **choice.metrics, "background": held.background_share}


def _probabilities(found: Analysis, held: Finals) -> Iterator[Block]:
    yield Heading("Probability-based metrics and calibration", level=4)
    known = [each for each in found.probabilities.values() if each]
    if not known:
        yield paragraph("This run kept no probabilities: contours, other thresholds and calibration are not known.")
        return
    tolerance_px = known[0].tolerance_px
    yield paragraph(
        f"From the same out-of-fold predictions, pooled over images, with probabilities in {BINS} bins. A tuned "
        f"threshold is the best on the other folds, "
        f"never on the image's own. Boundary F1 counts contours within {tolerance_px:.1f} px ({100 * TOLERANCE:.2f} % "
        f"of the diagonal). The expected "
        "calibration error is the mean distance between the probability of the likelier side and how often it is "
        "right: low is good. Average "
        "precision does not see order within a bin. With several classes each is compared with the rest."
    )
    threshold = _threshold(found.run)
    at = "IoU" if threshold is None else f"IoU at {formats.plain(threshold)}"
    columns = (
        Column("Model", "model"),
        Column(at, "iou", cells.rounded, number=True),
        Column("Tuned", "tuned", number=True),
        Column("Gain", "gain", number=True),
        Column("Threshold", "threshold", number=True),
        Column(f"Boundary F1 ({tolerance_px:.1f} px)", "boundary_f1", number=True),
        Column("Average precision", "average_precision", number=True),
        Column("Calibration error", "calibration_error", number=True),
    )
    yield Table(
        "Probability-based metrics",
        columns,
        [_cells(each, found.probabilities.get(each.candidate.name)) for each in held.ranking],
    )
    leader = held.ranking[0]
    own = found.probabilities.get(leader.candidate.name)
    if own is not None:
        yield paragraph(" ".join(_said(held, leader, own, threshold)))
    gone = [each.label for each in held.ranking if found.probabilities.get(each.candidate.name) is None]
    if gone:
        yield paragraph(f"Not every training kept its probabilities: {formats.listing(gone)}.")


def _cells(each: RankedCandidate, of: ProbabilityMetrics | None) -> Mapping[str, object]:
    if of is None:
        return {"model": each.label, "iou": each.score}
    return {
        "model": each.label,
        "iou": each.score,
        "tuned": estimates.estimate(of.tuned),
        "gain": estimates.gain(of.gain),
        "threshold": _thresholds(of),
        "boundary_f1": estimates.estimate(of.boundary_f1),
        "average_precision": estimates.estimate(of.average_precision),
        "calibration_error": estimates.estimate(of.calibration_error),
    }


def _said(held: Finals, leader: RankedCandidate, own: ProbabilityMetrics, threshold: float | None) -> Iterator[str]:
    if threshold is not None and own.tuned is not None:
        yield (
            f"With a threshold tuned on the other folds, {_thresholds(own)}, the leader reaches "
            f"{estimates.estimate(own.tuned)}, against {formats.rounded(leader.score)} at the protocol's "
            f"{formats.plain(threshold)}: {estimates.gain(own.gain)}."
        )
        if own.tuned_test is not None and leader.test is not None:
            yield (
                f"On the held-out test set the threshold that is best out of fold gives "
                f"{formats.rounded(own.tuned_test)}, against "
                f"{formats.rounded(leader.test)}."
            )
    if own.calibration_error is not None:
        yield (
            f"The leader's expected calibration error is {100 * formats.settled(own.calibration_error.value):.1f} "
            f"percentage points."
        )
    if threshold is not None and held.background_share is not None:
        yield f"Average precision without skill is the share of foreground, {fraction(1 - held.background_share)}."


def probability_records(of: ProbabilityMetrics | None) -> dict[str, object]:
    """Columns of tables/finals.csv; none where nothing was kept."""
    if of is None:
        return {}
    values = {field.name: getattr(of, field.name) for field in fields(of)}
    names = {"tuned": "tuned_iou", "gain": "tuned_gain"}
    estimates = {names.get(name, name): each for name, each in values.items() if isinstance(each, Estimate)}
    low, median, high = of.thresholds
    return {
        "threshold": median,
        "threshold_low": low,
        "threshold_high": high,
        "tuned_test_iou": of.tuned_test,
        "tolerance_px": of.tolerance_px,
        **{column: value for name, each in estimates.items() for column, value in _columns(name, each).items()},
    }


def _columns(name: str, of: Estimate) -> dict[str, float | None]:
    low, high = (of.interval.low, of.interval.high) if of.interval else (None, None)
    return {name: of.value, f"{name}_low": low, f"{name}_high": high}


def _thresholds(of: ProbabilityMetrics) -> str:
    if of.tuned is None:
        return MISSING
    low, median, high = (f"{value:.2f}" for value in of.thresholds)
    return median if low == high else f"{median} ({low} to {high})"


def _threshold(run: Run) -> float | None:
    """The protocol's; None where several classes compete, of which the most probable wins."""
    value = run.protocol.get("threshold") if len(run.dataset.classes) == 1 else None
    return value if isinstance(value, int | float) else None
